#!/usr/bin/env python3
"""Builds passed_roles.txt: which request parameters name a role that the call passes to a service.

    pip download --no-deps botocore && unzip -q botocore-*.whl -d botocore
    python3 build_passed_roles.py botocore > passed_roles.txt

Where the roles stand is read from botocore's service models (Apache-2.0 licence); to whom they are passed is written here by hand,
from AWS's user guides ("Granting a user permissions to pass a role to an AWS service", and each service's page on its
roles' trust policies). Services that assume a role of somebody else's, or whose operations check no iam:PassRole, are left out.
"""
import gzip
import json
import pathlib
import re
import sys

# botocore's name of a service → its event source, where that is another.
SERVICES = """
accessanalyzer=access-analyzer aiops amp=aps amplify appconfig appflow application-autoscaling apprunner appstream appsync athena
autoscaling backup backup-gateway backupsearch=backup-search batch bedrock bedrock-agent=bedrock
bedrock-agentcore-control=bedrock-agentcore braket budgets chatbot chime-sdk-media-pipelines=chime cleanrooms cleanroomsml=cleanrooms-ml
cloudcontrol=cloudformation cloudformation cloudfront cloudtrail cloudwatch=monitoring codebuild codeconnections codedeploy codepipeline
codestar-connections cognito-idp cognito-sync comprehend comprehendmedical config customer-profiles=profile databrew datasync datazone dax
deadline devicefarm dlm dms ec2 ecr ecs efs=elasticfilesystem eks elasticbeanstalk emr=elasticmapreduce emr-serverless entityresolution es
events firehose fis forecast frauddetector gamelift glue grafana greengrass greengrassv2=greengrass groundstation guardduty
healthlake imagebuilder iot iotfleetwise iotsitewise iottwinmaker iotwireless kafka kafkaconnect kendra kinesisanalytics
kinesisanalyticsv2=kinesisanalytics lakeformation lambda lex-models=lex lexv2-models=lex location=geo logs lookoutequipment m2
machinelearning mailmanager=ses mediaconnect mediaconvert medialive mediapackage mediapackage-vod mediapackagev2 medical-imaging mwaa=airflow
neptune-graph observabilityadmin omics opensearch=es osis personalize pinpoint=mobiletargeting pinpoint-sms-voice-v2=sms-voice pipes polly proton qbusiness quicksight
rds redshift redshift-serverless rekognition resource-groups rolesanywhere rum s3 s3control=s3 s3tables sagemaker sagemaker-geospatial scheduler
securitylake ses sesv2=ses shield sms-voice snowball ssm ssm-incidents stepfunctions=states storagegateway support-app=supportapp
swf synthetics textract timestream-query=timestream transcribe transfer translate workspaces
"""

# (service, operation, end of the path) → whom the role is passed to; without, NAME.amazonaws.com with the event source's name.
PRINCIPALS = [
    ("apprunner", "", "AccessRoleArn", "build.apprunner"), ("apprunner", "", "InstanceRoleArn", "tasks.apprunner"),
    ("backup", "CreateRestoreTestingSelection", "", "backup"), ("backupsearch", "", "", "backup-search"),
    ("batch", "", "jobRoleArn", "ecs-tasks"), ("batch", "", "executionRoleArn", "ecs-tasks"), ("batch", "", "taskRoleArn", "ecs-tasks"),
    ("batch", "", "instanceRole", "ec2"), ("batch", "", "spotIamFleetRole", "spotfleet"), ("batch", "", "infrastructureRoleArn", "ecs"),
    ("chime-sdk-media-pipelines", "", "", "mediapipelines.chime"), ("cleanroomsml", "", "", "cleanrooms-ml"),
    ("cloudcontrol", "", "", "cloudformation"), ("cloudwatch", "PutMetricStream", "", "streams.metrics.cloudwatch"),
    ("cloudwatch", "", "", "cloudwatch"), ("config", "PutConfigurationAggregator", "", "config"),
    ("ec2", "RequestSpotFleet", "", "spotfleet"), ("ec2", "Import", "", "vmie"), ("ec2", "ExportImage", "", "vmie"),
    ("ecr", "", "", "ecr"), ("ecs", "", "executionRoleArn", "ecs-tasks"), ("ecs", "", "taskRoleArn", "ecs-tasks"),
    ("eks", "", "nodeRole", "ec2"), ("eks", "", "nodeRoleArn", "ec2"), ("eks", "", "podExecutionRoleArn", "eks-fargate-pods"),
    ("eks", "PodIdentity", "", "pods.eks"), ("eks", "Addon", "podIdentityAssociations[].roleArn", "pods.eks"),
    ("emr", "", "JobFlowRole", "ec2"), ("emr", "", "AutoScalingRole", "application-autoscaling"),
    ("guardduty", "MalwareProtectionPlan", "", "malware-protection-plan.guardduty"), ("iot", "RoleAlias", "", "credentials.iot"),
    ("lexv2-models", "", "", "lexv2"), ("osis", "", "", "osis-pipelines"), ("pinpoint", "", "", "pinpoint"),
    ("rds", "", "MonitoringRoleArn", "monitoring.rds"), ("rds", "StartExportTask", "", "export.rds"),
    ("s3control", "CreateJob", "", "batchoperations.s3"), ("s3control", "AccessGrantsLocation", "", "access-grants.s3"),
    ("s3tables", "Replication", "", "replication.s3tables"), ("shield", "", "", "drt.shield"), ("snowball", "", "", "importexport"), ("support-app", "", "", "supportapp"),
    ("synthetics", "", "", "lambda"), ("ssm-incidents", "", "", "ssm-incidents"),
]

