//! What each kind of machine calls, and how often against its other calls. The shares are ordinary practice, not measurements.

use crate::workload::WorkloadKind;

/// One kind of workload.
#[derive(Debug)]
pub struct Profile {
    pub kind: WorkloadKind,
    /// Share of the account's machine calls, before normalising.
    pub weight: f64,
    /// Share of calls that are refused.
    pub denied: f64,
    pub through_endpoint: bool,
    pub agents: &'static [&'static str],
    pub management: &'static [(&'static str, u64)],
    pub data: &'static [(&'static str, u64)],
}

const JAVA: &str = "aws-sdk-java/2.28.16 Linux/6.1.109-118.189.amzn2023.x86_64 OpenJDK_64-Bit_Server_VM/21.0.4+7-LTS Java/21.0.4 kotlin/1.9.24 vendor/Amazon.com_Inc. io/sync http/Apache cfg/retry-mode/legacy";
const BOTO_EC2: &str = "Boto3/1.35.36 md/Botocore#1.35.36 ua/2.0 os/linux#6.1.109-118.189.amzn2023.x86_64 md/arch#x86_64 lang/python#3.11.6 md/pyimpl#CPython cfg/retry-mode#standard Botocore/1.35.36";
const BOTO_LAMBDA: &str = "Boto3/1.34.145 md/Botocore#1.34.145 ua/2.0 os/linux#5.10.226-235.879.amzn2.x86_64 md/arch#aarch64 lang/python#3.12.6 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy Botocore/1.34.145";
const JS_LAMBDA: &str = "aws-sdk-js/3.632.0 ua/2.0 os/linux#5.10.224-232.879.amzn2.x86_64 lang/js md/nodejs#20.17.0 api/client-s3#3.632.0 exec-env/AWS_Lambda_nodejs20.x";
const GO_ECS: &str = "aws-sdk-go-v2/1.32.2 ua/2.1 os/linux lang/go#1.23.2 md/GOOS#linux md/GOARCH#arm64 exec-env/AWS_ECS_FARGATE api/secretsmanager#1.34.2 m/F";
const JAVA_ECS: &str = "aws-sdk-java/2.29.1 ua/2.1 os/Linux#5.10.226-214.880.amzn2.x86_64 lang/java#17.0.12 md/OpenJDK_64-Bit_Server_VM#17.0.12+7-LTS md/vendor#Amazon.com_Inc. exec-env/AWS_ECS_FARGATE m/E,N";
const GO_EKS: &str = "aws-sdk-go/1.55.5 (go1.22.8; linux; amd64) cluster-autoscaler/v1.30.2";
const TERRAFORM: &str = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.72.1 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.32.2 os/linux lang/go#1.23.2 md/GOOS#linux md/GOARCH#amd64";
const CLI_LINUX: &str = "aws-cli/1.32.0 md/Botocore#1.34.0 ua/2.0 os/linux#5.15.0-122-generic md/arch#x86_64 lang/python#3.10.12 md/pyimpl#CPython cfg/retry-mode#legacy botocore/1.34.0";

