//! Whom a role's or a resource's policy lets in.

use std::collections::BTreeSet;

use crate::condition::Condition;
use crate::document::{Document, Effect, Selection, Statement};
use crate::principal::{Principal, account_in};

impl Document {
    /// Whether everybody is let in: an Allow for `*` (or for all but some, `NotPrincipal`) without a condition that
    /// names the caller, his network or his organisation ([`Condition::names_caller`]).
    ///
    /// A Deny for everybody of at least the same actions and resources takes it back, if it is unconditional or
    /// spares only callers that it names.
    pub fn is_public(&self) -> bool {
        self.allows().any(|allow| {
            allow.is_for_everyone()
                && !allow.conditions.iter().any(Condition::names_caller)
                && !self.is_taken_back(allow)
        })
    }

    /// The account ids other than `own` to whose principals an Allow speaks, sorted: named as principal, or named by
    /// a condition where the principal is everybody.
    pub fn foreign_accounts(&self, own: &str) -> BTreeSet<&str> {
        self.allows().flat_map(Statement::accounts).filter(|account| *account != own).collect()
    }

    /// Whether every Allow for an account other than `own` wants an external id, so that a third party that serves
    /// many customers cannot be talked into using this role for another one. True where no other account is let in.
    pub fn external_id_required(&self, own: &str) -> bool {
        self.allows()
            .filter(|s| s.accounts().any(|account| account != own))
            .all(|s| s.conditions.iter().any(Condition::wants_external_id))
    }

    /// SAML and OIDC providers (ARNs, or names of well-known ones) whose users an Allow lets in.
    pub fn federated(&self) -> BTreeSet<&str> {
        self.allows()
            .flat_map(|s| s.named_principals())
            .filter_map(|p| match p {
                Principal::Federated(provider) => Some(provider.as_str()),
                _ => None,
            })
            .collect()
    }

    fn allows(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|s| s.effect == Effect::Allow)
    }

    fn is_taken_back(&self, allow: &Statement) -> bool {
        self.statements.iter().any(|deny| {
            deny.effect == Effect::Deny
                && deny.is_for_everyone()
                && (deny.is_unconditional() || deny.conditions.iter().all(Condition::spares_only_named_caller))
                && deny.actions.covers(&allow.actions)
                && deny.resources.covers(&allow.resources)
        })
    }
}

impl Statement {
    /// The principal is everybody, or everybody but some in an Allow (in a Deny those some are spared).
    fn is_for_everyone(&self) -> bool {
        match &self.principals {
            Selection::Only(all) => all.contains(&Principal::Everyone),
            Selection::Except(_) => self.effect == Effect::Allow,
            Selection::Unstated => false,
        }
    }

    fn named_principals(&self) -> &[Principal] {
        match &self.principals {
            Selection::Only(all) => all,
            _ => &[],
        }
    }

    fn accounts(&self) -> impl Iterator<Item = &str> {
        let named_by_condition = self
            .conditions
            .iter()
            .filter(|c| self.is_for_everyone() && c.names_caller())
            .filter(|c| {
                ["aws:PrincipalAccount", "aws:PrincipalArn", "kms:CallerAccount"].iter().any(|key| c.key_is(key))
            })
            .flat_map(|c| c.values.iter().filter_map(|value| account_in(value)));
        self.named_principals().iter().filter_map(Principal::account).chain(named_by_condition)
    }
}

#[cfg(test)]
mod tests;
