//! When an entity last used which services, by `get-service-last-accessed-details`.
//!
//! AWS counts attempts that were denied as well, knows of actions for some services only and keeps 400 days (IAM User
//! Guide, "Refine permissions in AWS using last accessed information").

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::details::paged;
use super::entity::Merge;
use super::error::Problem;
use super::gather::{Gathered, List};
use super::node::{Node, Reading};

/// What one report tells of a user, role, group or policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastAccessed {
    pub arn: String,
    /// Up to when it tells.
    pub generated: Option<Timestamp>,
    /// By service prefix (`s3`): the services that the entity's policies name.
    pub services: BTreeMap<String, ServiceAccess>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceAccess {
    /// The last attempt; none if there was none in 400 days.
    pub last: Option<Timestamp>,
    pub region: Option<String>,
    /// By action (`PutObject`), of those that AWS tracks; none if the report was not made for actions.
    pub actions: Option<BTreeMap<String, Option<Timestamp>>>,
}

impl Merge for LastAccessed {
    /// Pages of one report, or two reports of one entity.
    fn merge(&mut self, other: LastAccessed) -> Vec<&'static str> {
        let mut differ = Vec::new();
        if self.generated != other.generated {
            differ.push("JobCompletionDate");
        }
        for (service, theirs) in other.services {
            if self.services.get(&service).is_some_and(|mine| *mine != theirs) {
                differ.push("ServicesLastAccessed");
            }
            self.services.insert(service, theirs);
        }
        differ
    }
}

/// Reads a page of a report. It does not say whose it is: `whose` is the ARN from around it.
pub(super) fn read(node: &Node, whose: Option<&str>, reading: &mut Reading, gathered: &mut Gathered) {
    match node.maybe_text("JobStatus", reading).as_deref() {
        None | Some("COMPLETED") => {}
        Some(other) => return reading.wrong(&node.path, Problem::Unfinished(other.to_owned())),
    }
    let Some(arn) = whose else {
        let or = ", or name the entity where the file is named";
        return reading.wrong(&node.path, Problem::Whose { member: "Arn", or });
    };
    let generated = node.time("JobCompletionDate", reading);
    let mut services = BTreeMap::new();
    for service in node.list("ServicesLastAccessed", reading) {
        let Some(namespace) = service.text("ServiceNamespace", reading) else { continue };
        let actions = service.has("TrackedActionsLastAccessed").then(|| {
            let actions = service.list("TrackedActionsLastAccessed", reading);
            let of = |action: &Node, reading: &mut Reading| {
                Some((action.text("ActionName", reading)?, action.time("LastAccessedTime", reading)))
            };
            actions.iter().filter_map(|action| of(action, reading)).collect()
        });
        let last = service.time("LastAuthenticated", reading);
        let region = service.maybe_text("LastAuthenticatedRegion", reading);
        services.insert(namespace, ServiceAccess { last, region, actions });
    }
    paged(node, List::Of(format!("services of {arn}")), reading, gathered);
    gathered.last_accessed(LastAccessed { arn: arn.to_owned(), generated, services }, reading.at(&node.path), reading);
}
