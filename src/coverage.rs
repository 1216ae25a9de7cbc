//! Whether sign-ins of root can be seen at all.
//!
//! Of each account the regions whose logs came go in; out come the accounts of which nothing came from where CloudTrail records
//! root's sign-ins and the calls of global services (IAM, the global endpoint of STS): us-east-1, whatever region people are in
//! (CloudTrail User Guide, "AWS Management Console sign-in events" and "Global service events"). A trail of one other region never
//! has them, and no rule can miss what nobody sent. China and GovCloud record them elsewhere; their accounts are never named.

use std::collections::BTreeSet;

/// Where they are recorded, in the partition `aws`.
const SIGN_INS: &str = "us-east-1";
/// Regions of other partitions begin so.
const ELSEWHERE: [&str; 4] = ["cn-", "us-gov-", "us-iso", "eusc-"];
/// Accounts that are named in one line.
const NAMED_MAX: usize = 5;

/// The accounts among sources (account and region) that have none in us-east-1.
pub fn without_sign_ins<'s>(sources: impl Iterator<Item = (&'s str, &'s str)> + Clone) -> BTreeSet<&'s str> {
    let seen: BTreeSet<&str> =
        sources.clone().filter(|(_, region)| *region == SIGN_INS).map(|(account, _)| account).collect();
    let here = sources.filter(|(_, region)| !ELSEWHERE.iter().any(|partition| region.starts_with(partition)));
    here.map(|(account, _)| account).filter(|account| !seen.contains(account)).collect()
}

/// What people have to know of such accounts; none where there are none.
pub fn told(accounts: &BTreeSet<&str>) -> Option<String> {
    let listed = Vec::from_iter(accounts.iter().take(NAMED_MAX).copied()).join(", ");
    let named = match accounts.len() {
        0 => return None,
        1 => format!("account {listed}"),
        n if n > NAMED_MAX => format!("accounts {listed} and {} more", n - NAMED_MAX),
        _ => format!("accounts {listed}"),
    };
    Some(format!(
        "nothing from {SIGN_INS} of {named}: sign-ins of root and calls of global services (IAM, STS) are recorded there and would \
         not be seen; is the trail one of all regions?"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sources: &[(&str, &str)], expected: Option<&str>) {
        let told = told(&without_sign_ins(sources.iter().copied()));
        let told = told.map(|text| text.split(": sign-ins").next().unwrap_or_default().to_owned());
        assert_eq!(told.as_deref(), expected);
    }

    #[test]
    fn accounts_are_named_of_which_nothing_came_from_where_root_signs_in() {
        check(&[], None);
        check(&[("1", "eu-west-1"), ("1", "us-east-1"), ("2", "us-east-1")], None);
        check(
            &[("1", "eu-west-1"), ("1", "us-east-2"), ("2", "us-east-1")],
            Some("nothing from us-east-1 of account 1"),
        );
        let many: Vec<_> = ["1", "2", "3", "4", "5", "6", "7"].map(|account| (account, "eu-west-1")).into();
        check(&many[..2], Some("nothing from us-east-1 of accounts 1, 2"));
        check(&many, Some("nothing from us-east-1 of accounts 1, 2, 3, 4, 5 and 2 more"));
    }

    #[test]
    fn other_partitions_record_them_elsewhere() {
        check(&[("1", "cn-north-1"), ("2", "us-gov-west-1"), ("3", "us-iso-east-1"), ("4", "eusc-de-east-1")], None);
    }
}
