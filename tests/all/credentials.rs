//! The credentials of a workload's role are found where AWS puts them, with no key configured anywhere.

use crate::logs;
use crate::world::{World, trailhound};
use trailhound_testing::fake_aws::metadata::CONTAINER;
use trailhound_testing::fake_aws::{Bucket, FakeAws};

const ROLE: &str = "arn:aws:iam::111122223333:role/trailhound";

/// A bucket that only the workload's role may read.
fn aws() -> FakeAws {
    let aws = FakeAws::start();
    aws.role("arn:aws:iam::111122223333:role/other", None);
    aws.workload_role(ROLE);
    aws.bucket_with("trail", Bucket { role_arn: Some(ROLE.into()), ..Bucket::default() });
    aws.put("trail", &logs::key("a"), logs::gzip(&logs::log(&[logs::root_key("e-1")])));
    aws
}

fn scan(aws: &FakeAws, world: &World, name: &str, value: &str) {
    let store = world.path("store");
    let run = trailhound(["scan", "s3://trail", "--format", "ndjson", "--store", &store.display().to_string()])
        .env("AWS_ENDPOINT_URL", &aws.endpoint())
        .env("AWS_EC2_METADATA_DISABLED", if name == "AWS_EC2_METADATA_SERVICE_ENDPOINT" { "false" } else { "true" })
        .env(name, value)
        .env("AWS_REGION", "us-east-1")
        .ok();
    assert!(!run.findings().is_empty(), "{}", run.stderr);
}

#[test]
fn a_container_reads_with_its_tasks_role() {
    let (aws, world) = (aws(), World::new("container-credentials"));
    scan(&aws, &world, "AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}{CONTAINER}", aws.endpoint()));
    assert!(aws.calls("ContainerCredentials") > 0 && aws.calls("InstanceCredentials") == 0);
}

#[test]
fn an_instance_reads_with_its_profiles_role() {
    let (aws, world) = (aws(), World::new("instance-credentials"));
    scan(&aws, &world, "AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.endpoint());
    assert!(aws.calls("InstanceCredentials") > 0 && aws.calls("ContainerCredentials") == 0);
}

#[test]
fn a_workload_without_a_role_is_told_what_is_missing() {
    let (aws, world) = (FakeAws::start(), World::new("no-credentials"));
    aws.bucket("trail");
    let store = world.path("store");
    let run = trailhound(["scan", "s3://trail", "--store", &store.display().to_string()])
        .env("AWS_ENDPOINT_URL", &aws.endpoint())
        .env("AWS_REGION", "us-east-1")
        .exits(2);
    assert!(run.stderr.to_lowercase().contains("credentials"), "{}", run.stderr);
}
