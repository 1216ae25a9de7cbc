//! What AWS services do by themselves, which is most of a small account's log: log delivery and its refusals, data keys, roles assumed by
//! services, keys used on somebody's behalf. The mixture is the one measured in a real account (of 27,000 such records: refused log
//! delivery 36 %, bucket ACL checks 24 %, deliveries 20 %, data keys 19 %, HeadBucket refused 1.2 %, roles assumed 0.65 %).

use std::io::Write as _;

use crate::{
    catalogue::Pool,
    identity::{self, Session},
    ids,
    organisation::{Account, Organisation},
    record::{Call, Kind},
    rng::Rng,
    stage::Stage,
    workload,
};

/// Cumulative weights, in ten-thousandths, of each sort of record.
const MIXTURE: &[(u64, Sort)] = &[
    (3_150, Sort::DeliveryRefused),
    (5_350, Sort::AclCheck),
    (7_150, Sort::Delivery),
    (8_900, Sort::DataKey),
    (9_010, Sort::HeadRefused),
    (9_090, Sort::RoleAssumed),
    (9_470, Sort::KeyForUser),
    (9_900, Sort::LinkedRole),
    (9_990, Sort::ServiceRead),
    (10_000, Sort::ServiceEvent),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    DeliveryRefused,
    AclCheck,
    Delivery,
    DataKey,
    HeadRefused,
    RoleAssumed,
    KeyForUser,
    LinkedRole,
    ServiceRead,
    ServiceEvent,
}

/// Buffers that are used again for every record.
#[derive(Debug, Default)]
pub struct Noise {
    request: Vec<u8>,
    resources: Vec<u8>,
    response: Vec<u8>,
}

