//! Every window that hops by half of itself, counted anew; neighbours over the bounds are one run.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Row, Rule, Seen, length_told, measure};

pub(super) fn seen<'r>(rule: &Rule, rows: &'r [Row]) -> Vec<Seen<'r>> {
    let window = rule.micros("window").unwrap();
    let hop = window / 2;
    let bounds: Vec<(&str, u64)> = rule.list("having").into_iter().map(bound).collect();
    let mut windows: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let start = row.time.div_euclid(hop) * hop;
        windows.entry(start).or_default().push(row);
        windows.entry(start - hop).or_default().push(row);
    }
    let numbers = |rows: &Vec<&Row>| -> Vec<u64> { bounds.iter().map(|(text, _)| measure(text, rows).0).collect() };
    windows.retain(|_, rows| numbers(rows).iter().zip(&bounds).all(|(number, (_, least))| number >= least));
    let mut all = Vec::new();
    for start in windows.keys().filter(|start| !windows.contains_key(&(*start - hop))) {
        let run: Vec<&Vec<&Row>> = (0..).map_while(|n| windows.get(&(start + n * hop))).collect();
        let told: Vec<String> = bounds
            .iter()
            .map(|(text, least)| {
                let most = run.iter().map(|rows| measure(text, rows)).max_by_key(|(number, _)| *number).unwrap();
                format!("{} (the bound is {least})", most.1)
            })
            .collect();
        let end = start + run.len() as i64 * hop + hop;
        all.push(Seen {
            what: json!(start),
            rows: rows.iter().filter(|row| (*start..end).contains(&row.time)).collect(),
            note: format!("Within {} there were {}", length_told(window), told.join(" and ")),
            window: Some((*start, end)),
        });
    }
    all
}

fn bound(text: &str) -> (&str, u64) {
    let (measure, least) = text.split_once(">=").unwrap();
    (measure.trim(), least.trim().parse().unwrap())
}
