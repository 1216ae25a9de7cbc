//! Policies as this organisation writes them: statements on actions, made once and written as AWS writes documents. What they come to is
//! told for what is made here alone: Denies and boundaries speak of all resources, patterns of actions end in their only `*`.

use std::collections::BTreeMap;

use serde::Serialize;

/// A policy's document.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    sid: &'static str,
    effect: Effect,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    action: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_action: Vec<String>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Effect {
    Allow,
    Deny,
}

/// Operator, key, value.
type Condition = BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>;

/// All resources.
pub const EVERYTHING: &str = "*";

impl Document {
    /// Statements on no action are left out, since AWS knows none.
    pub fn new(mut statement: Vec<Statement>) -> Document {
        statement.retain(|one| !one.action.is_empty() || !one.not_action.is_empty());
        Document { version: "2012-10-17", statement }
    }
}

impl Statement {
    pub fn allow(sid: &'static str, action: Vec<String>) -> Statement {
        Statement {
            sid,
            effect: Effect::Allow,
            action,
            not_action: Vec::new(),
            resource: vec![EVERYTHING.to_owned()],
            condition: None,
        }
    }

    /// Allows all actions but these.
    pub fn allow_except(sid: &'static str, spared: Vec<String>) -> Statement {
        Statement { not_action: spared, ..Statement::allow(sid, Vec::new()) }
    }

    pub fn deny(sid: &'static str, action: Vec<String>) -> Statement {
        Statement { effect: Effect::Deny, ..Statement::allow(sid, action) }
    }

    /// Denies all actions but these.
    pub fn deny_except(sid: &'static str, spared: Vec<String>) -> Statement {
        Statement { effect: Effect::Deny, ..Statement::allow_except(sid, spared) }
    }

    /// On a bucket and its objects only.
    pub fn on_bucket(mut self, bucket: &str) -> Statement {
        self.resource = vec![format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")];
        self
    }

    pub fn with_condition(mut self, operator: &'static str, key: &'static str, value: &'static str) -> Statement {
        self.condition = Some(BTreeMap::from([(operator, BTreeMap::from([(key, value)]))]));
        self
    }

    fn speaks_of(&self, action: &str) -> bool {
        let named = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, action));
        if self.action.is_empty() { !named(&self.not_action) } else { named(&self.action) }
    }
}

fn fits(pattern: &str, action: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == action, |beginning| action.starts_with(beginning))
}

/// All that speaks of one principal: its own policies and its groups', and its boundary, if it has one.
#[derive(Debug, Default)]
pub struct Grants<'p> {
    pub identity: Vec<&'p Document>,
    pub boundary: Option<&'p Document>,
}

/// What comes of the policies for an action.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'p> {
    /// No policy allows it.
    Unmentioned,
    /// One does, and a Deny or the boundary takes it away.
    TakenAway,
    /// It is granted on these resources.
    Granted(Vec<&'p str>),
}

impl<'p> Grants<'p> {
    pub fn of(&self, action: &str) -> Outcome<'p> {
        let speaking =
            || self.identity.iter().flat_map(|document| &document.statement).filter(|one| one.speaks_of(action));
        let allows: Vec<&Statement> = speaking().filter(|one| one.effect == Effect::Allow).collect();
        if allows.is_empty() {
            return Outcome::Unmentioned;
        }
        // A Deny under a condition takes away what is asked for under this condition, which is not all.
        let denied = speaking().any(|one| one.effect == Effect::Deny && one.condition.is_none());
        let bounded = self.boundary.is_some_and(|boundary| !boundary.statement.iter().any(|one| one.speaks_of(action)));
        if denied || bounded {
            return Outcome::TakenAway;
        }
        let mut resources: Vec<&str> = allows.iter().flat_map(|one| &one.resource).map(String::as_str).collect();
        resources.sort_unstable();
        resources.dedup();
        Outcome::Granted(resources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(actions: &[&str]) -> Vec<String> {
        actions.iter().map(|action| (*action).to_owned()).collect()
    }

    #[test]
    fn what_policies_come_to() {
        let own = Document::new(vec![
            Statement::allow("Reads", some(&["ec2:Describe*", "s3:ListAllMyBuckets", "kms:Decrypt", "iam:GetRole"])),
            Statement::allow("Objects", some(&["s3:GetObject"])).on_bucket("logs"),
            Statement::deny("No", some(&["ec2:DescribeHosts"])),
            Statement::deny("NotFromThere", some(&["kms:*"])).with_condition(
                "StringEquals",
                "aws:RequestedRegion",
                "x",
            ),
            Statement::deny_except("NothingElse", some(&["ec2:*", "s3:*", "kms:*"])),
        ]);
        let boundary = Document::new(vec![Statement::allow("Most", some(&["ec2:*", "s3:Get*", "kms:*", "iam:*"]))]);
        let grants = Grants { identity: vec![&own], boundary: Some(&boundary) };
        assert_eq!(grants.of("ec2:DescribeVpcs"), Outcome::Granted(vec!["*"]));
        assert_eq!(grants.of("kms:Decrypt"), Outcome::Granted(vec!["*"]));
        assert_eq!(grants.of("s3:GetObject"), Outcome::Granted(vec!["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]));
        for taken in ["ec2:DescribeHosts", "s3:ListAllMyBuckets", "iam:GetRole"] {
            assert_eq!(grants.of(taken), Outcome::TakenAway, "{taken}");
        }
        assert_eq!(grants.of("ec2:RunInstances"), Outcome::Unmentioned);
        let power = Document::new(vec![Statement::allow_except("Power", some(&["iam:*"]))]);
        let grants = Grants { identity: vec![&power], boundary: None };
        assert_eq!(grants.of("iam:GetRole"), Outcome::Unmentioned);
        assert_eq!(grants.of("ec2:RunInstances"), Outcome::Granted(vec!["*"]));
    }
}
