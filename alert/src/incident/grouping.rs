//! Which findings belong together, purely.
//!
//! Two findings are linked when they share a principal, a person or an entity and no more than the gap lies between their times:
//! so what somebody does with a key, then in a role, then in a role of another account is one incident.
//! Incidents are the connected parts of that graph: a function of the current findings alone, whatever their order. A
//! finding that comes late may link two parts; one that is retracted may leave two.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};
use trailhound_detect::Finding;

/// What a finding is grouped by: hashes of its principal, its person and its entity. Without any it stands alone.
///
/// A principal's ARN says its account; any other name (`root`, a user's name) counts within its account only.
pub(crate) fn keys(finding: &Finding) -> Vec<String> {
    let account = finding.account_id.as_deref().unwrap_or("");
    let mut keys = Vec::new();
    if let Some(principal) = &finding.principal {
        keys.push(principal_key(principal, account));
    }
    if let Some(person) = &finding.person {
        keys.push(hash(&["person", person]));
    }
    let values: Vec<(&String, &Value)> = finding.entity.iter().filter(|(_, value)| !value.is_null()).collect();
    match values.as_slice() {
        [] => {}
        [(name, Value::String(principal))] if *name == "principal_key" => keys.push(principal_key(principal, account)),
        values => {
            let text = serde_json::to_string(values).expect("JSON values are written as JSON");
            keys.push(hash(&["entity", account, &text]));
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

fn principal_key(principal: &str, account: &str) -> String {
    let account = if principal.starts_with("arn:") { "" } else { account };
    hash(&["principal", account, principal])
}

/// A short name for an incident, always the same for the same seed. Ten characters of 5 bits: among a million incidents
/// two would meet with a chance of one in two thousand, and the ledger is asked before a name is given.
pub(crate) fn incident_id(seed: &[&str]) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let digest = digest(seed);
    let bits = digest[..8].iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    let letters = (0..10).map(|i| char::from(ALPHABET[(bits >> (59 - 5 * i) & 31) as usize]));
    "TH-".chars().chain(letters).collect()
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let text = serde_json::to_string(parts).expect("texts are written as JSON");
    Sha256::digest(text.as_bytes()).into()
}

fn hash(parts: &[&str]) -> String {
    digest(parts)[..12].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A finding as grouping sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub id: String,
    pub first_time: i64,
    pub last_time: i64,
    pub keys: Vec<String>,
}

/// The connected parts, as places in `members`; each part in order of time, the parts in order of their first.
pub(crate) fn parts(members: &[Member], gap: i64) -> Vec<Vec<usize>> {
    let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, member) in members.iter().enumerate() {
        for key in &member.keys {
            by_key.entry(key).or_default().push(place);
        }
    }
    let mut root: Vec<usize> = (0..members.len()).collect();
    for places in by_key.values_mut() {
        places.sort_by_key(|place| (members[*place].first_time, *place));
        // Swept in order of their beginnings, each is linked to what reaches farthest of those before.
        let mut farthest: Option<usize> = None;
        for &place in places.iter() {
            if let Some(before) = farthest
                && members[place].first_time <= members[before].last_time.saturating_add(gap)
            {
                join(&mut root, before, place);
            }
            if farthest.is_none_or(|before| members[place].last_time >= members[before].last_time) {
                farthest = Some(place);
            }
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for place in 0..members.len() {
        let top = find(&mut root, place);
        parts.entry(top).or_default().push(place);
    }
    let order = |place: &usize| (members[*place].first_time, &members[*place].id);
    let mut parts: Vec<Vec<usize>> = parts.into_values().collect();
    for part in &mut parts {
        part.sort_by(|a, b| order(a).cmp(&order(b)));
    }
    parts.sort_by(|a, b| order(&a[0]).cmp(&order(&b[0])));
    parts
}

fn find(root: &mut [usize], mut place: usize) -> usize {
    while root[place] != place {
        root[place] = root[root[place]];
        place = root[place];
    }
    place
}

fn join(root: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(root, a), find(root, b));
    root[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, first_time: i64, last_time: i64, keys: &[&str]) -> Member {
        Member { id: id.into(), first_time, last_time, keys: keys.iter().map(|k| (*k).to_string()).collect() }
    }

    #[test]
    fn parts_follow_keys_and_gaps() {
        let members = [
            member("a", 0, 100, &["p"]),
            // Within the long one, and behind its end by less than the gap although far behind this one's.
            member("b", 5, 6, &["p"]),
            member("c", 109, 110, &["p"]),
            member("d", 121, 121, &["p"]),
            member("e", 121, 121, &["q"]),
            member("f", 130, 130, &["p", "q"]),
            member("g", 0, 0, &[]),
            member("h", 0, 0, &[]),
        ];
        let ids = |parts: Vec<Vec<usize>>| -> Vec<String> {
            parts.iter().map(|part| part.iter().map(|p| members[*p].id.as_str()).collect()).collect()
        };
        assert_eq!(ids(parts(&members, 10)), ["abc", "g", "h", "def"]);
        assert_eq!(ids(parts(&members, 11)), ["abcdef", "g", "h"]);
    }

    #[test]
    fn a_person_is_the_same_in_every_role_and_account() {
        let of = |id: &str, principal: &str, account: &str, person: Option<&str>| {
            let mut finding = crate::message::tests::finding(id, principal, 0);
            finding.account_id = Some(account.into());
            finding.person = person.map(Into::into);
            Member { id: id.into(), first_time: 0, last_time: 0, keys: keys(&finding) }
        };
        let members = [
            of("a", "user:AIDA", "111122223333", Some("ana of 111122223333")),
            of("b", "role:AROA", "444455556666", Some("ana of 111122223333")),
            of("c", "role:AROB", "444455556666", None),
            of("d", "role:AROC", "444455556666", None),
        ];
        assert_eq!(parts(&members, 0), [vec![0, 1], vec![2], vec![3]]);
    }

    #[test]
    fn ids_are_short_and_stable() {
        assert_eq!(incident_id(&["a"]), incident_id(&["a"]));
        assert_ne!(incident_id(&["a"]), incident_id(&["a", ""]));
        assert_eq!(incident_id(&["a"]).len(), 13);
    }
}
