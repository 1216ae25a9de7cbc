//! On which resources an action is to be allowed: those it was used on, as patterns where they are many.

use std::collections::{BTreeMap, BTreeSet};

use super::{Home, Note};
use crate::catalogue::{ActionId, Catalogue, ResourceType};

/// More resources of one kind than this become patterns.
const LISTED_MAX: usize = 20;

/// Types that a call is asked about although the reference does not say that it must name one: an instance nearly always gets
/// a volume (Amazon EC2 User Guide, "Example policies to control access the Amazon EC2 API", launching instances).
const ASKED_TOO: &[(&str, &str)] = &[("ec2:RunInstances", "volume")];

/// The resources of a grant. `anywhere` says that some use did not tell its resource.
pub(super) fn granted(
    home: &Home,
    id: ActionId,
    arns: &BTreeSet<&str>,
    anywhere: bool,
    notes: &mut BTreeSet<Note>,
) -> BTreeSet<String> {
    let catalogue = Catalogue::shipped();
    let all = || BTreeSet::from(["*".to_owned()]);
    if !catalogue.has_resources(id) {
        return all();
    }
    let action = catalogue.action(id).to_string();
    let mut by_type: BTreeMap<&str, (&ResourceType, BTreeSet<String>)> = BTreeMap::new();
    for arn in arns {
        match catalogue.type_for(id, arn) {
            Some(kind) => by_type.entry(&kind.arn).or_insert_with(|| (kind, BTreeSet::new())).1.insert(written(arn)),
            None => notes.insert(Note::NotOfAction { action: action.clone(), arn: (*arn).to_owned() }),
        };
    }
    if anywhere {
        notes.insert(Note::AllResources { action });
        return all();
    }
    let mut granted = BTreeSet::new();
    for (kind, arns) in by_type.values() {
        for (pattern, resources) in patterns(kind, arns) {
            if resources > 1 {
                notes.insert(Note::Generalised { action: action.clone(), pattern: pattern.clone(), resources });
            }
            granted.insert(pattern);
        }
    }
    // A launch asks for its volumes and interfaces, too, which its events do not name.
    let named: BTreeSet<&str> = by_type.values().map(|(kind, _)| kind.name).collect();
    for (kind, required) in catalogue.resource_types(id) {
        let asked = required || ASKED_TOO.contains(&(action.as_str(), kind.name));
        if asked && !named.contains(kind.name) {
            let pattern = any_of(kind, home);
            notes.insert(Note::AnyOfType { action: action.clone(), pattern: pattern.clone() });
            granted.insert(pattern);
        }
    }
    if granted.is_empty() {
        notes.insert(Note::AllResources { action });
        return all();
    }
    granted
}

/// Every resource of a type in the principal's account, in any region.
fn any_of(kind: &ResourceType, home: &Home) -> String {
    let filled = kind.fill(|variable| {
        Some(match variable {
            "Partition" => home.partition.clone(),
            "Account" => home.account.clone(),
            _ => "*".to_owned(),
        })
    });
    filled.expect("every variable has a value")
}

/// An ARN as a policy can hold it: `${` would begin a variable, and policies know no characters beyond Latin-1 (IAM API
/// Reference, `CreatePolicy`), for which `*` stands. The ARN's own `*` and `?` match themselves, and a little more.
fn written(arn: &str) -> String {
    let mut out = String::with_capacity(arn.len());
    for c in arn.replace("${", "${$}{").chars() {
        if !c.is_control() && c <= '\u{ff}' {
            out.push(c);
        } else if !out.ends_with('*') {
            out.push('*');
        }
    }
    out
}

/// ARNs of one type as they are, or as patterns where too many begin alike; with how many each stands for.
fn patterns(kind: &ResourceType, arns: &BTreeSet<String>) -> Vec<(String, usize)> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for arn in arns {
        places.entry(place(arn)).or_default().push(arn);
    }
    let of_place =
        |(place, arns): (&str, Vec<&str>)| narrowed(place.len() + kind.begins().len(), place.ends_with("::"), &arns);
    places.into_iter().flat_map(of_place).collect()
}

/// Partition, service, region and account of an ARN with the colon behind: what a pattern must not reach beyond.
fn place(arn: &str) -> &str {
    let end = arn.match_indices(':').nth(4).map_or(arn.len(), |(at, _)| at + 1);
    &arn[..end]
}

