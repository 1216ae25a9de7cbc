"""Deploys cloudformation.yaml and permissions-role.yaml on an AWS of our own (MiniStack) and puts objects into the trail's bucket.

For each of the three paths, with a bucket that the stack makes and with one that was there before (wired by what the
stack's outputs print), an object must arrive in the queue, exactly once, in the shape that the path is known for. What
the policies say is then compared with what the service needs: MiniStack itself does not enforce them.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT, REGION = "123456789012", "eu-west-1"
TEMPLATE = pathlib.Path(__file__).parent.parent / "cloudformation.yaml"
ROLE_TEMPLATE = TEMPLATE.parent / "permissions-role.yaml"
# A name with what encoding changes: a space and a plus.
KEY = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/09/a b+c.json.gz"
OTHER_KEY = "elsewhere/x.json.gz"
WAIT_SECONDS = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Aws:
    """One MiniStack process; ends with the block it is used in."""

    def __enter__(self):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory()
        self.log = open(os.path.join(self.folder.name, "log"), "w")
        environment = dict(
            os.environ,
            BIND_HOST="127.0.0.1",
            GATEWAY_PORT=str(self.port),
            MINISTACK_HOST="127.0.0.1",
            MINISTACK_ACCOUNT_ID=ACCOUNT,
            STATE_DIR=self.folder.name,
        )
        program = pathlib.Path(sys.executable).parent / "ministack"
        self.process = subprocess.Popen([program], env=environment, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_ministack/health", timeout=2)
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("ministack does not start:\n" + open(self.log.name).read())
                time.sleep(0.2)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
        self.folder.cleanup()

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
        )


def deploy(aws, name, template=None, **parameters):
    """Creates the stack and gives its outputs; a stack that does not complete is an error with its reasons."""
    formation = aws.client("cloudformation")
    formation.create_stack(
        StackName=name,
        TemplateBody=template or TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )
    deadline = time.monotonic() + 60
    while True:
        stack = formation.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}
        if not stack["StackStatus"].endswith("IN_PROGRESS") or time.monotonic() > deadline:
            events = formation.describe_stack_events(StackName=name)["StackEvents"]
            reasons = [
                f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}" for e in events if e.get("ResourceStatusReason")
            ]
            raise AssertionError(f"stack {name} is {stack['StackStatus']}: {reasons}")
        time.sleep(0.2)


def receive(aws, url):
    """Bodies that come within a few seconds, without S3's greeting, which is deleted as the service would."""
    sqs, bodies, deadline = aws.client("sqs"), [], time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            body = json.loads(message["Body"])
            if body.get("Event") != "s3:TestEvent":
                bodies.append(body)
        if bodies and not answer.get("Messages"):
            break
    return bodies


def key_of(path, body):
    """The object's key as the shape of the path spells it (domain.md, 6.2)."""
    if path == "eventbridge":
        assert (body["source"], body["detail-type"]) == ("aws.s3", "Object Created"), body
        return body["detail"]["bucket"]["name"], body["detail"]["object"]["key"]
    # S3's own shape, by SNS too: raw delivery leaves no envelope.
    assert "TopicArn" not in body and len(body["Records"]) == 1, body
    record = body["Records"][0]
    assert record["eventSource"] == "aws:s3" and record["eventName"].startswith("ObjectCreated:"), record
    return record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]


def check_arrival(aws, path, bucket, outputs):
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key=OTHER_KEY, Body=b"not below the prefix")
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"{}")
    bodies = receive(aws, outputs["QueueUrl"])
    spelled = KEY if path == "eventbridge" else KEY.replace("+", "%2B").replace(" ", "+")
    assert [key_of(path, b) for b in bodies] == [(bucket, spelled)], bodies