impl Noise {
    /// Writes the services' records of one hour in one account.
    pub fn hour(
        &mut self,
        organisation: &Organisation,
        stage: &mut Stage,
        account: &Account,
        hour: i64,
        expected: f64,
        rng: &mut Rng,
    ) {
        for _ in 0..rng.poisson(expected) {
            let drawn = rng.below(10_000);
            let sort = MIXTURE[MIXTURE.partition_point(|row| row.0 <= drawn)].1;
            let time = hour + rng.range(0, 3_600);
            let region = organisation.regions[rng.skewed(organisation.used)];
            self.request.clear();
            self.response.clear();
            self.resources.clear();
            match sort {
                Sort::DeliveryRefused | Sort::Delivery | Sort::AclCheck | Sort::HeadRefused => {
                    self.log_delivery(organisation, stage, account, sort, region, time, rng)
                }
                Sort::DataKey => self.data_key(organisation, stage, account, region, time, rng),
                Sort::RoleAssumed => self.role_assumed(organisation, stage, account, region, time, rng),
                Sort::KeyForUser => self.key_for_user(organisation, stage, account, region, time, rng),
                Sort::LinkedRole | Sort::ServiceRead => linked_role(organisation, stage, account, region, time, rng),
                Sort::ServiceEvent => self.service_event(organisation, stage, account, region, time, rng),
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all of them differ from record to record")]
    fn log_delivery(
        &mut self,
        organisation: &Organisation,
        stage: &mut Stage,
        account: &Account,
        sort: Sort,
        region: &'static str,
        time: i64,
        rng: &mut Rng,
    ) {
        let service = if sort == Sort::AclCheck { "cloudtrail.amazonaws.com" } else { "delivery.logs.amazonaws.com" };
        let refused = matches!(sort, Sort::DeliveryRefused | Sort::HeadRefused) && account.refuses_logs;
        let bucket = &account.names(Pool::Bucket)[0];
        let host = format!("{bucket}.s3.{region}.amazonaws.com");
        let (year, month, day) = ids::civil(time);
        let hour = time.rem_euclid(86_400) / 3_600;
        let minute = time.rem_euclid(3_600) / 300 * 5;
        let object = format!(
            "AWSLogs/{id}/vpcflowlogs/{region}/{year}/{month:02}/{day:02}/{id}_vpcflowlogs_{region}_fl-0{}_{year}{month:02}{day:02}T{hour:02}{minute:02}Z_{}.log.gz",
            ids::hex(16, &mut Rng::derive(organisation.seed, &[11, account.index as u64])),
            ids::hex(8, rng),
            id = account.id,
        );
        let put = matches!(sort, Sort::Delivery | Sort::DeliveryRefused);
        let _ = match sort {
            _ if put => write!(
                self.request,
                "{{\"bucketName\":\"{bucket}\",\"Host\":\"{host}\",\"x-amz-acl\":\"bucket-owner-full-control\",\"key\":\"{object}\"}}"
            ),
            Sort::AclCheck => write!(self.request, "{{\"bucketName\":\"{bucket}\",\"Host\":\"{host}\",\"acl\":\"\"}}"),
            _ => write!(self.request, "{{\"bucketName\":\"{bucket}\",\"Host\":\"{host}\"}}"),
        };
        let _ = if put {
            write!(
                self.resources,
                "[{{\"type\":\"AWS::S3::Object\",\"ARN\":\"arn:aws:s3:::{bucket}/{object}\"}},{{\"accountId\":\"{}\",\"type\":\"AWS::S3::Bucket\",\"ARN\":\"arn:aws:s3:::{bucket}\"}}]",
                account.id
            )
        } else {
            write!(
                self.resources,
                "[{{\"accountId\":\"{}\",\"type\":\"AWS::S3::Bucket\",\"ARN\":\"arn:aws:s3:::{bucket}\"}}]",
                account.id
            )
        };
        let identity = identity::service(service);
        let name = if put {
            "PutObject"
        } else if sort == Sort::AclCheck {
            "GetBucketAcl"
        } else {
            "HeadBucket"
        };
        let mut call = Call::new(time, "s3", name, region, &account.id, &identity);
        call.ip = service;
        call.agent = service;
        call.request = &self.request;
        call.resources = &self.resources;
        call.read_only = !put;
        call.data = put;
        call.error = refused.then_some(("AccessDenied", "Access Denied"));
        call.shared = Some(ids::uuid(rng));
        call.endpoint = put.then_some(("vpce-0a1b2c3d", ""));
        stage.emit(organisation, account, &call, rng);
    }

    fn data_key(
        &mut self,
        organisation: &Organisation,
        stage: &mut Stage,
        account: &Account,
        region: &'static str,
        time: i64,
        rng: &mut Rng,
    ) {
        let key = &account.names(Pool::Key)[0];
        let bucket = &organisation.log_bucket;
        let id = &account.id;
        let _ = write!(
            self.request,
            "{{\"keyId\":\"arn:aws:kms:{region}:{id}:key/{key}\",\"encryptionContext\":{{\"aws:cloudtrail:arn\":\"arn:aws:cloudtrail:{region}:{id}:trail/{}\",\"aws:s3:arn\":\"arn:aws:s3:::{bucket}/AWSLogs/{}/{id}/CloudTrail/{region}/{}.json.gz\"}},\"keySpec\":\"AES_256\"}}",
            account.names(Pool::Trail)[0],
            organisation.id,
            ids::object_suffix(rng),
        );
        self.key_resource(account, region, key);
        let identity = identity::service("cloudtrail.amazonaws.com");
        let mut call = Call::new(time, "kms", "GenerateDataKey", region, id, &identity);
        call.ip = "cloudtrail.amazonaws.com";
        call.agent = "cloudtrail.amazonaws.com";
        call.request = &self.request;
        call.resources = &self.resources;
        call.shared = Some(ids::uuid(rng));
        stage.emit(organisation, account, &call, rng);
    }

    fn key_resource(&mut self, account: &Account, region: &str, key: &str) {
        let _ = write!(
            self.resources,
            "[{{\"accountId\":\"{id}\",\"type\":\"AWS::KMS::Key\",\"ARN\":\"arn:aws:kms:{region}:{id}:key/{key}\"}}]",
            id = account.id
        );
    }

    fn role_assumed(
        &mut self,
        organisation: &Organisation,
        stage: &mut Stage,
        account: &Account,
        region: &'static str,
        time: i64,
        rng: &mut Rng,
    ) {
        let (service, path, name, session) = *rng.pick(&[
            (
                "cloudtrail.amazonaws.com",
                "/service-role/",
                "CloudTrailRoleForCloudWatchLogs",
                "CLOUDWATCH_LOGS_DELIVERY_SESSION",
            ),
            (
                "config.amazonaws.com",
                "/aws-service-role/config.amazonaws.com/",
                "AWSServiceRoleForConfig",
                "AWSConfig-Describe",
            ),
            (
                "autoscaling.amazonaws.com",
                "/aws-service-role/autoscaling.amazonaws.com/",
                "AWSServiceRoleForAutoScaling",
                "AutoScaling",
            ),
            (
                "access-analyzer.amazonaws.com",
                "/aws-service-role/access-analyzer.amazonaws.com/",
                "AWSServiceRoleForAccessAnalyzer",
                "access-analyzer",
            ),
            (
                "resource-explorer-2.amazonaws.com",
                "/aws-service-role/resource-explorer-2.amazonaws.com/",
                "AWSServiceRoleForResourceExplorer",
                "ResourceExplorer",
            ),
            ("scheduler.amazonaws.com", "/service-role/", "Scheduler_execution_role", "Scheduler"),
        ]);
        let role = account.role(path, name);
        let arn = role.arn();
        let key = ids::access_key("ASIA", account.number, rng);
        let _ = write!(self.request, "{{\"roleArn\":\"{arn}\",\"roleSessionName\":\"{session}\"}}");
        let _ = write!(
            self.response,
            "{{{},{}}}",
            workload::issued(&key, time + 3_600, rng),
            workload::assumed(&role, session)
        );
        self.resources.extend_from_slice(workload::role_resource(&account.id, &arn).as_bytes());
        let identity = identity::service(service);
        let mut call = Call::new(time, "sts", "AssumeRole", region, &account.id, &identity);
        call.ip = service;
        call.agent = service;
        call.request = &self.request;
        call.response = &self.response;
        call.resources = &self.resources;
        call.shared = Some(ids::uuid(rng));
        stage.emit(organisation, account, &call, rng);
    }

    /// S3 decrypts for a user who reads an encrypted object: the user's identity, the service's address.
    fn key_for_user(
        &mut self,
        organisation: &Organisation,
        stage: &mut Stage,
        account: &Account,
        region: &'static str,
        time: i64,
        rng: &mut Rng,
    ) {
        let user = rng.pick(&account.users);
        let mut identity =
            identity::user_session(user, &user.key.replacen("AKIA", "ASIA", 1), time - rng.range(60, 3_000), false);
        identity.pop();
        identity.push_str(",\"invokedBy\":\"AWS Internal\"}");
        let key = account.name(Pool::Key, rng).to_owned();
        let _ = write!(
            self.request,
            "{{\"encryptionAlgorithm\":\"SYMMETRIC_DEFAULT\",\"encryptionContext\":{{\"aws:s3:arn\":\"arn:aws:s3:::{}/{}\"}}}}",
            account.name(Pool::Bucket, rng),
            ids::hex(12, rng)
        );
        self.key_resource(account, region, &key);
        let mut call = Call::new(time, "kms", "Decrypt", region, &account.id, &identity);
        call.request = &self.request;
        call.resources = &self.resources;
        stage.emit(organisation, account, &call, rng);
    }

    /// Things that AWS does without a call: the identity has no type.
    fn service_event(
        &mut self,
        organisation: &Organisation,
        stage: &mut Stage,
        account: &Account,
        region: &'static str,
        time: i64,
        rng: &mut Rng,
    ) {
        let identity = identity::service_event(&account.id);
        let key = account.name(Pool::Key, rng).to_owned();
        self.key_resource(account, region, &key);
        let mut call = Call::new(time, "kms", "RotateKey", region, &account.id, &identity);
        call.resources = &self.resources;
        call.read_only = false;
        call.kind = Kind::Service;
        stage.emit(organisation, account, &call, rng);
    }
}

/// A service reads with its service-linked role.
fn linked_role(
    organisation: &Organisation,
    stage: &mut Stage,
    account: &Account,
    region: &'static str,
    time: i64,
    rng: &mut Rng,
) {
    let (service, role, session, names): (&str, &str, &str, &[&str]) = *rng.pick(&[
        (
            "config.amazonaws.com",
            "AWSServiceRoleForConfig",
            "AWSConfig-Describe",
            &[
                "ec2:DescribeInstances",
                "iam:ListRoles",
                "s3:GetBucketPolicy",
                "rds:DescribeDBInstances",
                "ec2:DescribeSecurityGroups",
                "lambda:ListFunctions20150331",
            ][..],
        ),
        (
            "autoscaling.amazonaws.com",
            "AWSServiceRoleForAutoScaling",
            "AutoScaling",
            &["ec2:DescribeInstanceStatus", "elasticloadbalancing:DescribeTargetHealth", "ec2:DescribeInstances"][..],
        ),
        (
            "access-analyzer.amazonaws.com",
            "AWSServiceRoleForAccessAnalyzer",
            "access-analyzer",
            &["iam:GetRole", "s3:GetBucketPolicy", "kms:GetKeyPolicy", "iam:ListRoles"][..],
        ),
        (
            "trustedadvisor.amazonaws.com",
            "AWSServiceRoleForTrustedAdvisor",
            "TrustedAdvisor",
            &["ec2:DescribeVolumes", "iam:GetAccountPasswordPolicy", "s3:GetBucketAcl", "rds:DescribeDBInstances"][..],
        ),
    ]);
    let role = account.role(&format!("/aws-service-role/{service}/"), role);
    let key = ids::access_key("ASIA", account.number, rng);
    let identity = identity::assumed_role(
        &role,
        &Session {
            name: session,
            key: &key,
            created: time - rng.range(1, 900),
            invoked_by: Some(service),
            ..Session::default()
        },
    );
    let arn = role.session_arn(session);
    let caller = crate::stage::Caller {
        account,
        identity: &identity,
        arn: &arn,
        ip: service,
        agent: service,
        console: false,
        endpoint: None,
        own_instance: None,
    };
    let shape = organisation.catalogue.find(rng.pick::<&str>(names));
    stage.emit_shape(organisation, &caller, shape, region, time, crate::stage::Failure::None, rng);
}
