//! Every action that IAM knows, by service and access level.
//!
//! The list is made from AWS's service authorization reference (see `iam/data/build_actions.py`) and built in: nothing
//! is asked of a network. AWS adds actions every week, so what the list does not hold may exist all the same.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

static ACTIONS: &str = include_str!("../data/actions.txt");

/// What an action lets one do, as AWS sorts actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    List,
    Read,
    Write,
    Tagging,
    /// Writes that change who may do what.
    Permissions,
}

impl Access {
    /// The level's word in the list.
    fn parse(word: &str) -> Option<Access> {
        Some(match word {
            "list" => Access::List,
            "read" => Access::Read,
            "write" => Access::Write,
            "tagging" => Access::Tagging,
            "permissions" => Access::Permissions,
            _ => return None,
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::List => "list",
            Access::Read => "read",
            Access::Write => "write",
            Access::Tagging => "tagging",
            Access::Permissions => "permissions management",
        })
    }
}

/// IAM's actions.
pub struct Catalogue {
    /// By service prefix, then by the action's name as AWS spells it.
    services: BTreeMap<&'static str, BTreeMap<&'static str, Access>>,
}

impl Catalogue {
    /// The list that is built in.
    pub fn shipped() -> &'static Catalogue {
        static SHIPPED: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(ACTIONS));
        &SHIPPED
    }

    /// Reads `prefix level: names` lines; what has another form is not an action.
    fn read(text: &'static str) -> Catalogue {
        let mut services: BTreeMap<&str, BTreeMap<&str, Access>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((head, names)) = line.split_once(": ") else { continue };
            let Some((prefix, Some(access))) = head.split_once(' ').map(|(p, level)| (p, Access::parse(level))) else {
                continue;
            };
            services.entry(prefix).or_default().extend(names.split(' ').map(|name| (name, access)));
        }
        Catalogue { services }
    }

    /// The services with their actions, both in order: `("iam", [("AttachRolePolicy", Permissions), …])`.
    pub fn services(
        &self,
    ) -> impl Iterator<Item = (&'static str, impl Iterator<Item = (&'static str, Access)> + use<'_>)> + use<'_> {
        self.services.iter().map(|(prefix, actions)| (*prefix, actions.iter().map(|(name, access)| (*name, *access))))
    }

    /// The access level of an action, named as AWS spells it; none if the list does not hold it.
    pub fn access(&self, prefix: &str, action: &str) -> Option<Access> {
        self.services.get(prefix)?.get(action).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_read() {
        let catalogue = Catalogue::shipped();
        let named: usize = ACTIONS
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_once(": ").map_or(0, |(_, names)| names.split(' ').count()))
            .sum();
        let read: usize = catalogue.services().map(|(_, actions)| actions.count()).sum();
        assert_eq!(read, named);
        assert!(read > 20_000, "{read}");
    }

    #[test]
    fn actions_have_the_level_that_says_most() {
        let catalogue = Catalogue::shipped();
        for (prefix, action, expected) in [
            ("iam", "AttachRolePolicy", Some(Access::Permissions)),
            ("iam", "ListUsers", Some(Access::List)),
            ("iam", "TagRole", Some(Access::Tagging)),
            ("iam", "PassRole", Some(Access::Write)),
            ("s3", "GetObject", Some(Access::Read)),
            ("iam", "NoSuchAction", None),
            ("nobody", "GetObject", None),
        ] {
            assert_eq!(catalogue.access(prefix, action), expected, "{prefix}:{action}");
        }
    }
}