# What only looks like a passed role: parts that people play, roles of other accounts, what is taken away again.
SKIPPED = re.compile(
    r"ParticipantRole|ColumnDataRole|PropertyRole|GeographicRole|ColumnConfigurations|Capabilities|messages\[\]\.role|rbacRole"
    r"|MasterBackendRole|[cC]rossAccount|CrossAccount|ConsumerAccount|roleAliasArn|ServiceLinkedRoleARN|targetRoleArn|organizationRole"
    r"|samlConfiguration|keyRole|grafanaRole|CreateRoleMembership|TargetRole$|ExecutionRoleName|enclave|Enclave"
    r"|iamActionDefinition|IamActionDefinition|approverRoles|nstanceGroups\[\]\.InstanceRole|lacementGroupConfigs|updateInstructionBatch"
    r"|resourceIdentifier|DashRoles|primaryVisual|emoveIamRoles|[rR]oleGroupAssignments|AccessControlRole|TableMigration|RemoveRole|Disassociate|DeliverCrossAccountRole|(?:^|\.)sourceRoleArn|rolePrincipalArn|SetPermissions|principalRole|environmentRoleArn"
)

# Where botocore's names do not tell: (event source, principal, path, operations).
BY_HAND = [
    ("autoscaling", "ec2", "iamInstanceProfile", "CreateLaunchConfiguration"),
    ("cognito-identity", "cognito-identity", "roles.authenticated", "SetIdentityPoolRoles"),
    ("cognito-identity", "cognito-identity", "roles.unauthenticated", "SetIdentityPoolRoles"),
    ("cognito-idp", "cognito-idp", "smsConfiguration.snsCallerArn", "CreateUserPool SetUserPoolMfaConfig UpdateUserPool"),
    ("ds", "ds", "roleArn", "EnableRoleAccess"),
    ("ec2", "ec2", "iamInstanceProfile.arn", "AssociateIamInstanceProfile ReplaceIamInstanceProfileAssociation RunInstances"),
    ("ec2", "ec2", "iamInstanceProfile.name", "AssociateIamInstanceProfile ReplaceIamInstanceProfileAssociation RunInstances"),
    ("ec2", "ec2", "AssociateIamInstanceProfileRequest.IamInstanceProfile.Arn", "AssociateIamInstanceProfile"),
    ("ec2", "ec2", "AssociateIamInstanceProfileRequest.IamInstanceProfile.Name", "AssociateIamInstanceProfile"),
    ("ec2", "ec2", "ReplaceIamInstanceProfileAssociationRequest.IamInstanceProfile.Arn", "ReplaceIamInstanceProfileAssociation"),
    ("ec2", "ec2", "ReplaceIamInstanceProfileAssociationRequest.IamInstanceProfile.Name", "ReplaceIamInstanceProfileAssociation"),
    ("ec2", "ec2", "launchSpecification.iamInstanceProfile.arn", "RequestSpotInstances"),
    ("ec2", "ec2", "launchSpecification.iamInstanceProfile.name", "RequestSpotInstances"),
    ("ec2", "vpc-flow-logs", "deliverLogsPermissionArn", "CreateFlowLogs"),
    ("ec2", "vpc-flow-logs", "CreateFlowLogsRequest.DeliverLogsPermissionArn", "CreateFlowLogs"),
    ("elasticmapreduce", "ec2", "jobFlowRole", "RunJobFlow"),
    ("elastictranscoder", "elastictranscoder", "role", "CreatePipeline UpdatePipeline"),
    ("iam", "ec2", "roleName", "AddRoleToInstanceProfile"),
    ("es", "directquery.opensearchservice", "dataSources[].iamRoleForDataSourceArn", "CreateApplication UpdateApplication"),
    ("es", "application.opensearchservice", "iamIdentityCenterOptions.iamRoleForIdentityCenterApplicationArn",
     "CreateApplication UpdateApplication"),
    ("imagebuilder", "ec2", "instanceProfileName", "CreateInfrastructureConfiguration UpdateInfrastructureConfiguration"),
    ("opsworks", "opsworks", "serviceRoleArn", "CloneStack CreateStack UpdateStack"),
    ("opsworks", "ec2", "defaultInstanceProfileArn", "CloneStack CreateStack UpdateStack"),
    ("redshift", "redshift", "iamRoles[]", "CreateCluster RestoreFromClusterSnapshot"),
    ("redshift", "redshift", "addIamRoles[]", "ModifyClusterIamRoles"),
    ("redshift-serverless", "redshift-serverless", "iamRoles[]", "CreateNamespace UpdateNamespace"),
    ("ssm", "ssm", "parameters.AutomationAssumeRole[]", "StartAutomationExecution"),
]

