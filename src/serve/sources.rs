//! What sends: every account and region, how often log objects come from it, which has gone silent, and how far each is
//! complete.
//!
//! CloudTrail delivers some minutes after a call, and only where there were calls. So what is silence depends on the
//! source: one that delivers every five minutes is missed after an hour, one that delivers twice a day after some days.
//! Kept in the ledger, so that a restart does not forget who used to send; what is not there is read off the objects.
//!
//! ```text
//! delivered (durable) ─► judged (the rules have seen it) ─► complete_to: alerts tell what was held back
//! ```

mod source;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use trailhound_alert::Completeness;
use trailhound_ingest::ObjectId;
use trailhound_ingest::key::{self, Key};
use trailhound_ingest::source::stamp_micros;
use trailhound_store::Ledger;

use source::{MINUTE, Source};
pub use table::register;

use crate::coverage;

/// A source that never sent is missed when others of its account have sent for so long.
const SETTLED_AFTER: i64 = 24 * 60 * MINUTE;

/// An account and a region.
pub type Name = (String, String);

/// The sources of this service.
#[derive(Debug)]
pub struct Sources {
    ledger: Ledger,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// As they are durable.
    sources: BTreeMap<Name, Source>,
    /// As the rules have judged them; nothing before the rules have caught up for the first time.
    judged: Option<BTreeMap<Name, Source>>,
    /// Those that came and were not judged yet.
    fresh: BTreeSet<Name>,
    /// Since when silence means that there was nothing to send.
    heard_since: i64,
}

impl Sources {
    /// Reads them; `now` is when listening begins.
    pub async fn open(ledger: &Ledger, now: i64) -> anyhow::Result<Self> {
        table::migrate(ledger).await?;
        let sources = table::read(ledger).await?;
        let known = Known { sources, judged: None, fresh: BTreeSet::new(), heard_since: now };
        Ok(Self { ledger: ledger.clone(), known: Mutex::new(known) })
    }

    /// These objects came now and are durable.
    pub async fn delivered(&self, objects: &[ObjectId], now: i64) -> anyhow::Result<()> {
        let mut changed = BTreeMap::new();
        {
            let mut known = self.known();
            for object in objects {
                let Key::Log(log) = key::parse(&object.key) else { continue };
                let name = (log.account_id.to_string(), log.region.to_string());
                let source = known.sources.entry(name.clone()).or_insert_with(|| Source::new(now));
                source.delivered(now);
                if let Some(stamp) = log.stamp.and_then(stamp_micros) {
                    source.stamped(stamp, now);
                }
                changed.insert(name, source.clone());
            }
            known.fresh.extend(changed.keys().cloned());
        }
        if changed.is_empty() { Ok(()) } else { table::write(&self.ledger, &changed).await }
    }

    /// The rules have judged everything that came.
    pub fn judged(&self) {
        let mut known = self.known();
        let known = &mut *known;
        match &mut known.judged {
            None => known.judged = Some(known.sources.clone()),
            Some(judged) => {
                for name in &known.fresh {
                    judged.insert(name.clone(), known.sources[name].clone());
                }
            }
        }
        known.fresh.clear();
    }

    /// Until now nobody could hear the sources: silence before this says nothing.
    pub fn deaf(&self, now: i64) {
        self.known().heard_since = now;
    }

    /// The accounts that ever sent something.
    pub fn accounts(&self) -> BTreeSet<String> {
        self.known().sources.keys().map(|(account, _)| account.clone()).collect()
    }

    /// Every source with since when it is silent, where that is not usual for it.
    pub fn silence(&self, now: i64) -> Vec<(String, String, Option<i64>)> {
        let known = self.known();
        let silent =
            |((account, region), source): (&Name, &Source)| (account.clone(), region.clone(), source.silent_since(now));
        known.sources.iter().map(silent).collect()
    }

    /// The accounts that have sent for more than a day, and nothing from where sign-ins of root are recorded.
    pub fn without_sign_ins(&self, now: i64) -> BTreeSet<String> {
        let known = self.known();
        let names = known.sources.keys().map(|(account, region)| (account.as_str(), region.as_str()));
        let old = |account: &&str| {
            let first = |((_, _), source): (&Name, &Source)| source.first_time;
            let of_account = known.sources.range((account.to_string(), String::new())..);
            let first = of_account.take_while(|((a, _), _)| a == account).map(first).min();
            first.is_some_and(|first| now - first > SETTLED_AFTER)
        };
        coverage::without_sign_ins(names).into_iter().filter(old).map(str::to_owned).collect()
    }

    /// The live sources that are farthest behind, at most `limit` of them, with how far each is complete.
    pub fn behind(&self, now: i64, silent_after: i64, limit: usize) -> Vec<(Name, i64)> {
        let known = self.known();
        let sources = known.judged.iter().flatten();
        let mut all: Vec<(Name, i64)> = sources
            .filter_map(|(name, source)| {
                Some((name.clone(), source.complete_to(now, silent_after, known.heard_since)?))
            })
            .collect();
        all.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(limit);
        all
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no holder panics")
    }
}

impl Completeness for Sources {
    fn complete_to(&self, account_id: Option<&str>, now: i64, silent_after: i64) -> i64 {
        let known = self.known();
        let Some(judged) = &known.judged else { return i64::MIN };
        // What came and was not judged yet may undo anything.
        let complete = |(name, source): (&Name, &Source)| {
            source.complete_by_stamps()?;
            let judged = judged.get(name).and_then(|source| source.complete_to(now, silent_after, known.heard_since));
            Some(judged.unwrap_or(i64::MIN))
        };
        let least = match account_id {
            Some(account) => {
                let from = (account.to_string(), String::new());
                known.sources.range(from..).take_while(|((a, _), _)| a == account).filter_map(complete).min()
            }
            None => known.sources.iter().filter_map(complete).min(),
        };
        // Whose sources are unknown, perhaps since their objects have other names, waits as for a silent one.
        least.unwrap_or(now.saturating_sub(silent_after))
    }
}

#[cfg(test)]
mod tests;
