//! Roles that requests pass to services, by `iam/data/passed_roles.txt`: CloudTrail writes no event for `iam:PassRole`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::path;

static PASSED: &str = include_str!("../../data/passed_roles.txt");

/// Where a request names a role, and whom it is for.
#[derive(Clone, Copy)]
struct Place {
    path: &'static str,
    /// Without `.amazonaws.com`.
    service: &'static str,
    /// What stands there is an instance profile.
    profile: bool,
}

pub(super) struct PassedRoles {
    /// By event source and event name.
    places: HashMap<(&'static str, &'static str), Vec<Place>>,
}

/// A role, or an instance profile with a role in it, as a request names it.
pub(super) struct Role {
    name_or_arn: String,
    profile: bool,
}

impl Role {
    /// Its ARN; that of a name is taken to have no path beyond what the name holds.
    pub fn arn(&self, partition: &str, account: &str) -> String {
        let kind = if self.profile { "instance-profile" } else { "role" };
        match self.name_or_arn.starts_with("arn:") {
            true => self.name_or_arn.clone(),
            false => format!("arn:{partition}:iam::{account}:{kind}/{}", self.name_or_arn.trim_start_matches('/')),
        }
    }
}

impl PassedRoles {
    pub fn shipped() -> &'static PassedRoles {
        static SHIPPED: LazyLock<PassedRoles> = LazyLock::new(|| PassedRoles::read(PASSED));
        &SHIPPED
    }

    fn read(text: &'static str) -> PassedRoles {
        let mut places: HashMap<_, Vec<Place>> = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((head, names)) = line.split_once(": ") else { continue };
            let mut head = head.split(' ');
            let (Some(source), Some(service), Some(path)) = (head.next(), head.next(), head.next()) else { continue };
            let place = Place { path, service, profile: head.next() == Some("profile") };
            for name in names.split(' ') {
                places.entry((source, name)).or_default().push(place);
            }
        }
        PassedRoles { places }
    }

    /// The services that a request passes roles to, with the roles. What can be neither a role's name nor an ARN of IAM is none.
    pub fn of<'r>(
        &'r self,
        source: &'r str,
        name: &'r str,
        request: &'r Value,
    ) -> impl Iterator<Item = (String, Role)> + 'r {
        let places = self.places.get(&(source, name)).map_or(&[][..], Vec::as_slice);
        places.iter().flat_map(move |place| {
            let named = path::texts(request, place.path).into_iter().filter(|text| is_role(text, place.profile));
            named.map(|name_or_arn| {
                (format!("{}.amazonaws.com", place.service), Role { name_or_arn, profile: place.profile })
            })
        })
    }
}

/// Characters of names and paths by the IAM User Guide, "IAM and AWS STS quotas".
fn is_role(text: &str, profile: bool) -> bool {
    let kind = if profile { ":instance-profile/" } else { ":role/" };
    match text.starts_with("arn:") {
        true => text.split(':').nth(2) == Some("iam") && text.contains(kind),
        false => text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_line_is_read() {
        let roles = PassedRoles::shipped();
        let lines = PASSED.lines().filter(|line| !line.starts_with('#'));
        let named: usize =
            lines.map(|line| line.split_once(": ").map_or(0, |(_, names)| names.split(' ').count())).sum();
        assert_eq!(roles.places.values().map(Vec::len).sum::<usize>(), named);
        let sources: BTreeSet<&str> = roles.places.keys().map(|(source, _)| *source).collect();
        assert!(sources.len() > 100, "{}", sources.len());
    }
}
