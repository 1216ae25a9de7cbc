#!/usr/bin/env python3
"""The service as a team deploys it, from the stack to somebody's phone, on parts that are real as far as they can be had.

    .venv/bin/python tests/end_to_end.py [--objects N] [--prometheus PROGRAM] LOGS

An AWS of our own (MiniStack) gets deploy/cloudformation.yaml; `trailhound serve` reads the queue that the stack made. The
objects of the folder LOGS are put into the stack's bucket, and with them what happens to everybody: a root key is
made, an object is gone before it is read, a message is none, a rule fails, a rule file is changed while the service runs, and the chat does not
answer at first. Seen must be: the table that a scan of the same folder makes, an empty queue, one incident told to
chat and pager in payloads as their makers want them, and, where a Prometheus is given, an answer to every query of
every panel in dashboards/.
"""

import argparse
import csv
import datetime
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import botocore.session
import jsonschema
from botocore.config import Config
from slack_sdk.models.blocks import Block

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy/checks"))
import dashboards  # noqa: E402  (needs the path above)

# The service's own account, whose permissions it reads, and one of which a file tells them.
ACCOUNT, TOLD = "123456789012", "111122223333"
REGION = "eu-west-1"
BUCKET = "trail"
PATIENCE_SECONDS = 120
ROUTING_KEY = "0123456789abcdef0123456789abcdef"

# What PagerDuty says of an event (github.com/PagerDuty/api-schema, reference/events-v2), and the lengths that its
# "Send an event" page adds.
PAGERDUTY = {
    "type": "object",
    "required": ["routing_key", "event_action"],
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "maxLength": 255},
        "client": {"type": "string"},
        "client_url": {"type": "string", "pattern": "^https?://"},
        "links": {"type": "array", "items": {"type": "object", "required": ["href"]}},
        "images": {"type": "array", "items": {"type": "object", "required": ["src"]}},
        "payload": {
            "type": "object",
            "required": ["summary", "severity", "source"],
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$"},
                "severity": {"enum": ["critical", "warning", "error", "info"]},
                "source": {"type": "string", "minLength": 1},
                "component": {"type": "string"},
                "group": {"type": "string"},
                "class": {"type": "string"},
                "custom_details": {"type": "object"},
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
    # A trigger has a payload; what is no trigger has a key.
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "else": {"required": ["dedup_key"]},
}
# Slack: blocks of a message, and characters that all of them may have together (slackapi/bolt-js#2509).
SLACK_BLOCKS_MAX, SLACK_CHARS_MAX = 50, 13_000


def say(text):
    print(f"end to end: {text}", flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, holds, seconds=PATIENCE_SECONDS, why=lambda: ""):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if held := holds():
                return held
        except OSError:
            pass
        assert time.monotonic() < deadline, f"{what}: waited {seconds} s in vain{why()}"
        time.sleep(0.2)


class Process:
    """A program that runs until the block ends; what it says goes to a file."""

    def __init__(self, folder, name, command, **environment):
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            environment = {**os.environ, **environment}
            self.child = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


class People(http.server.ThreadingHTTPServer):
    """Chat and pager. The chat's first answer is an error, as its makers have on a bad day."""

    def __init__(self):
        self.chat, self.pager, self.refused = [], [], False
        super().__init__(("127.0.0.1", 0), Hearer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def heard(self, path, body):
        if path == "/v2/enqueue":
            self.pager.append(body)
            return 202, {"status": "success", "message": "Event processed", "dedup_key": body.get("dedup_key")}
        if not self.refused:
            self.refused = True
            return 503, {}
        self.chat.append(body)
        return 200, "ok"


class Hearer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.heard(self.path, body)
        text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Aws:
    def __init__(self, port):
        self.endpoint = f"http://127.0.0.1:{port}"
        self.session = botocore.session.Session()

    def client(self, service):
        return self.session.create_client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 4}, s3={"addressing_style": "path"}),
        )

    def environment(self):
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def deploy(aws):
    """The stack with queue, bucket and permissions; the service itself runs here. Gives the queue's URL."""
    formation = aws.client("cloudformation")
    parameters = {"Ledger": "none", "NotificationPath": "s3", "TrailBucket": "create", "TrailBucketName": BUCKET}
    formation.create_stack(
        StackName="trailhound",
        TemplateBody=(ROOT / "deploy/cloudformation.yaml").read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )

    def made():
        stack = formation.describe_stacks(StackName="trailhound")["Stacks"][0]
        assert stack["StackStatus"] in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"), stack
        return stack if stack["StackStatus"] == "CREATE_COMPLETE" else None

    outputs = until("the stack stands", made)["Outputs"]
    return {o["OutputKey"]: o["OutputValue"] for o in outputs}["QueueUrl"]


