use super::*;

const ACCOUNT: &str = "111122223333";

/// What an event needs, as text: `action resource … > service` for each action.
fn told(source: &str, name: &str, request: &str, resources: &[&str]) -> String {
    let request: Value = serde_json::from_str(request).expect("JSON");
    let resources: Vec<String> = resources.iter().map(|arn| arn.to_string()).collect();
    let source = format!("{source}.amazonaws.com");
    let event = Event {
        source: &source,
        name,
        kind: "AwsApiCall",
        request: (!request.is_null()).then_some(&request),
        resources: &resources,
        account: ACCOUNT,
        region: "eu-west-1",
    };
    match event_actions(&event) {
        Mapped::Actions(used) => {
            let told = used.iter().map(|used| {
                let mut words = vec![Catalogue::shipped().action(used.action).to_string()];
                words.extend(used.resources.iter().cloned());
                words.extend(used.passed_to.iter().map(|service| format!("> {service}")));
                words.join(" ")
            });
            told.collect::<Vec<_>>().join(", ")
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn names() {
    for (source, name, expected) in [
        ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
        ("s3", "HeadBucket", "s3:ListBucket"),
        ("s3", "HeadObject", "s3:GetObject"),
        ("s3", "GetBucketLifecycle", "s3:GetLifecycleConfiguration"),
        ("s3", "PutBucketEncryption", "s3:PutEncryptionConfiguration"),
        ("s3", "DeleteBucketReplication", "s3:PutReplicationConfiguration"),
        ("s3", "GetBucketCors", "s3:GetBucketCORS"),
        ("s3", "UploadPart", "s3:PutObject"),
        ("s3", "ListParts", "s3:ListMultipartUploadParts"),
        ("s3", "GetBucketAcl", "s3:GetBucketAcl"),
        ("s3express", "PutObject", "s3express:CreateSession"),
        ("monitoring", "PutMetricAlarm", "cloudwatch:PutMetricAlarm"),
        ("email", "VerifyEmailIdentity", "ses:VerifyEmailIdentity"),
        ("tagging", "GetResources", "tag:GetResources"),
        ("amazonmq", "ListBrokers", "mq:ListBrokers"),
        ("autoscaling", "RegisterScalableTarget", "application-autoscaling:RegisterScalableTarget"),
        ("rdsdata", "ExecuteStatement", "rds-data:ExecuteStatement"),
        ("lambda", "ListFunctions20150331", "lambda:ListFunctions"),
        ("lambda", "UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode"),
        ("lambda", "Invoke", "lambda:InvokeFunction"),
        ("cloudfront", "CreateDistribution2020_05_31", "cloudfront:CreateDistribution"),
        ("apigateway", "GetRestApis", "apigateway:GET"),
        ("apigateway", "CreateDeployment", "apigateway:POST"),
        ("apigateway", "UpdateStage", "apigateway:PATCH"),
        ("apigateway", "PutMethod", "apigateway:PUT"),
        ("apigateway", "FlushStageCache", "apigateway:DELETE"),
        ("kms", "ReEncrypt", "kms:ReEncryptFrom, kms:ReEncryptTo"),
        ("budgets", "CreateBudget", "budgets:ModifyBudget"),
        ("sts", "GetCallerIdentity", "Free"),
        ("sts", "AssumeRoleWithSAML", "Free"),
        ("signin", "ConsoleLogin", "NoCall"),
        ("cognito-idp", "Login_GET", "NoCall"),
        ("dynamodb", "ExecuteStatement", "Unmapped"),
        ("s3", "NoSuchCall", "Unmapped"),
        ("nobody", "GetObject", "Unmapped"),
    ] {
        assert_eq!(told(source, name, "null", &[]), expected, "{source} {name}");
    }
}

#[test]
fn requests() {
    let bucket = "arn:aws:s3:::logs";
    for (source, name, request, resources, expected) in [
        (
            "s3",
            "GetObject",
            r#"{"bucketName":"logs","key":"a/b.gz"}"#,
            &[bucket, "arn:aws:s3:::logs/a/b.gz"][..],
            "s3:GetObject arn:aws:s3:::logs/a/b.gz",
        ),
        (
            "s3",
            "GetObject",
            r#"{"bucketName":"logs","key":"a/b.gz","versionId":"3L4kqtJl"}"#,
            &[],
            "s3:GetObjectVersion arn:aws:s3:::logs/a/b.gz",
        ),
        ("s3", "ListObjects", r#"{"bucketName":"logs","prefix":"a/"}"#, &[], "s3:ListBucket arn:aws:s3:::logs"),
        (
            "s3",
            "CopyObject",
            r#"{"bucketName":"logs","key":"b","x-amz-copy-source":"/other/a%20a?versionId=7","x-amz-acl":"private"}"#,
            &[],
            "s3:PutObject arn:aws:s3:::logs/b, s3:GetObject arn:aws:s3:::other/a a, s3:PutObjectAcl arn:aws:s3:::logs/b",
        ),
        (
            "s3",
            "PutPublicAccessBlock",
            r#"{"bucketName":"logs"}"#,
            &[],
            "s3:PutBucketPublicAccessBlock arn:aws:s3:::logs",
        ),
        (
            "kms",
            "Decrypt",
            r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
            &["arn:aws:kms:eu-west-1:999988887777:key/1b2c"],
            "kms:Decrypt arn:aws:kms:eu-west-1:999988887777:key/1b2c",
        ),
        ("kms", "DescribeKey", r#"{"keyId":"alias/main"}"#, &[], "kms:DescribeKey"),
        (
            "ec2",
            "TerminateInstances",
            r#"{"instancesSet":{"items":[{"instanceId":"i-1"},{"instanceId":"i-2"}]}}"#,
            &[],
            "ec2:TerminateInstances arn:aws:ec2:eu-west-1:111122223333:instance/i-1 \
             arn:aws:ec2:eu-west-1:111122223333:instance/i-2",
        ),
        (
            "ec2",
            "RunInstances",
            r#"{"instancesSet":{"items":[{"imageId":"ami-1","keyName":"k"}]},"groupSet":{"items":[{"groupId":"sg-1"}]}}"#,
            &[],
            "ec2:RunInstances arn:aws:ec2:eu-west-1:111122223333:key-pair/k \
             arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1 arn:aws:ec2:eu-west-1::image/ami-1",
        ),
        (
            "sqs",
            "SendMessageBatch",
            r#"{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/work"}"#,
            &[],
            "sqs:SendMessage arn:aws:sqs:eu-west-1:111122223333:work",
        ),
        (
            "sns",
            "Publish",
            r#"{"topicArn":"arn:aws:sns:eu-west-1:111122223333:news"}"#,
            &[],
            "sns:Publish arn:aws:sns:eu-west-1:111122223333:news",
        ),
        (
            "dynamodb",
            "Query",
            r#"{"tableName":"t","indexName":"i"}"#,
            &[],
            "dynamodb:Query arn:aws:dynamodb:eu-west-1:111122223333:table/t \
             arn:aws:dynamodb:eu-west-1:111122223333:table/t/index/i",
        ),
        (
            "dynamodb",
            "ExecuteStatement",
            r#"{"statement":" select * from t"}"#,
            &["arn:aws:dynamodb:eu-west-1:111122223333:table/t"],
            "dynamodb:PartiQLSelect arn:aws:dynamodb:eu-west-1:111122223333:table/t",
        ),
        (
            "secretsmanager",
            "GetSecretValue",
            r#"{"secretId":"prod/db"}"#,
            &[],
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-??????",
        ),
        (
            "ssm",
            "GetParameters",
            r#"{"names":["/app/a","b"]}"#,
            &[],
            "ssm:GetParameters arn:aws:ssm:eu-west-1:111122223333:parameter/app/a \
             arn:aws:ssm:eu-west-1:111122223333:parameter/b",
        ),
        (
            "lambda",
            "GetFunction20150331v2",
            r#"{"functionName":"111122223333:function:work"}"#,
            &[],
            "lambda:GetFunction arn:aws:lambda:eu-west-1:111122223333:function:work",
        ),
        (
            "iam",
            "AttachRolePolicy",
            r#"{"roleName":"ci","policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}"#,
            &[],
            "iam:AttachRolePolicy arn:aws:iam::111122223333:role/ci",
        ),
        (
            "iam",
            "CreateUser",
            r#"{"userName":"mia","tags":[{"key":"team","value":"a"}]}"#,
            &[],
            "iam:CreateUser arn:aws:iam::111122223333:user/mia, iam:TagUser arn:aws:iam::111122223333:user/mia",
        ),
        (
            "sts",
            "AssumeRole",
            r#"{"roleArn":"arn:aws:iam::999988887777:role/ci","roleSessionName":"x","sourceIdentity":"mia"}"#,
            &[],
            "sts:AssumeRole arn:aws:iam::999988887777:role/ci, sts:SetSourceIdentity arn:aws:iam::999988887777:role/ci",
        ),
    ] {
        assert_eq!(told(source, name, request, resources), expected, "{source} {name} {request}");
    }
}

#[test]
fn passed_roles() {
    for (source, name, request, expected) in [
        (
            "lambda",
            "CreateFunction20150331",
            r#"{"functionName":"f","role":"arn:aws:iam::111122223333:role/f"}"#,
            "iam:PassRole arn:aws:iam::111122223333:role/f > lambda.amazonaws.com",
        ),
        (
            "ec2",
            "RunInstances",
            r#"{"iamInstanceProfile":{"name":"web"},"tagSpecificationSet":{"items":[{"resourceType":"instance"}]}}"#,
            "iam:PassRole arn:aws:iam::111122223333:instance-profile/web > ec2.amazonaws.com",
        ),
        (
            "ecs",
            "RegisterTaskDefinition",
            r#"{"taskRoleArn":"arn:aws:iam::111122223333:role/t","executionRoleArn":"arn:aws:iam::111122223333:role/e"}"#,
            "iam:PassRole arn:aws:iam::111122223333:role/e arn:aws:iam::111122223333:role/t > ecs-tasks.amazonaws.com",
        ),
        (
            "elasticmapreduce",
            "RunJobFlow",
            r#"{"serviceRole":"EMR_DefaultRole","jobFlowRole":"EMR_EC2_DefaultRole"}"#,
            "iam:PassRole arn:aws:iam::111122223333:instance-profile/EMR_EC2_DefaultRole > ec2.amazonaws.com, \
             iam:PassRole arn:aws:iam::111122223333:role/EMR_DefaultRole > elasticmapreduce.amazonaws.com",
        ),
        (
            "events",
            "PutTargets",
            r#"{"rule":"r","targets":[{"id":"1","roleArn":"arn:aws:iam::111122223333:role/r"},{"id":"2"}]}"#,
            "iam:PassRole arn:aws:iam::111122223333:role/r > events.amazonaws.com",
        ),
        (
            "iam",
            "AddRoleToInstanceProfile",
            r#"{"instanceProfileName":"web","roleName":"web"}"#,
            "iam:PassRole arn:aws:iam::111122223333:role/web > ec2.amazonaws.com",
        ),
        (
            "bedrock",
            "CreateAgent",
            r#"{"agentName":"a","agentResourceRoleArn":"arn:aws:iam::111122223333:role/agent"}"#,
            "iam:PassRole arn:aws:iam::111122223333:role/agent > bedrock.amazonaws.com",
        ),
        // A part that somebody plays is no role of IAM.
        ("quicksight", "UpdateUser", r#"{"userName":"ana","role":"ADMIN"}"#, ""),
        ("lambda", "CreateFunction20150331", r#"{"functionName":"f","role":"HIDDEN (too long)"}"#, ""),
        ("lambda", "ListFunctions20150331", r#"{"role":"arn:aws:iam::111122223333:role/f"}"#, ""),
    ] {
        let told = told(source, name, request, &[]);
        let passed: Vec<&str> = told.split(", ").filter(|used| used.starts_with("iam:PassRole")).collect();
        assert_eq!(passed.join(", "), expected, "{source} {name} {request}");
    }
}

#[test]
fn what_services_tell_of_themselves_is_no_call() {
    let event = Event { source: "kms.amazonaws.com", name: "RotateKey", kind: "AwsServiceEvent", ..Event::default() };
    assert_eq!(event_actions(&event), Mapped::NoCall);
}

#[test]
fn regions_lie_in_partitions() {
    for (region, expected) in [
        ("eu-west-1", "aws"),
        ("us-east-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-isob-east-1", "aws-iso-b"),
        ("", "aws"),
    ] {
        assert_eq!(partition(region), expected, "{region}");
    }
}
