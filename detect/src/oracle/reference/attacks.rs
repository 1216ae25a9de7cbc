//! When principals were under attack: nothing that they did until a day later is learnt as usual.

use std::collections::BTreeMap;

use datafusion::prelude::SessionContext;
use serde_json::Value;

use super::{DAY, Facts, Row, Rule, by_entity, rows, sequence, threshold};

const PRINCIPAL: &str = "principal_key";

/// Stretches of time, first and last moment inside, by principal.
pub(super) struct Attacks(BTreeMap<String, Vec<(i64, i64)>>);

/// Findings of high severity that later events cannot take back, by whom they name.
pub(super) async fn by_principal(session: &SessionContext, rules: &[Rule], facts: &Facts) -> Attacks {
    let mut attacks: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for rule in rules {
        let lasting = ["match", "threshold", "sequence"].contains(&rule.kind()) && !rule.keys.contains_key("unless");
        let severe = ["high", "critical"].contains(&rule.text("severity"));
        if !lasting || !severe || !rule.list("entity").contains(&PRINCIPAL) {
            continue;
        }
        let (_, chosen) = rows(session, rule, facts).await;
        if rule.kind() == "match" {
            for row in &chosen {
                if let Some(principal) = row.values[PRINCIPAL].as_str() {
                    attacks.entry(principal.to_owned()).or_default().push((row.time, row.time + DAY));
                }
            }
            continue;
        }
        for rows in by_entity(rule, chosen).into_values() {
            let Some(principal) = rows[0].values[PRINCIPAL].as_str() else { continue };
            let seen =
                if rule.kind() == "threshold" { threshold::seen(rule, &rows) } else { sequence::seen(rule, &rows) };
            let times = seen.into_iter().map(|seen| (seen.times.0, seen.times.1 + DAY));
            attacks.entry(principal.to_owned()).or_default().extend(times);
        }
    }
    Attacks(attacks)
}

impl Attacks {
    /// Those that a rule which learns of principals must heed for whoever did this.
    pub fn on(&self, rule: &Rule, row: &Row) -> &[(i64, i64)] {
        let learns = rule.list("entity") == [PRINCIPAL];
        let principal = row.values.get(PRINCIPAL).and_then(Value::as_str).filter(|_| learns);
        principal.and_then(|principal| self.0.get(principal)).map_or(&[], Vec::as_slice)
    }
}

/// Whether some attack touches a day or a bucket, by its place on the time line.
pub(super) fn touch(attacks: &[(i64, i64)], place: i64, width: i64) -> bool {
    attacks.iter().any(|(first, last)| *first < (place + 1) * width && *last >= place * width)
}