def chosen(logs, count):
    """Log files below the folder, spread evenly where not all of them are wanted."""
    files = sorted(path for path in logs.rglob("*.json.gz") if path.is_file())
    assert files, f"{logs} holds no *.json.gz"
    if count is None or count >= len(files):
        return files
    return [files[at * len(files) // count] for at in range(count)]


def packed(account, records):
    """An object of an account's trail, as of five minutes past the last of the records."""
    last = max(datetime.datetime.fromisoformat(record["eventTime"]) for record in records)
    stamp = last + datetime.timedelta(minutes=5 - last.minute % 5)
    content = gzip.compress(json.dumps({"Records": records}).encode(), mtime=0)
    name = f"{account}_CloudTrail_us-east-1_{stamp:%Y%m%dT%H%MZ}_{hashlib.md5(content).hexdigest()[:16]}.json.gz"
    return f"AWSLogs/{account}/CloudTrail/us-east-1/{stamp:%Y/%m/%d}/{name}", content


def minutes_ago(minutes):
    return datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0) - datetime.timedelta(minutes=minutes)


def call(account, happened, identity, source, name, number, **more):
    return {
        "eventVersion": "1.09",
        "userIdentity": {"accountId": account, **identity},
        "eventTime": f"{happened:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": source,
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        # Who attacks writes this: none of it may be more than text.
        "userAgent": "<!channel> *x* `y` <http://evil.example|click> \u202e",
        "eventID": f"7f1d0c52-0000-4000-8000-{number:012}",
        "eventType": "AwsApiCall",
        "readOnly": False,
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
        **more,
    }


def root_key(account):
    """An object in which root makes itself a key, some minutes ago: it comes from a source that is alive."""
    root = {"type": "Root", "principalId": account, "arn": f"arn:aws:iam::{account}:root"}
    made = {"accessKey": {"userName": "root", "status": "Active", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}}
    return packed(account, [call(account, minutes_ago(10), root, "iam.amazonaws.com", "CreateAccessKey", 1, responseElements=made)])


def used_and_granted(account):
    """An object with a user's calls in each hour of two days, and what IAM says of the user: one action more than was used."""
    arn, id_ = f"arn:aws:iam::{account}:user/ana", "AIDAEXAMPLEANA000000A"
    ana = {"type": "IAMUser", "principalId": id_, "arn": arn, "userName": "ana", "accessKeyId": "AKIAEXAMPLEANA000000"}
    records = []
    for hour in range(48):
        for read_only, name in [(True, "DescribeInstances"), (False, "StopInstances")]:
            number = 1_000 + 2 * hour + read_only
            happened = minutes_ago(20 + 60 * hour)
            records.append(call(account, happened, ana, "ec2.amazonaws.com", name, number, readOnly=read_only))
    actions = ["ec2:DescribeInstances", "ec2:StopInstances", "ec2:TerminateInstances"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    user = {
        "Path": "/",
        "UserName": "ana",
        "UserId": id_,
        "Arn": arn,
        "CreateDate": "2024-01-01T00:00:00Z",
        "GroupList": [],
        "AttachedManagedPolicies": [],
        "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": document}],
    }
    granted = {"UserDetailList": [user], "GroupDetailList": [], "RoleDetailList": [], "Policies": []}
    return packed(account, records), granted