pub static PROFILES: &[Profile] = &[
    Profile {
        kind: WorkloadKind::Instances,
        weight: 2.2,
        denied: 0.002,
        through_endpoint: false,
        agents: &[JAVA, BOTO_EC2],
        management: &[
            ("ssm:UpdateInstanceInformation", 30), ("ssm:ListInstanceAssociations", 12), ("ec2messages:GetMessages", 8), ("ssm:UpdateInstanceAssociationStatus", 3), ("ssm:PutInventory", 2), ("ssm:GetParameter", 12),
            ("ssm:GetParametersByPath", 5), ("secretsmanager:GetSecretValue", 3), ("kms:Decrypt", 14), ("kms:GenerateDataKey", 6), ("ec2:DescribeTags", 6), ("ec2:DescribeInstances", 6), ("sqs:GetQueueUrl", 3),
            ("sts:GetCallerIdentity", 1), ("dynamodb:DescribeTable", 3), ("logs:CreateLogStream", 2), ("elasticloadbalancing:DescribeTargetHealth", 4), ("ecr:GetAuthorizationToken", 2),
        ],
        data: &[("s3:GetObject", 50), ("s3:PutObject", 25), ("s3:ListObjects", 12), ("s3:HeadObject", 10), ("s3:DeleteObject", 3), ("dynamodb:GetItem", 20)],
    },
    Profile {
        kind: WorkloadKind::Instances,
        weight: 1.4,
        denied: 0.001,
        through_endpoint: true,
        agents: &[BOTO_EC2, JAVA],
        management: &[
            ("ssm:UpdateInstanceInformation", 30), ("ssm:ListInstanceAssociations", 12), ("kms:Decrypt", 20), ("kms:Encrypt", 4), ("secretsmanager:GetSecretValue", 2), ("glue:GetTable", 10), ("glue:GetPartitions", 14),
            ("athena:StartQueryExecution", 3), ("athena:GetQueryExecution", 12), ("athena:GetQueryResults", 3), ("kinesis:DescribeStreamSummary", 4), ("kinesis:ListShards", 4), ("monitoring:PutMetricAlarm", 1), ("ec2:DescribeVolumes", 3),
        ],
        data: &[("s3:GetObject", 40), ("s3:PutObject", 30), ("s3:UploadPart", 20), ("s3:CreateMultipartUpload", 3), ("s3:CompleteMultipartUpload", 3), ("s3:ListObjects", 10), ("s3:DeleteObject", 6)],
    },
    Profile {
        kind: WorkloadKind::Function,
        weight: 1.1,
        denied: 0.001,
        through_endpoint: false,
        agents: &[BOTO_LAMBDA],
        management: &[
            ("secretsmanager:GetSecretValue", 6), ("ssm:GetParameters", 10), ("ssm:GetParameter", 10), ("kms:Decrypt", 18), ("logs:CreateLogStream", 14), ("states:StartExecution", 6), ("sqs:GetQueueAttributes", 6),
            ("dynamodb:DescribeTable", 4), ("sns:GetTopicAttributes", 2), ("ec2:CreateNetworkInterface", 1), ("ec2:DeleteNetworkInterface", 1), ("ec2:DescribeNetworkInterfaces", 2),
        ],
        data: &[("s3:GetObject", 30), ("s3:PutObject", 20), ("lambda:Invoke", 12), ("dynamodb:GetItem", 20)],
    },
    Profile {
        kind: WorkloadKind::Function,
        weight: 0.7,
        denied: 0.0,
        through_endpoint: false,
        agents: &[JS_LAMBDA, BOTO_LAMBDA],
        management: &[
            ("ec2:DescribeSnapshots", 8), ("ec2:CreateSnapshot", 6), ("ec2:DeleteSnapshot", 5), ("ec2:DescribeVolumes", 8), ("ec2:CreateTags", 8), ("ec2:DescribeInstances", 12), ("logs:CreateLogStream", 8),
            ("tagging:GetResources", 6), ("logs:PutRetentionPolicy", 2), ("rds:DescribeDBSnapshots", 3), ("rds:CreateDBSnapshot", 1), ("backup:ListBackupJobs", 2),
        ],
        data: &[("s3:PutObject", 5), ("s3:GetObject", 5)],
    },
    Profile {
        kind: WorkloadKind::Task,
        weight: 1.5,
        denied: 0.001,
        through_endpoint: false,
        agents: &[GO_ECS, JAVA_ECS],
        management: &[
            ("secretsmanager:GetSecretValue", 8), ("ssm:GetParameters", 14), ("kms:Decrypt", 20), ("kms:GenerateDataKey", 10), ("sqs:GetQueueUrl", 8), ("sqs:GetQueueAttributes", 10), ("ecr:BatchGetImage", 4),
            ("ecr:GetDownloadUrlForLayer", 8), ("ecr:GetAuthorizationToken", 3), ("ecr:BatchCheckLayerAvailability", 3), ("logs:CreateLogStream", 5), ("ecs:DescribeTasks", 4), ("rds:DescribeDBInstances", 4), ("states:DescribeExecution", 6),
        ],
        data: &[("s3:GetObject", 40), ("s3:PutObject", 30), ("s3:HeadObject", 20), ("dynamodb:GetItem", 40)],
    },
    Profile {
        kind: WorkloadKind::Pod,
        weight: 1.0,
        denied: 0.002,
        through_endpoint: false,
        agents: &[GO_EKS],
        management: &[
            ("autoscaling:DescribeAutoScalingGroups", 20), ("autoscaling:SetDesiredCapacity", 1), ("autoscaling:DescribeScalingActivities", 8), ("ec2:DescribeInstances", 14), ("ec2:DescribeLaunchTemplates", 4),
            ("eks:DescribeNodegroup", 6), ("elasticloadbalancing:DescribeLoadBalancers", 8), ("elasticloadbalancing:DescribeTargetGroups", 8), ("elasticloadbalancing:DescribeTags", 5), ("elasticloadbalancing:RegisterTargets", 1),
            ("elasticloadbalancing:DeregisterTargets", 1), ("ec2:DescribeSecurityGroups", 4), ("ec2:DescribeSubnets", 4), ("ec2:DescribeAvailabilityZones", 3), ("route53:ListResourceRecordSets", 4), ("route53:ChangeResourceRecordSets", 1),
        ],
        data: &[("s3:GetObject", 30), ("s3:PutObject", 10)],
    },
    Profile {
        kind: WorkloadKind::Pipeline,
        weight: 0.6,
        denied: 0.01,
        through_endpoint: false,
        agents: &[TERRAFORM],
        management: &[
            ("sts:GetCallerIdentity", 6), ("iam:GetRole", 14), ("iam:ListRolePolicies", 8), ("iam:ListAttachedRolePolicies", 8), ("iam:GetPolicy", 6), ("iam:GetPolicyVersion", 6), ("ec2:DescribeVpcs", 6), ("ec2:DescribeSubnets", 6),
            ("ec2:DescribeSecurityGroups", 6), ("s3:GetBucketPolicy", 5), ("s3:GetBucketVersioning", 4), ("s3:GetBucketTagging", 4), ("s3:GetBucketEncryption", 4), ("lambda:GetFunction20150331v2", 6), ("lambda:UpdateFunctionCode20150331v2", 3),
            ("lambda:PublishVersion20150331", 2), ("ecs:RegisterTaskDefinition", 2), ("ecs:UpdateService", 2), ("ecs:DescribeServices", 8), ("ecr:PutImage", 2), ("ecr:InitiateLayerUpload", 4), ("ecr:GetAuthorizationToken", 2),
            ("cloudformation:CreateChangeSet", 1), ("cloudformation:ExecuteChangeSet", 1), ("cloudformation:DescribeStacks", 6), ("iam:PutRolePolicy", 1), ("iam:TagRole", 1), ("cloudfront:CreateInvalidation", 1), ("kms:DescribeKey", 3),
        ],
        data: &[("s3:PutObject", 30), ("s3:GetObject", 30), ("s3:ListObjects", 10)],
    },
    Profile {
        kind: WorkloadKind::Scanner,
        weight: 0.7,
        denied: 0.06,
        through_endpoint: false,
        agents: &["Boto3/1.35.20 md/Botocore#1.35.20 ua/2.0 os/linux#6.1.102-111.187.amzn2023.x86_64 md/arch#x86_64 lang/python#3.11.9 md/pyimpl#CPython cfg/retry-mode#adaptive Botocore/1.35.20"],
        management: &[],
        data: &[],
    },
    Profile {
        kind: WorkloadKind::KeyUser,
        weight: 0.5,
        denied: 0.002,
        through_endpoint: false,
        agents: &[CLI_LINUX, "rclone/v1.68.1", "aws-sdk-java/1.12.770 Linux/5.14.0-427.el9.x86_64 OpenJDK_64-Bit_Server_VM/17.0.12+7-LTS java/17.0.12 vendor/Red_Hat__Inc. cfg/retry-mode/legacy"],
        management: &[("s3:ListBuckets", 6), ("s3:GetBucketLocation", 10), ("s3:HeadBucket", 12), ("kms:GenerateDataKey", 6), ("kms:Decrypt", 6), ("sqs:GetQueueUrl", 2), ("sns:ListTopics", 1)],
        data: &[("s3:PutObject", 60), ("s3:ListObjects", 20), ("s3:GetObject", 20), ("s3:HeadObject", 20)],
    },
    Profile {
        kind: WorkloadKind::Stack,
        weight: 0.25,
        denied: 0.0,
        through_endpoint: false,
        agents: &["cloudformation.amazonaws.com"],
        management: &[
            ("lambda:GetFunctionConfiguration20150331v2", 8), ("lambda:UpdateFunctionConfiguration20150331v2", 3), ("iam:GetRole", 6), ("iam:CreatePolicyVersion", 1), ("ec2:DescribeSecurityGroups", 6), ("ec2:CreateSecurityGroup", 1),
            ("ec2:AuthorizeSecurityGroupIngress", 1), ("dynamodb:DescribeTable", 5), ("dynamodb:UpdateTable", 1), ("logs:CreateLogGroup", 2), ("s3:CreateBucket", 1), ("s3:PutBucketTagging", 2), ("s3:PutBucketEncryption", 1), ("events:PutTargets", 2),
            ("ec2:RunInstances", 1), ("ec2:CreateTags", 4), ("autoscaling:UpdateAutoScalingGroup", 1),
        ],
        data: &[],
    },
];
