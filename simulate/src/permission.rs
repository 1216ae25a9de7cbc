//! Who may do what in this organisation, and what is true of it. In: what everybody did ([`Seen`]); out: for each account the files that AWS
//! would give of it, `iam/{account}.json` (authorization details) and `iam/{account}.csv` (the credential report), and for all of them
//! `permissions.ndjson`, the truth that a judge of permissions is compared with.
//!
//! Grants are drawn when the logs are written, since everything that succeeded was allowed: by these policies or, now and then, by that of
//! a resource. What is beyond is drawn from streams of its own. The truth follows from how grants are made and from the
//! records themselves, not from anybody's evaluation of the files.
//!
//! Not in the files: users and roles that were made in these days and never acted, root's doings, session policies, policies of the
//! organisation and of resources.

mod action;
mod details;
mod draw;
mod policy;
mod principal;
mod truth;
mod usage;

#[cfg(test)]
mod tests;

pub use usage::Seen;

use crate::organisation::Organisation;

/// The files by their names below the output folder.
pub fn files(organisation: &Organisation, seen: &Seen) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut lines = Vec::new();
    for account in &organisation.accounts {
        let principals = principal::all(organisation, account, seen);
        let grounds = draw::all(organisation, account, seen, principals);
        truth::lines(organisation, account, seen, &grounds, &mut lines);
        files.push((format!("iam/{}.json", account.id), details::authorization(organisation, &account.id, &grounds)));
        let report = details::credential_report(organisation, &account.id, &grounds);
        files.push((format!("iam/{}.csv", account.id), report.into_bytes()));
    }
    files.push(("permissions.ndjson".to_owned(), lines));
    files
}