# What these hold is an instance profile, or its name; which role is in it, IAM knows.
PROFILES = re.compile(r"instanceProfile|^jobFlowRole$|^computeResources\.instanceRole$", re.I)

ENDS = re.compile(r"role(arn|name)?s?(forlogging|override|update)?(\[\])?$", re.I)
ASKS = re.compile(r"^(Describe|Get|List|Search|Delete|Cancel|Stop|Remove)")


def roles(shapes, name, path, seen, found):
    """The paths of an input shape that end in a role's ARN or name. What is one of a few words is a part that somebody plays."""
    shape = shapes[name]
    if shape["type"] == "structure" and name not in seen and len(path) < 7:
        for member, of in shape.get("members", {}).items():
            roles(shapes, of["shape"], path + [member], seen | {name}, found)
    elif shape["type"] == "list" and path:
        roles(shapes, shape["member"]["shape"], path[:-1] + [path[-1] + "[]"], seen, found)
    elif shape["type"] == "string" and "enum" not in shape and path and ENDS.search(path[-1]):
        found.append(".".join(path))


def principal(service, source, operation, path):
    for of, operations, end, whom in PRINCIPALS:
        if of == service and operations in operation and path.endswith(end):
            return whom
    return source


botocore = pathlib.Path(sys.argv[1])
version = next(botocore.glob("botocore-*.dist-info")).name.removeprefix("botocore-").removesuffix(".dist-info")
passed = {}
for word in SERVICES.split():
    service, _, source = word.partition("=")
    path = sorted((botocore / "botocore" / "data" / service).glob("*/service-2.json*"))[-1]
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    model = json.loads(text)
    for operation, about in model["operations"].items():
        found = []
        if "input" in about and not ASKS.match(operation):
            roles(model["shapes"], about["input"]["shape"], [], frozenset(), found)
        for where in found:
            if not SKIPPED.search(operation) and not SKIPPED.search(where):
                # CloudTrail begins members' names with a small letter.
                path = ".".join(part[:1].lower() + part[1:] for part in where.split("."))
                key = (source or service, principal(service, source or service, operation, where), path)
                passed.setdefault(key, set()).add(operation)
for source, whom, path, operations in BY_HAND:
    passed.setdefault((source, whom, path), set()).update(operations.split())
print("# Roles that calls pass to services. Made by build_passed_roles.py, which tells the sources; do not edit.")
print(f"# Where the roles stand: botocore {version}, Apache License 2.0.")
print("# EVENT-SOURCE PRINCIPAL PATH [profile]: EVENT… with .amazonaws.com left out, of the event source and of the principal.")
print("# `profile`: there is no role but an instance profile.")
for (source, whom, path), operations in sorted(passed.items()):
    profile = " profile" if PROFILES.search(path) else ""
    print(f"{source} {whom} {path}{profile}: {' '.join(sorted(operations))}")
