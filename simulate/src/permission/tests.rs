//! What is written beside a small tree, against its records.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    Options,
    tests::{Tree, seconds, tree},
};

fn small() -> Tree {
    tree(|options| Options {
        period_minutes: 720,
        jobs: true,
        service_share: 0.4,
        ..options.seed(4).accounts(2).days(6).events(5_000)
    })
}

/// The users and roles of all accounts, by ARN, and the ARNs of all policies.
fn inventory(tree: &Tree) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let (mut principals, mut policies) = (BTreeMap::new(), BTreeSet::new());
    for (_, bytes) in tree.beside().filter(|(name, _)| name.starts_with("iam/") && name.ends_with(".json")) {
        let details: Value = serde_json::from_slice(bytes).unwrap();
        let list = |name: &str| details[name].as_array().unwrap().clone();
        for one in ["UserDetailList", "RoleDetailList"].into_iter().flat_map(list) {
            let twice = principals.insert(one["Arn"].as_str().unwrap().to_owned(), one);
            assert!(twice.is_none(), "{twice:?} is there twice");
        }
        policies.extend(list("Policies").iter().map(|policy| policy["Arn"].as_str().unwrap().to_owned()));
    }
    (principals, policies)
}

#[test]
fn who_acts_is_there_with_the_same_id_and_was_there_before() {
    let tree = small();
    let (principals, policies) = inventory(&tree);
    let mut acted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for event in tree.objects().flat_map(|(_, events)| events) {
        let identity = &event["userIdentity"];
        let issuer = &identity["sessionContext"]["sessionIssuer"];
        let who = if identity["type"] == "AssumedRole" { issuer } else { identity };
        let (Some(arn), Some(id)) = (who["arn"].as_str(), who["principalId"].as_str()) else { continue };
        let Some((arn, one)) = principals.get_key_value(arn) else { continue };
        acted.entry(arn).or_default().insert(id.to_owned());
        let created = seconds(one["CreateDate"].as_str().unwrap());
        assert!(created <= seconds(event["eventTime"].as_str().unwrap()), "{arn} acts before it is made");
    }
    assert!(acted.len() > 20, "{}", acted.len());
    // A few names were borne by two users one after another.
    for (arn, ids) in &acted {
        let known = principals[*arn].get("UserId").or(principals[*arn].get("RoleId")).unwrap().as_str().unwrap();
        assert!(ids.contains(known), "{arn}: {ids:?}");
    }
    assert!(acted.values().filter(|ids| ids.len() > 1).count() <= 2, "{acted:?}");
    for one in principals.values() {
        let attached = one["AttachedManagedPolicies"].as_array().unwrap().iter().map(|policy| &policy["PolicyArn"]);
        let boundary = &one["PermissionsBoundary"]["PermissionsBoundaryArn"];
        for arn in attached.chain([boundary]).filter_map(Value::as_str) {
            assert!(policies.contains(arn), "{arn}");
        }
    }
    let reports = tree.beside().filter(|(name, _)| name.ends_with(".csv"));
    let lines: usize = reports.map(|(_, bytes)| bytes.iter().filter(|byte| **byte == b'\n').count() - 2).sum();
    assert_eq!(lines, principals.values().filter(|one| one.get("UserId").is_some()).count());
}

#[test]
fn the_truth_counts_what_the_records_have() {
    let tree = small();
    let mut called: BTreeMap<String, u64> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in tree.objects().flat_map(|(_, events)| events) {
        let is_listing = event["eventName"] == "ListBuckets" && event.get("errorMessage").is_none();
        let issuer = &event["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"];
        let arn = issuer.as_str().or(event["userIdentity"]["arn"].as_str());
        // A second trail delivers it again.
        if let (true, Some(arn)) = (is_listing && ids.insert(event["eventID"].to_string()), arn) {
            *called.entry(arn.to_owned()).or_default() += 1;
        }
    }
    let truth = tree.labels("permissions.ndjson");
    let counted: BTreeMap<String, u64> = truth
        .iter()
        .filter(|line| line["action"] == "s3:ListAllMyBuckets" && line["verdict"] == "used")
        .map(|line| (line["principal"].as_str().unwrap().to_owned(), line["succeeded"].as_u64().unwrap()))
        .collect();
    assert_eq!(counted, called);
    let monthly = truth.iter().find(|line| line["runs"] == "monthly" && line["action"] == "glue:StartJobRun").unwrap();
    assert_eq!(monthly["succeeded"], 3);
    let once = truth.iter().find(|line| line["runs"] == "once" && line["action"] == "ec2:CreateSnapshot").unwrap();
    assert_eq!(once["succeeded"], 1);
}