RULE = """-- +++
-- title = "{title}"
-- severity = "low"
-- status = "{status}"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1098.001"]
-- why = "Shows that rules are loaded while the service runs."
-- false_positives = ["all of them"]
-- runbook = "None."
-- refs = []
-- +++
SELECT event_id, account_id, principal_key, principal_name, event_name FROM events
WHERE event_name = 'CreateAccessKey' AND {condition}
"""


def write_rule(folder, name, title, condition, status="stable"):
    (folder / "iam").mkdir(parents=True, exist_ok=True)
    (folder / f"iam/{name}.sql").write_text(RULE.format(title=title, condition=condition, status=status))


class Trailhound:
    """The program: its service, and its commands on the service's store."""

    def __init__(self, program, work, aws):
        self.program, self.work, self.aws = program, work, aws
        self.port, self.rules, self.store = free_port(), work / "rules", work / "store"

    def configure(self, queue, people):
        address = f"http://127.0.0.1:{people.server_address[1]}"
        (self.work / "trailhound.toml").write_text(f"""
[store]
location = "{self.store}"
flush_seconds = 3
[rules]
folders = ["{self.rules}"]
[[queue]]
url = "{queue}"
[http]
bind = "127.0.0.1:{self.port}"
[permissions]
accounts = ["{ACCOUNT}"]
days = 1
[alerts]
history_hours = 800000
[[sink]]
name = "chat"
kind = "slack"
webhook_url = {{ env = "HOOK" }}
[[sink]]
name = "pager"
kind = "pagerduty"
routing_key = {{ env = "ROUTING_KEY" }}
endpoint_url = "{address}"
[[route]]
sinks = ["chat", "pager"]
severity = "high"
""")
        self.secrets = {"HOOK": f"{address}/services/T0/B0/secret", "ROUTING_KEY": ROUTING_KEY}

    def serve(self):
        command = [self.program, "serve", "--config", self.work / "trailhound.toml"]
        return Process(self.work, "serve", command, **self.aws.environment(), **self.secrets)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, series):
        """The sum of the series whose name and labels begin so."""
        lines = [line for line in self.get("/metrics").splitlines() if line.startswith(series)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def sql(self, store, query):
        return list(csv.DictReader(io.StringIO(self.run("sql", "--store", store, "--format", "csv", query))))


def texts_of(value, kind):
    """The texts of one kind, anywhere in a message."""
    if isinstance(value, list):
        return [text for part in value for text in texts_of(part, kind)]
    if not isinstance(value, dict):
        return []
    own = [value["text"]] if value.get("type") == kind else []
    return own + texts_of(list(value.values()), kind)


def check_people(trailhound, people):
    """Every open incident that is grave was told once to each, in a form that Slack and PagerDuty take."""
    wanted = "SELECT id FROM incidents WHERE kind <> 'watch' AND state <> 'closed' AND severity IN ('high', 'critical')"
    open_ids = {row["id"] for row in trailhound.sql(trailhound.store, wanted)}
    assert open_ids, "no incident is open"
    on_trial = """SELECT count(f.id) AS found, count(m.finding_id) AS told FROM findings f
        LEFT JOIN incident_findings m ON m.finding_id = f.id WHERE f.status = 'trial'"""
    [trial] = trailhound.sql(trailhound.store, on_trial)
    assert int(trial["found"]) > 0 and int(trial["told"]) == 0, f"of what rules on trial found, people are told: {trial}"
    checker = jsonschema.Draft202012Validator(PAGERDUTY)
    for event in people.pager:
        checker.validate(event)
    triggered = {event["dedup_key"] for event in people.pager if event["event_action"] == "trigger"}
    assert open_ids <= triggered, (open_ids, triggered)
    for message in people.chat:
        blocks = message["blocks"]
        assert 0 < len(blocks) <= SLACK_BLOCKS_MAX, len(blocks)
        # Slack's own library refuses blocks of no known kind, and texts that are too long.
        parsed = [block.to_dict() for block in Block.parse_all(blocks)]
        assert parsed == blocks, (parsed, blocks)
        assert sum(len(json.dumps(block)) for block in blocks) <= SLACK_CHARS_MAX, "too much for one message"
        assert message["text"], "the notification on the phone would be empty"
        # Plain text is shown as it is; everywhere else a bracket would be a mention or a link.
        marked = [message["text"], *texts_of(blocks, "mrkdwn")]
        assert all("<" not in text for text in marked), marked
    told = json.dumps(people.chat)
    assert all(incident in told for incident in open_ids), (open_ids, told)
    log = (trailhound.work / "serve.log").read_text()
    assert "services/T0" not in log and ROUTING_KEY not in log, "a secret is in the log"
    return len(open_ids)


def check_table(trailhound, folder):
    """The table is the one that a scan of the same objects makes, and everything is accounted for."""
    scanned = trailhound.work / "scanned"
    trailhound.run("scan", folder, "--store", scanned, "--rules", trailhound.rules)
    for what, query in {
        "events": "SELECT event_id, event_time, event_name, principal_key FROM events ORDER BY event_id",
        "findings": "SELECT id, rule, severity, title FROM findings ORDER BY id",
    }.items():
        ours, theirs = trailhound.sql(trailhound.store, query), trailhound.sql(scanned, query)
        assert ours == theirs, f"{what}: {len(ours)} by the service, {len(theirs)} by a scan"
    events = trailhound.sql(trailhound.store, "SELECT count(*) AS n FROM events")[0]["n"]
    for what in ("objects", "records"):
        fates = trailhound.sql(trailhound.store, f"SELECT fate, sum({what}) AS n FROM accounting_{what} GROUP BY fate")
        sums = {row["fate"]: int(row["n"]) for row in fates}
        assert sums.pop("received") == sum(sums.values()), (what, fates)
    return int(events)


def ask(port, query):
    text = urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{text}", timeout=30) as answer:
        said = json.load(answer)
    assert said["status"] == "success", (query, said)
    return said["data"]["result"]


class Panels:
    """Every query of every panel, asked of a Prometheus."""

    def __init__(self, port):
        self.port, self.missing = port, []

    def answered(self):
        """How many there are, once each has an answer."""
        asked = dashboards.queries()
        self.missing = [f"{where}\n    {query}" for where, query in asked if not ask(self.port, query)]
        return None if self.missing else len(asked)

    def why(self):
        return "; no answer for:\n  " + "\n  ".join(self.missing)


def prometheus(program, work, target):
    port = free_port()
    (work / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: trailhound, static_configs: [{{targets: ["127.0.0.1:{target}"]}}]}}]