def check_queue(aws, outputs):
    sqs = aws.client("sqs")

    def attributes(url):
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    queue, dead = attributes(outputs["QueueUrl"]), attributes(outputs["DeadLetterQueueUrl"])
    redrive = json.loads(queue["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == dead["QueueArn"], redrive
    assert int(redrive["maxReceiveCount"]) == 100, redrive
    assert queue["VisibilityTimeout"] == "300", queue
    assert int(dead["MessageRetentionPeriod"]) > int(queue["MessageRetentionPeriod"]), "a dead letter must outlive"
    policy = json.loads(queue["Policy"])["Statement"]
    assert [s["Effect"] for s in policy] == ["Deny", "Allow"], policy
    assert policy[1]["Action"] == "sqs:SendMessage" and policy[1]["Condition"]["ArnEquals"]["aws:SourceArn"], policy


# What the service does in AWS (deploy/README.md, Permissions). More is a mistake just as less is.
ACTIONS = {
    "Queue": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"},
    "TrailObjects": {"s3:GetObject", "s3:GetObjectVersion"},
    "TrailListing": {"s3:ListBucket"},
    "TrailKey": {"kms:Decrypt"},
    "OtherAccounts": {"sts:AssumeRole"},
    "Permissions": {"sts:AssumeRole"},
    "StoreObjects": {"s3:PutObject", "s3:GetObject", "s3:DeleteObject"},
    "StoreListing": {"s3:ListBucket"},
    "StoreKey": {"kms:GenerateDataKey", "kms:Decrypt"},
    "Secrets": {"secretsmanager:GetSecretValue"},
}
# What the role of an account may do whose permissions are read. All of them only read; a report is made anew.
CALLS = "DescribeOrganization ListRoots ListOrganizationalUnitsForParent ListAccountsForParent ListPolicies DescribePolicy ListTargetsForPolicy"
ORGANIZATION_ACTIONS = {"Organization": {f"organizations:{call}" for call in CALLS.split()}}
ROLE_ACTIONS = {
    "Granted": {"iam:GetAccountAuthorizationDetails"},
    "Credentials": {"iam:GenerateCredentialReport", "iam:GetCredentialReport", "iam:ListAccountAliases"},
    "Keys": {"iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"},
    "LastAccessed": {"iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"},
}
READ_ACCOUNTS, WORD = ["111122223333", "444455556666"], "a-word"


def policy_of(aws, outputs):
    iam, arn = aws.client("iam"), outputs["ServicePolicyArn"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    document = json.loads(document) if isinstance(document, str) else document
    return {s["Sid"]: s for s in document["Statement"]}


def actions_of(statement):
    actions = statement["Action"]
    return {actions} if isinstance(actions, str) else set(actions)


def check_policy(aws, outputs, expected):
    statements = policy_of(aws, outputs)
    assert set(statements) == expected, (set(statements), expected)
    for sid, statement in statements.items():
        assert actions_of(statement) == ACTIONS[sid], (sid, statement)
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            assert resource != "*" and resource.startswith("arn:aws:"), (sid, resource)


def check_permissions_role(aws):
    """The role of an account: it reads and nothing else, and only the reader that says the word may take it on."""
    reader = f"arn:aws:iam::{ACCOUNT}:role/task"
    outputs = deploy(aws, "permissions-role", ROLE_TEMPLATE.read_text(), ReaderArn=reader, ExternalId=WORD)
    iam, name = aws.client("iam"), "trailhound-permissions"
    role = iam.get_role(RoleName=name)["Role"]
    assert role["Arn"] == outputs["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}", (role, outputs)
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Principal"], trust["Action"]) == ({"AWS": reader}, "sts:AssumeRole"), trust
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": WORD}}, trust
    assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"], "no other policy"
    def statements_of(role):
        [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
        statements = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]
        return {s["Sid"]: actions_of(s) for s in statements}

    assert statements_of(name) == ROLE_ACTIONS, statements_of(name)
    other = dict(RoleName="asks-about-all", Organization="yes")
    deploy(aws, "organization-role", ROLE_TEMPLATE.read_text(), ReaderArn=reader, ExternalId=WORD, **other)
    assert statements_of(other["RoleName"]) == ROLE_ACTIONS | ORGANIZATION_ACTIONS, statements_of(other["RoleName"])


# Resource types that MiniStack does not know. Only firewall rules: taking them out takes nothing from what is checked.
UNKNOWN = ["TaskToDatabase", "TaskToFiles", "MetricsToTask"]
EXTRA = """[[sink]]
name = "log"
kind = "ndjson"
"""


def check_service(aws, ledger, **permissions):
    """The task as ECS would get it: its configuration is TOML, and the container may do little."""
    template = TEMPLATE.read_text()
    for name in UNKNOWN:
        template, found = re.subn(rf"(?m)^  {name}:\n(?:    .*\n|\n)+", "", template)
        assert found == 1, name
    name = f"service-{ledger}"
    deploy(
        aws,
        name,
        template,
        Ledger=ledger,
        TrailBucketName="any-trail",
        Image="registry.example/trailhound@sha256:" + 64 * "0",
        VpcId="vpc-00000001",
        SubnetIds="subnet-00000001,subnet-00000002",
        ExtraConfiguration=EXTRA,
        **permissions,
    )
    ecs = aws.client("ecs")
    task = ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
    configure, service = task["containerDefinitions"]
    configuration = tomllib.loads(configure["environment"][0]["value"])
    read = configuration.pop("permissions", None)
    assert set(configuration) == {"store", "queue", "http", "shutdown", "sink"}, configuration
    if permissions:
        wanted = {"accounts": READ_ACCOUNTS, "role": "trailhound-permissions", "external_id": WORD, "region": REGION}
        if "PermissionsOrganizationAccountId" in permissions:
            wanted["organization"] = READ_ACCOUNTS[0]
        assert read == wanted, read
    else:
        assert read is None, "no account is named, so none is read"
    assert configuration["http"]["bind"].startswith("127.0.0.1:"), "nobody scrapes, so nobody may"
    assert ("aws_secret" in configuration["store"]["ledger"]) == (ledger == "postgres"), configuration
    assert service["readonlyRootFilesystem"] and service["user"] == "65532:65532", service
    assert service["stopTimeout"] > configuration["shutdown"]["grace_seconds"], service
    cluster = ecs.list_clusters()["clusterArns"]
    rolling = [
        s["deploymentConfiguration"]
        for c in cluster
        for s in ecs.describe_services(cluster=c, services=[name])["services"]
    ]
    assert [(r["minimumHealthyPercent"], r["maximumPercent"]) for r in rolling] == [(0, 100)], rolling


ALWAYS = {"Queue", "TrailObjects", "TrailListing", "StoreObjects", "StoreListing", "StoreKey"}


def main():
    with Aws() as aws:
        for path in ["s3", "sns", "eventbridge"]:
            bucket = f"made-{path}"
            outputs = deploy(
                aws, bucket, Ledger="none", NotificationPath=path, TrailBucket="create", TrailBucketName=bucket
            )
            check_arrival(aws, path, bucket, outputs)
            check_queue(aws, outputs)
            check_policy(aws, outputs, ALWAYS)
            assert "NotificationCommand" not in outputs, "nothing is left to do by hand"
            print(f"stack: {path}, bucket made by the stack: one object, one message, no other")

            bucket = f"found-{path}"
            s3 = aws.client("s3")
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            outputs = deploy(aws, bucket, Ledger="none", NotificationPath=path, TrailBucketName=bucket)
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration=json.loads(outputs["NotificationConfiguration"])
            )
            check_arrival(aws, path, bucket, outputs)
            print(f"stack: {path}, bucket of before, wired by the printed configuration: the same")

        # The trail's own topic: nothing about the bucket has to be changed.
        topic = aws.client("sns").create_topic(Name="trail")["TopicArn"]
        outputs = deploy(
            aws, "own-topic", Ledger="none", NotificationPath="sns", TrailTopicArn=topic, TrailBucketName="any-trail"
        )
        assert "NotificationCommand" not in outputs, outputs
        told = {"s3Bucket": "any-trail", "s3ObjectKey": [KEY]}
        aws.client("sns").publish(TopicArn=topic, Message=json.dumps(told))
        bodies = receive(aws, outputs["QueueUrl"])
        assert bodies == [told], bodies
        print("stack: sns, the trail's own topic: CloudTrail's message, raw")

        # Every statement that a parameter switches on.
        outputs = deploy(
            aws,
            "all-statements",
            Ledger="none",
            TrailBucketName="any-trail",
            TrailKeyArn=f"arn:aws:kms:{REGION}:111122223333:key/11111111-2222-3333-4444-555555555555",
            BucketRoleArns="arn:aws:iam::111122223333:role/reader",
            SinkSecretArns=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:slack-AbCdEf",
            PermissionsAccountIds=",".join(READ_ACCOUNTS),
            PermissionsExternalId=WORD,
        )
        check_policy(aws, outputs, set(ACTIONS))
        permissions = policy_of(aws, outputs)["Permissions"]
        assert permissions["Resource"] == "arn:aws:iam::*:role/trailhound-permissions", permissions
        assert permissions["Condition"] == {"StringEquals": {"aws:ResourceAccount": READ_ACCOUNTS}}, permissions
        assert json.loads(outputs["TrailKeyStatement"])["Action"] == "kms:Decrypt", outputs
        print("stack: the policy holds exactly the actions that the service needs, on named resources")

        try:
            deploy(aws, "no-word", Ledger="none", TrailBucketName="any-trail", PermissionsAccountIds=READ_ACCOUNTS[0])
            raise AssertionError("accounts without an external id are taken")
        except ClientError as error:
            assert "PermissionsExternalId is needed" in str(error), error
        try:
            told = dict(PermissionsAccountIds=READ_ACCOUNTS[0], PermissionsExternalId=WORD)
            other = dict(PermissionsOrganizationAccountId=READ_ACCOUNTS[1])
            deploy(aws, "no-account", Ledger="none", TrailBucketName="any-trail", **told, **other)
            raise AssertionError("an account that is not named is taken for the organization's")
        except ClientError as error:
            assert "PermissionsOrganizationAccountId is one of" in str(error), error

        check_permissions_role(aws)
        print("stack: the role of an account whose permissions are read: it reads, and asks for its word")

        read = {"PermissionsAccountIds": ",".join(READ_ACCOUNTS), "PermissionsExternalId": WORD}
        with_organization = read | {"PermissionsOrganizationAccountId": READ_ACCOUNTS[0]}
        for ledger, permissions in [("postgres", with_organization), ("efs", {})]:
            check_service(aws, ledger, **permissions)
            print(f"stack: the service with its ledger on {ledger}: one task, stop before start, its TOML reads")


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, ClientError) as error:
        sys.exit(f"stack: {type(error).__name__}: {error}")
