"""Checks dashboards/: every metric, label and value that a panel or a rule names stands in metrics.txt, every panel's
query is PromQL, panels neither overlap nor share an id, say their unit and what they show, and every alert has a case
that fires, one that is quiet, and a paragraph in deploy/README.md.

`dashboards.py queries` prints every panel and its query, one a line with a tab between, variables filled in: for a test that
asks a real Prometheus.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "dashboards"
DASHBOARDS = ["service.json", "findings.json", "permissions.json"]
VARIABLE = {"$__rate_interval": "5m", "$__range": "6h", "$__interval": "1m"}
COLUMNS = 24
NAME = re.compile(r"(?<![\w:.$\"])((?:trailhound|process)_\w+|up|\w+:\w+:\w+)\b")
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^{}]*)\}")
MATCHER = re.compile(r"\s*(\w+)\s*(=~|!~|!=|=)\s*\"((?:[^\"\\]|\\.)*)\"\s*")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
# What Prometheus itself adds to every series.
ADDED = {"job", "instance", "le"}

problems = []


def problem(where, what):
    problems.append(f"{where}: {what}")


def listed():
    """name -> (type, {label: values or None}); a histogram gives its three parts."""
    metrics = {}
    for line in (FOLDER / "metrics.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, kind, *labels = line.split()
        if kind not in ("counter", "gauge", "histogram"):
            problem("metrics.txt", f"{name} has the type {kind}")
        if (kind == "counter") != name.endswith("_total"):
            problem("metrics.txt", f"{name}: counters, and nothing else, end in _total")
        labels = {label.split("=")[0]: set(label.split("=")[1].split("|")) if "=" in label else None for label in labels}
        names = [name + end for end in ("_bucket", "_sum", "_count")] if kind == "histogram" else [name]
        for part in names:
            if part in metrics:
                problem("metrics.txt", f"{part} stands twice")
            metrics[part] = (kind, labels)
    return metrics


def recorded():
    """Recording rules and their labels, by the grouping of their expression."""
    names = {}
    for group in yaml.safe_load((FOLDER / "recording.rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            grouped = GROUPING.search(rule["expr"])
            names[rule["record"]] = ("gauge", {l.strip(): None for l in grouped[1].split(",")} if grouped else {})
    return names


def check_names(where, query, metrics):
    bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"", '""', query)
    used = set(NAME.findall(bare))
    if not used:
        problem(where, f"names no metric: {query}")
    allowed = set(ADDED)
    for name in sorted(used):
        if name not in metrics:
            problem(where, f"{name} is not in metrics.txt")
        else:
            allowed |= set(metrics[name][1])
    for name, inside in SELECTOR.findall(query):
        if name not in metrics:
            continue
        labels = metrics[name][1]
        for label, operator, value in MATCHER.findall(inside):
            if label not in labels and label not in ADDED:
                problem(where, f"{name} has no label {label}")
            known = labels.get(label)
            if known and "$" not in value:
                values = set(value.split("|")) if operator in ("=~", "!~") else {value}
                if values - known:
                    problem(where, f"{name}: {label} is never {sorted(values - known)}")
    for group in GROUPING.findall(bare):
        for label in filter(None, (l.strip() for l in group.split(","))):
            if label not in allowed:
                problem(where, f"groups by {label}, which {sorted(used)} do not have")


def fill(query, variables):
    for name, value in VARIABLE.items():
        query = query.replace(name, value)
    for name in variables:
        query = query.replace(f"${name}", ".*")
    return query


def check_layout(where, panels):
    ids = [p["id"] for p in panels]
    for twice in {i for i in ids if ids.count(i) > 1}:
        problem(where, f"the id {twice} stands twice")
    taken = {}
    for panel in panels:
        g = panel["gridPos"]
        if g["x"] < 0 or g["w"] < 1 or g["x"] + g["w"] > COLUMNS:
            problem(where, f"{panel['title']} leaves the grid")
        for x in range(g["x"], g["x"] + g["w"]):
            for y in range(g["y"], g["y"] + g["h"]):
                if (x, y) in taken:
                    problem(where, f"{panel['title']} lies over {taken[x, y]}")
                    return
                taken[x, y] = panel["title"]


def queries(metrics=None):
    """(where, query) of every panel; with metrics, everything about the dashboards is checked too."""
    found, uids = [], []
    for file in DASHBOARDS:
        board = json.loads((FOLDER / file).read_text())
        uids.append(board["uid"])
        variables = [v["name"] for v in board["templating"]["list"] if v["type"] == "query"]
        panels = board["panels"]
        for panel in panels:
            if panel["type"] == "row":
                continue
            where = f"{file}: {panel['title']}"
            for target in panel["targets"]:
                query = fill(target["expr"], variables)
                found.append((where, query))
                if metrics is not None:
                    if "$" in query:
                        problem(where, f"an unknown variable stands in {query}")
                    check_names(where, query, metrics)
                    if target["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
                        problem(where, "does not ask the chosen Prometheus")
            if metrics is None:
                continue
            if len(panel.get("description", "")) < 10:
                problem(where, "says nothing of what it shows")
            if not panel["fieldConfig"]["defaults"].get("unit"):
                problem(where, "has no unit")
            refs = [t["refId"] for t in panel["targets"]]
            if len(set(refs)) != len(refs) or not refs:
                problem(where, "has no query, or two of one letter")
        if metrics is None:
            continue
        check_layout(file, panels)
        titles = [p["title"] for p in panels if p["type"] != "row"]
        for twice in {t for t in titles if titles.count(t) > 1}:
            problem(file, f"two panels are called {twice}")
        if [v["name"] for v in board["templating"]["list"]][0] != "datasource":
            problem(file, "the first variable is the datasource")
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
                if name not in metrics or label not in {*metrics[name][1], *ADDED}:
                    problem(file, f"the variable {variable['name']} asks for {name}, {label}")
            if variable["name"] != "datasource" and f"${variable['name']}" not in json.dumps(panels):
                problem(file, f"no panel uses the variable {variable['name']}")
    if len(set(uids)) != len(uids):
        problem("dashboards", "two have one uid")
    return found


def check_syntax(found):
    """promtool reads each query as the expression of a recording rule."""
    rules = [{"record": f"panel:{n}", "expr": query} for n, (_, query) in enumerate(found)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        answer = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
    if answer.returncode:
        problem("dashboards", answer.stdout + answer.stderr)


def check_rules(metrics):
    readme = (ROOT / "deploy/README.md").read_text()
    headings = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"(?m)^#+ (.*)$", readme)}
    alerts = set()
    for file in ["recording.rules.yml", "alerts.rules.yml"]:
        for group in yaml.safe_load((FOLDER / file).read_text())["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule["record"]
                check_names(f"{file}: {name}", rule["expr"], metrics)
                if "alert" not in rule:
                    continue
                alerts.add(name)
                if rule.get("labels", {}).get("severity") not in ("critical", "warning"):
                    problem(name, "has no severity")
                if not rule.get("annotations", {}).get("summary"):
                    problem(name, "has no summary")
                page, _, heading = rule.get("annotations", {}).get("runbook", "").partition("#")
                if page != "deploy/README.md" or heading not in headings:
                    problem(name, f"its runbook, {page}#{heading}, is not there")
    fires, quiet = set(), set()
    for test in yaml.safe_load((FOLDER / "tests.yml").read_text())["tests"]:
        for case in test.get("alert_rule_test", []):
            (fires if case["exp_alerts"] else quiet).add(case["alertname"])
    for name in sorted(alerts - fires):
        problem(name, "no case in tests.yml fires it")
    for name in sorted(alerts - quiet):
        problem(name, "no case in tests.yml is quiet")
    for name in sorted((fires | quiet) - alerts):
        problem("tests.yml", f"{name} is no alert")


def main():
    metrics = listed()
    own = {n for n in metrics if n.startswith("trailhound_")}
    found = queries({n: m for n, m in metrics.items() if n not in ("up",)})
    check_syntax(found)
    check_rules(metrics | recorded())
    shown = " ".join(query for _, query in found)
    for name in sorted(own):
        base = re.sub(r"_(bucket|sum|count)$", "", name) if metrics[name][0] == "histogram" else name
        if base not in shown:
            problem("dashboards", f"no panel shows {base}")
    if problems:
        sys.exit("dashboards: " + "\ndashboards: ".join(problems))
    print(f"dashboards: {len(found)} queries, {len(metrics)} series, every alert tested both ways")


if __name__ == "__main__":
    if sys.argv[1:2] == ["queries"]:
        for where, query in queries():
            print(f"{where}\t{query}")
    else:
        main()