/// ARNs that share their first `shared` bytes, which end a part of the name. With `fixed`, the next part may not differ, nor its
/// end be left open: the ARN names no account, so that a bucket's name or an image's id stands for one.
fn narrowed(shared: usize, fixed: bool, arns: &[&str]) -> Vec<(String, usize)> {
    if arns.len() <= LISTED_MAX {
        return arns.iter().map(|arn| ((*arn).to_owned(), 1)).collect();
    }
    let begin = beginning(arns);
    if !fixed && begin > shared {
        return vec![(format!("{}*", &arns[0][..begin]), arns.len())];
    }
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for arn in arns {
        let end = arn[shared..].find(['/', ':']).map_or(arn.len(), |at| shared + at + 1);
        parts.entry(&arn[..end]).or_default().push(arn);
    }
    if !fixed && parts.len() > LISTED_MAX {
        return vec![(format!("{}*", &arns[0][..shared]), arns.len())];
    }
    parts.into_iter().flat_map(|(part, arns)| narrowed(part.len(), false, &arns)).collect()
}

/// How many bytes the ARNs share, back to where a word of the name ends.
fn beginning(arns: &[&str]) -> usize {
    let (first, last) = (arns[0], arns[arns.len() - 1]);
    // They are in order, so the first and the last differ first.
    let shared = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
    first.as_bytes()[..shared].iter().rposition(|b| b"/:-_.".contains(b)).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prefix: &str, kind: &str, arns: impl IntoIterator<Item = String>) -> Vec<(String, usize)> {
        let arns: BTreeSet<String> = arns.into_iter().collect();
        let found = Catalogue::shipped().type_of(prefix, arns.first().expect("an ARN")).expect(prefix);
        assert_eq!(found.name, kind);
        patterns(found, &arns)
    }

    fn check(prefix: &str, kind: &str, arns: impl IntoIterator<Item = String>, expected: &[(&str, usize)]) {
        let found = of(prefix, kind, arns);
        let found: Vec<(&str, usize)> = found.iter().map(|(pattern, n)| (pattern.as_str(), *n)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn many_that_begin_alike_are_a_pattern() {
        let logs = (0..21).map(|n| format!("arn:aws:s3:::logs/2026/07/{n}.gz"));
        check("s3", "object", logs, &[("arn:aws:s3:::logs/2026/07/*", 21)]);
        let tables = (0..30).map(|n| format!("arn:aws:dynamodb:eu-west-1:111122223333:table/app-{n}"));
        check("dynamodb", "table", tables, &[("arn:aws:dynamodb:eu-west-1:111122223333:table/app-*", 30)]);
        let queues = (0..30).map(|n| format!("arn:aws:sqs:eu-west-1:111122223333:{n}q"));
        check("sqs", "queue", queues, &[("arn:aws:sqs:eu-west-1:111122223333:*", 30)]);
    }

    #[test]
    fn few_are_listed() {
        let expected = [("arn:aws:s3:::logs/a", 1), ("arn:aws:s3:::logs/b", 1)];
        check("s3", "object", expected.map(|(arn, _)| arn.to_owned()), &expected);
    }

    #[test]
    fn no_pattern_reaches_across_accounts_and_regions() {
        let tables = ["eu-west-1:111122223333", "eu-west-1:999988887777", "us-east-1:111122223333"];
        let arns = tables.iter().flat_map(|t| (0..21).map(move |n| format!("arn:aws:dynamodb:{t}:table/t{n}")));
        let expected = [
            ("arn:aws:dynamodb:eu-west-1:111122223333:table/*", 21),
            ("arn:aws:dynamodb:eu-west-1:999988887777:table/*", 21),
            ("arn:aws:dynamodb:us-east-1:111122223333:table/*", 21),
        ];
        check("dynamodb", "table", arns, &expected);
        // These name no account.
        assert_eq!(of("s3", "bucket", (10..40).map(|n| format!("arn:aws:s3:::b-{n}"))).len(), 30);
        assert_eq!(of("s3", "object", (10..40).map(|n| format!("arn:aws-cn:s3:::b-{n}/a"))).len(), 30);
        assert_eq!(of("ec2", "image", (10..40).map(|n| format!("arn:aws:ec2:eu-west-1::image/ami-{n}"))).len(), 30);
    }

    #[test]
    fn buckets_stay_apart() {
        let of = |bucket: &'static str, n: usize| (0..n).map(move |i| format!("arn:aws:s3:::{bucket}/{i}"));
        let expected = [("arn:aws:s3:::a/*", 25), ("arn:aws:s3:::b/0", 1), ("arn:aws:s3:::b/1", 1)];
        check("s3", "object", of("a", 25).chain(of("b", 2)), &expected);
    }

    #[test]
    fn what_policies_cannot_hold_is_written_otherwise() {
        assert_eq!(written("arn:aws:s3:::b/${a}"), "arn:aws:s3:::b/${$}{a}");
        assert_eq!(written("arn:aws:s3:::b/ü"), "arn:aws:s3:::b/ü");
        assert_eq!(written("arn:aws:s3:::b/データ.gz"), "arn:aws:s3:::b/*.gz");
    }
}