""")
    command = [
        program,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=prometheus",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return port, Process(work, "prometheus", command)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", type=pathlib.Path, help="a folder of CloudTrail log files in their layout")
    parser.add_argument("--objects", type=int, help="how many of them; without it, all")
    parser.add_argument("--prometheus", help="ask this Prometheus every panel's query")
    parser.add_argument("--trailhound", type=pathlib.Path, default=ROOT / "target/release/trailhound")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trailhound-end-to-end-") as folder:
        try:
            run(options, pathlib.Path(folder))
        except Exception:
            for name in ("prometheus", "ministack", "serve"):
                log = pathlib.Path(folder) / f"{name}.log"
                if log.exists():
                    print(f"--- {name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
            raise


def run(options, work):
    objects = {str(f.relative_to(options.logs)): f.read_bytes() for f in chosen(options.logs, options.objects)}
    (key, body), ((used, calls), granted) = root_key(TOLD), used_and_granted(TOLD)
    # What is judged comes first, since it is looked for once a minute.
    objects = {used: calls, **objects, key: body}
    same = work / "same"
    for name, content in objects.items():
        (same / name).parent.mkdir(parents=True, exist_ok=True)
        (same / name).write_bytes(content)

    port, people = free_port(), People()
    ministack = Process(
        work,
        "ministack",
        [pathlib.Path(sys.executable).parent / "ministack"],
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        MINISTACK_HOST="127.0.0.1",
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        STATE_DIR=str(work / "ministack"),
    )
    with ministack:
        aws = Aws(port)
        until("MiniStack answers", lambda: urllib.request.urlopen(f"{aws.endpoint}/_ministack/health", timeout=2))
        queue = deploy(aws)
        say("the stack stands, with its bucket's notification")
        sqs, s3 = aws.client("sqs"), aws.client("s3")
        # Shorter than a commit, so that leases have to be prolonged.
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "4"})

        trailhound = Trailhound(options.trailhound.resolve(), work, aws)
        trailhound.configure(queue, people)
        aws.client("iam").create_user(UserName="new")
        write_rule(trailhound.rules, "always_right", "{principal_name} made a key", "outcome = 'success'")
        write_rule(trailhound.rules, "on_trial", "{principal_name} perhaps made a key", "outcome = 'success'", "trial")
        with trailhound.serve() as service:
            until("the service is ready", lambda: trailhound.get("/readyz"))
            (work / "granted.json").write_text(json.dumps(granted))
            trailhound.run("permissions", "load", work / "granted.json", "--store", trailhound.store)
            watching = None
            if options.prometheus:
                watching, metrics = prometheus(options.prometheus, work, trailhound.port)
                metrics.__enter__()
                # An increase is one since the first look.
                until("Prometheus looks", lambda: ask(watching, 'count_over_time(up{job="trailhound"}[1m]) > 2'))
            try:
                drive(trailhound, people, (sqs, s3, queue), objects)
                if watching:
                    panels = Panels(watching)
                    count = until("every panel has an answer", panels.answered, PATIENCE_SECONDS, panels.why)
                    say(f"{count} queries of panels, each with an answer of a real Prometheus")
            finally:
                if watching:
                    metrics.__exit__()
            begun = time.monotonic()
            service.child.send_signal(signal.SIGTERM)
            code = service.child.wait(60)
            assert code == 0, f"the service ended with {code}"
            say(f"stopped within {time.monotonic() - begun:.1f} s of SIGTERM")
        events = check_table(trailhound, same)
        say(f"{events} events, each once, and the findings that a scan of the same objects finds")
        incidents = check_people(trailhound, people)
        say(f"{incidents} incidents told: {len(people.chat)} messages, {len(people.pager)} pages, all valid")


def drive(trailhound, people, stage, objects):
    sqs, s3, queue = stage
    begun = time.monotonic()
    # What nobody understands, and what is gone before it is read.
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"hello": "world"}))
    gone = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/09/111122223333_CloudTrail_us-east-1_20260309T1300Z_gonegonegonegone.json.gz"
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": BUCKET}, "object": {"key": gone}}}
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"Records": [record]}))
    for key, body in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    # A second time: the same content is announced again.
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    say(f"{len(objects)} objects put in {time.monotonic() - begun:.0f} s")

    def left():
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    until("the queue is empty", lambda: left() == 0)
    say(f"the queue is empty {time.monotonic() - begun:.0f} s after the first message")
    # A rule that is changed while the service runs; it fails on the rows that it looks at.
    write_rule(trailhound.rules, "fails", "{principal_name} made a key", "CAST(event_id AS INT) = 1")
    until("the rules are loaded anew", lambda: trailhound.metric('trailhound_reloads_total{result="ok",what="rules"}') > 0)
    until("chat and pager were told", lambda: people.chat and people.pager)
    until("the outbox is empty", lambda: trailhound.metric("trailhound_outbox_pending") == 0)
    assert trailhound.metric('trailhound_rule_failures_total{rule="iam/fails"}') > 0, "the failing rule is not counted"


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"end to end: {error}")
