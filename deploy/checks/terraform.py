"""Checks terraform/ as far as it goes without providers: it parses, every reference leads to something declared, every
variable is used, and the modules make the same things as cloudformation.yaml and permissions-role.yaml: the same statements
with the same actions, the same alarms, the same figures of the queue."""

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


def read(module):
    """All files of a module as one text without comments, and what they declare."""
    declared, text = set(), ""
    for file in sorted(module.glob("*.tf")):
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


def check_references(module, text, declared):
    """How many references there are; each leads somewhere, and every variable is used."""
    used = set(re.findall(r"(?<![\w.])(?:var|local)\.\w+", text))
    used |= set(re.findall(r"(?<![\w.])data\.\w+\.\w+", text))
    used |= {r for r in re.findall(r"(?<![\w.\"/-])aws_\w+\.\w+|(?<![\w.])random_\w+\.\w+", text)}
    for reference in sorted(used - declared):
        problems.append(f"{module.name}: {reference} is not declared")
    for name in sorted(d for d in declared - used if d.startswith(("var.", "local."))):
        problems.append(f"{module.name}: {name} is not used")
    return len(used)


def statements_of_terraform(text, name):
    """sid -> actions of a policy document."""
    document = re.search(rf'(?ms)^data "aws_iam_policy_document" "{name}" \{{$.*?^\}}$', text)[0]
    pairs = re.findall(r'sid\s+= "(\w+)"\s+actions\s+= \[([^\]]*)\]', document)
    return {sid: set(re.findall(r'"([^"]+)"', actions)) for sid, actions in pairs}


def statements_of_cloudformation(properties):
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

    walk(properties)
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
    module, role_module = ROOT / "terraform", ROOT / "terraform" / "permissions-role"
    (text, declared), (role_text, role_declared) = read(module), read(role_module)
    references = check_references(module, text, declared) + check_references(role_module, role_text, role_declared)

    template = yaml.load((ROOT / "cloudformation.yaml").read_text(), Loader)
    role = yaml.load((ROOT / "permissions-role.yaml").read_text(), Loader)["Resources"]["Role"]["Properties"]
    policy = template["Resources"]["ServicePolicy"]["Properties"]["PolicyDocument"]
    same("statements", statements_of_terraform(text, "service"), statements_of_cloudformation(policy))
    same("the role's statements", statements_of_terraform(role_text, "read"), statements_of_cloudformation(role["Policies"]))
    same("alarms", alarms_of_terraform(text), alarms_of_cloudformation(template))
    queues = [template["Resources"][n]["Properties"] for n in ("Queue", "DeadLetterQueue")]
    same(
        "retentions",
        [int(n) for n in re.findall(r"message_retention_seconds\s+= (\d+)", text)],
        [q["MessageRetentionPeriod"] for q in queues],
    )
    if problems:
        sys.exit("terraform: " + "\nterraform: ".join(problems))
    print(f"terraform: {references} references lead somewhere; statements and alarms as in CloudFormation")


if __name__ == "__main__":
    main()
