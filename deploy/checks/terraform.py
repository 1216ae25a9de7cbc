"""Checks terraform/ as far as it goes without providers: it parses, every reference leads to something declared, every
variable is used, and the module makes the same things as cloudformation.yaml: the same statements with the same actions,
the same alarms, the same figures of the queue."""

import pathlib
import re
import sys

import hcl2
import yaml

ROOT = pathlib.Path(__file__).parents[1]
problems = []


class Loader(yaml.SafeLoader):
    """Reads the template's short forms (!Ref and so on) as what they hold."""


def short_form(loader, _, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", short_form)


def read():
    """All files as one text without comments, and what they declare."""
    declared, text = set(), ""
    for file in sorted((ROOT / "terraform").glob("*.tf")):
        body = file.read_text()
        tree = hcl2.loads(body)
        for block in tree.get("variable", []):
            declared |= {f"var.{n}" for n in block}
        for block in tree.get("locals", []):
            declared |= {f"local.{n}" for n in block if not n.startswith("__")}
        for block in tree.get("resource", []):
            declared |= {f"{kind}.{name}" for kind, names in block.items() for name in names}
        for block in tree.get("data", []):
            declared |= {f"data.{kind}.{name}" for kind, names in block.items() for name in names}
        text += re.sub(r"(?m)^\s*#.*$", "", body)
    return text, declared


def statements_of_terraform(text):
    """sid -> actions of the service's policy."""
    document = text[text.index('data "aws_iam_policy_document" "service"') : text.index('resource "aws_iam_policy" "service"')]
    pairs = re.findall(r'sid\s+= "(\w+)"\s+actions\s+= \[([^\]]*)\]', document)
    return {sid: set(re.findall(r'"([^"]+)"', actions)) for sid, actions in pairs}


def statements_of_cloudformation(template):
    found = {}

    def walk(value):
        if isinstance(value, dict):
            if "Sid" in value:
                action = value["Action"]
                found[value["Sid"]] = {action} if isinstance(action, str) else set(action)
            else:
                for inner in value.values():
                    walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(template["Resources"]["ServicePolicy"]["Properties"]["PolicyDocument"])
    return found


def alarms_of_terraform(text):
    pattern = r'metric_name\s+= "(\w+)"[\s\S]*?period\s+= (\d+)\s+evaluation_periods\s+= (\d+)'
    return {name: (int(p), int(e)) for name, p, e in re.findall(pattern, text)}


def alarms_of_cloudformation(template):
    alarms = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::CloudWatch::Alarm"]
    return {a["MetricName"]: (a["Period"], a["EvaluationPeriods"]) for a in alarms}


def same(what, ours, theirs):
    if ours != theirs:
        problems.append(f"{what} differ: terraform {ours}, cloudformation {theirs}")


def main():
    text, declared = read()
    used = set(re.findall(r"(?<![\w.])(?:var|local)\.\w+", text))
    used |= set(re.findall(r"(?<![\w.])data\.\w+\.\w+", text))
    used |= {r for r in re.findall(r"(?<![\w.\"/-])aws_\w+\.\w+|(?<![\w.])random_\w+\.\w+", text)}
    for reference in sorted(used - declared):
        problems.append(f"{reference} is not declared")
    for name in sorted(d for d in declared - used if d.startswith(("var.", "local."))):
        problems.append(f"{name} is not used")

    template = yaml.load((ROOT / "cloudformation.yaml").read_text(), Loader)
    same("statements", statements_of_terraform(text), statements_of_cloudformation(template))
    same("alarms", alarms_of_terraform(text), alarms_of_cloudformation(template))
    queues = [template["Resources"][n]["Properties"] for n in ("Queue", "DeadLetterQueue")]
    same(
        "retentions",
        [int(n) for n in re.findall(r"message_retention_seconds\s+= (\d+)", text)],
        [q["MessageRetentionPeriod"] for q in queues],
    )
    if problems:
        sys.exit("terraform: " + "\nterraform: ".join(problems))
    print(f"terraform: {len(used)} references lead somewhere; statements and alarms as in CloudFormation")


if __name__ == "__main__":
    main()
