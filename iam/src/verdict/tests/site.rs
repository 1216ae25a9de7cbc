//! A small account whose truth is known: made from the files that AWS's calls would give, with logs of 800 days.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::evaluate::{Compiled, Evaluator};
use crate::inventory::{File, Inventory};
use crate::usage::{DAY, HOUR, Outcome, Row, Usages, Window};
use crate::verdict::{Judge, Judgement, Options, Subject};
use crate::{Catalogue, Coverage};

pub(crate) const ACCOUNT: &str = "111122223333";
/// 2026-11-01.
pub(crate) const NOW: i64 = 1_793_491_200_000_000;
pub(crate) const DAYS: u32 = 800;

pub(crate) struct Site {
    pub inventory: Inventory,
    pub usages: Usages,
    pub coverage: Coverage,
    pub options: Options,
    compiled: BTreeMap<String, Compiled>,
}

pub(crate) fn window() -> Window {
    Window::before(NOW, DAYS)
}

pub(crate) fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

pub(crate) fn user(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

pub(crate) fn document(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A role with one inline policy, made long ago.
pub(crate) fn with_policy(name: &str, statements: Value) -> Value {
    json!({"Path": "/", "RoleName": name, "RoleId": format!("AROA{name}"), "Arn": role(name), "CreateDate": "2020-01-02T03:04:05Z",
        "AssumeRolePolicyDocument": document(json!([])), "AttachedManagedPolicies": [], "Tags": [],
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": document(statements)}]})
}

impl Site {
    /// Files, and an account of which everything but data events and KMS is logged.
    pub fn new(details: &Value, more: &[String]) -> Site {
        let details = details.to_string();
        let texts = std::iter::once(&details).chain(more);
        let files = texts.map(|text| File { name: "file", bytes: text.as_bytes(), entity: None });
        let now = jiff::Timestamp::from_microsecond(NOW).expect("a time");
        let inventory = Inventory::read(files, now).expect("the files are right");
        let mut coverage = Coverage::new(window());
        for hour in 0..i64::from(DAYS) * 24 {
            let at = window().from + hour * HOUR;
            coverage.saw("eu-west-1", at, at);
        }
        coverage.saw_management("ec2.amazonaws.com", true);
        coverage.saw_management("ec2.amazonaws.com", false);
        let mut evaluator = Evaluator::new(Catalogue::shipped());
        let principals = inventory.roles.keys().chain(inventory.users.keys());
        let compile = |arn: &String| (arn.clone(), evaluator.compile(&inventory.policy_set(arn).expect("it is there")));
        let compiled = principals.map(compile).collect();
        Site { inventory, usages: Usages::new(window()), coverage, options: Options::default(), compiled }
    }

    pub fn with_roles(roles: Value) -> Site {
        Site::new(&json!({"UserDetailList": [], "GroupDetailList": [], "Policies": [], "RoleDetailList": roles}), &[])
    }

    /// Calls so many days ago.
    pub fn call(&mut self, arn: &str, event: &str, days_ago: u32, count: u64, outcome: Outcome, by_service: bool) {
        let (source, name) = event.split_once(':').expect("source:name");
        let source = format!("{source}.amazonaws.com");
        self.usages.add(arn, &row(&source, name, days_ago, count, outcome, by_service));
    }

    pub fn used(&mut self, arn: &str, event: &str, days_ago: impl IntoIterator<Item = u32>) {
        for day in days_ago {
            self.call(arn, event, day, 1, Outcome::Succeeded, false);
        }
    }

    pub fn judge(&self) -> Judge<'_> {
        Judge { usages: &self.usages, coverage: &self.coverage, options: &self.options }
    }

    pub fn judgement(&self, arn: &str) -> Option<Judgement<'_>> {
        self.judge().judge(Subject::of(&self.inventory, arn).expect(arn), self.compiled(arn))
    }

    pub fn compiled(&self, arn: &str) -> &Compiled {
        &self.compiled[arn]
    }
}

pub(crate) fn row<'a>(
    source: &'a str,
    name: &'a str,
    days_ago: u32,
    count: u64,
    outcome: Outcome,
    by_service: bool,
) -> Row<'a> {
    let at = NOW - i64::from(days_ago) * DAY + HOUR;
    Row { source, name, outcome, by_service, count, first: at, last: at, network: None }
}
