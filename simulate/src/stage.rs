//! Where the records of a stretch of time are gathered before they are delivered: one buffer of text and an entry for each record.

use crate::{
    catalogue::{Bodies, Filling},
    organisation::{Account, Organisation},
    record::{self, Call},
    rng::Rng,
};

/// Where a record lies, and what delivery must know of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub account: u32,
    /// Index of the region among the organisation's.
    pub region: u32,
    pub time: i64,
    /// Seconds by which delivery is later than usual.
    pub delay: i64,
    pub start: usize,
    pub length: usize,
    pub id: u128,
}

/// Records of some hours, in no order.
#[derive(Debug, Default)]
pub struct Stage {
    pub text: Vec<u8>,
    pub entries: Vec<Entry>,
    /// Share of records that are delivered late.
    pub late_share: f64,
    bodies: Bodies,
}

/// Who calls, and from where: all that stays the same from one call of a session to the next.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub account: &'a Account,
    pub identity: &'a str,
    /// ARN that denials name.
    pub arn: &'a str,
    pub ip: &'a str,
    pub agent: &'a str,
    pub console: bool,
    pub endpoint: Option<(&'a str, &'a str)>,
    pub own_instance: Option<&'a str>,
}

impl Stage {
    pub fn new(late_share: f64) -> Stage {
        Stage { late_share, ..Stage::default() }
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
    }

    /// Writes one record and tells its event id.
    pub fn emit(&mut self, organisation: &Organisation, account: &Account, call: &Call, rng: &mut Rng) -> u128 {
        let mut call = *call;
        let delay = self.delay(rng);
        call.late = delay >= 3_600;
        let start = self.text.len();
        let id = record::write(&mut self.text, &call, rng);
        let region = organisation.regions.iter().position(|region| *region == call.region).unwrap_or(0);
        self.entries.push(Entry {
            account: account.index as u32,
            region: region as u32,
            time: call.time,
            delay,
            start,
            length: self.text.len() - start,
            id,
        });
        id
    }

    /// Writes a call of one of the catalogue's shapes.
    #[allow(clippy::too_many_arguments, reason = "a call is all of these")]
    pub fn emit_shape(
        &mut self,
        organisation: &Organisation,
        caller: &Caller,
        shape: usize,
        region: &'static str,
        time: i64,
        failure: Failure,
        rng: &mut Rng,
    ) -> u128 {
        let shape = organisation.catalogue.get(shape);
        let region = organisation.recorded_in(shape.service, region);
        let mut bodies = std::mem::take(&mut self.bodies);
        let filling =
            Filling { account: caller.account, region, time, draw: rng.bits(), own_instance: caller.own_instance };
        shape.fill(&filling, &mut bodies);
        let mut call = Call::new(time, shape.service, shape.name, region, &caller.account.id, caller.identity);
        call.ip = caller.ip;
        call.agent = caller.agent;
        call.request = &bodies.request;
        call.response = &bodies.response;
        call.resources = &bodies.resources;
        call.read_only = shape.read_only;
        call.data = shape.data;
        call.console = caller.console;
        call.endpoint = caller.endpoint;
        let denial;
        call.error = match failure {
            Failure::None => None,
            // These need no permission, so nobody is ever refused.
            Failure::Denied if matches!(shape.name, "GetCallerIdentity" | "GetSessionToken") => None,
            Failure::Denied => {
                denial = denial_message(caller.arn, shape.service, shape.name);
                Some((denial_code(shape.service), denial.as_str()))
            }
            Failure::Ordinary => Some(ordinary_error(shape.service, shape.data)),
        };
        let id = self.emit(organisation, caller.account, &call, rng);
        self.bodies = bodies;
        id
    }

    /// How late: nearly always not at all, sometimes up to three hours, rarely days.
    fn delay(&self, rng: &mut Rng) -> i64 {
        if self.late_share <= 0.0 || !rng.chance(self.late_share) {
            return 0;
        }
        if rng.chance(0.05) { rng.range(6 * 3_600, 3 * 86_400) } else { rng.range(900, 3 * 3_600) }
    }
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    None,
    /// No permission.
    Denied,
    /// Throttled, not found and the like.
    Ordinary,
}

/// The error code with which a service says no.
pub fn denial_code(service: &str) -> &'static str {
    match service {
        "ec2" => "Client.UnauthorizedOperation",
        "iam"
        | "sts"
        | "s3"
        | "cloudformation"
        | "autoscaling"
        | "rds"
        | "elasticloadbalancing"
        | "sns"
        | "monitoring" => "AccessDenied",
        _ => "AccessDeniedException",
    }
}

/// The message that comes with a denial: it names the IAM action.
pub fn denial_message(arn: &str, service: &str, name: &str) -> String {
    let action = without_version(name);
    // IAM's actions are not always named as the APIs are.
    let action = match (service, action) {
        ("s3", "ListBuckets") => "ListAllMyBuckets",
        ("s3", "ListObjects" | "HeadBucket") => "ListBucket",
        ("s3", "HeadObject") => "GetObject",
        ("lambda", "Invoke") => "InvokeFunction",
        _ => action,
    };
    let prefix = if service == "monitoring" { "cloudwatch" } else { service };
    format!(
        "User: {arn} is not authorized to perform: {prefix}:{action} because no identity-based policy allows the {prefix}:{action} action"
    )
}

/// The name of an API without the date (and `v2`) that Lambda's old interface puts behind it.
pub fn without_version(name: &str) -> &str {
    let dated = |end: &str| end.len() >= 8 && end.bytes().take(8).all(|byte| byte.is_ascii_digit());
    name.find("20").filter(|at| dated(&name[*at..])).map_or(name, |at| &name[..at])
}

fn ordinary_error(service: &str, data: bool) -> (&'static str, &'static str) {
    match service {
        "s3" if data => ("NoSuchKey", "The specified key does not exist."),
        "s3" => ("SlowDown", "Please reduce your request rate."),
        "iam" => ("NoSuchEntityException", "The requested entity cannot be found."),
        "ec2" => ("Client.RequestLimitExceeded", "Request limit exceeded."),
        "ssm" => ("ParameterNotFound", "The requested parameter does not exist."),
        "lambda" => ("ResourceNotFoundException", "The requested function does not exist."),
        _ => ("ThrottlingException", "Rate exceeded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_name_the_action() {
        for (service, name, action) in [
            ("lambda", "UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode"),
            ("lambda", "ListFunctions20150331", "lambda:ListFunctions"),
            ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
            ("monitoring", "DescribeAlarms", "cloudwatch:DescribeAlarms"),
            ("wafv2", "ListWebACLs", "wafv2:ListWebACLs"),
        ] {
            let message = denial_message("arn:aws:iam::111122223333:user/ana", service, name);
            assert!(message.contains(&format!(" {action} because")), "{message}");
        }
    }
}
