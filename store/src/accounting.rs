//! Promise 1, computed: what was received is what was kept, was a duplicate, was skipped or was parked; and what was kept
//! is there, or is expired.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Result;
use crate::ledger::Totals;
use crate::store::Store;

/// One kind of thing (objects or records), and what became of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub received: u64,
    pub kept: u64,
    pub duplicate: u64,
    /// By reason.
    pub skipped: BTreeMap<String, u64>,
    /// By reason.
    pub parked: BTreeMap<String, u64>,
}

impl Account {
    /// received = kept + duplicate + skipped + parked.
    pub fn holds(&self) -> bool {
        self.received == self.kept + self.duplicate + sum(&self.skipped) + sum(&self.parked)
    }
}

/// The accounting of a store, from what is durable in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Deliveries of objects. A further delivery of an object is a duplicate; one that was read in part is parked.
    pub objects: Account,
    /// Records of the objects that were read.
    pub records: Account,
    /// Rows in the table `events`, counted there.
    pub table_rows: u64,
    /// Events that were kept and that retention took away since.
    pub expired: u64,
}

impl Accounting {
    /// Nothing is missing: both sums hold, and the table has exactly the rows that were kept and are not expired.
    pub fn holds(&self) -> bool {
        self.objects.holds() && self.records.holds() && self.records.kept == self.table_rows + self.expired
    }

    fn new(totals: Totals, table_rows: u64, expired: u64) -> Self {
        let Totals { objects, deliveries, outcomes, received, kept, duplicate, skipped, parked } = totals;
        let mut by_object = Account { received: deliveries, duplicate: deliveries - objects, ..Account::default() };
        for ((outcome, reason), count) in outcomes {
            match outcome.as_str() {
                "decoded" => by_object.kept += count,
                "skipped" => *by_object.skipped.entry(reason).or_default() += count,
                _ => *by_object.parked.entry(reason).or_default() += count,
            }
        }
        Self {
            objects: by_object,
            records: Account { received, kept, duplicate, skipped, parked },
            table_rows,
            expired,
        }
    }
}

impl fmt::Display for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, account) in [("objects", &self.objects), ("records", &self.records)] {
            let Account { received, kept, duplicate, skipped, parked } = account;
            writeln!(
                f,
                "{what}: {received} received = {kept} kept + {duplicate} duplicate + {} skipped + {} parked",
                sum(skipped),
                sum(parked)
            )?;
        }
        write!(f, "events: {} kept = {} rows + {} expired", self.records.kept, self.table_rows, self.expired)
    }
}

impl Store {
    /// The accounting, from the ledger and the table. What is pending is not in it.
    pub async fn accounting(&self) -> Result<Accounting> {
        Ok(Accounting::new(self.ledger.totals().await?, self.table.rows()?, self.table.expired().events))
    }
}

fn sum(by_reason: &BTreeMap<String, u64>) -> u64 {
    by_reason.values().sum()
}
