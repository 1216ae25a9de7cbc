//! What was granted, and since when: outputs of AWS's calls about identities, entity by entity, each for as long as it stood so.
//!
//! ```text
//! Parts of a reading of an account ─► the same as before? ─► nothing; else a new row, and the old one ends
//! ```
//! A reading tells an account's details whole: who is not in it any more has ended. Readings of an account come in the order of
//! their times, so what stood at a time before the newest one never changes. Only what every use changes (when a role was
//! used last) is replaced in its place.
//!
//! In SQL: `iam_users`, `iam_roles` and the like, which are worked out from the outputs whenever they are read (`tables.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use sha2::{Digest, Sha256};
use sqlx::any::{Any, AnyRow};
use sqlx::{Row, Transaction};
pub use trailhound_iam::inventory::Part;
use trailhound_iam::inventory::part::DETAILED;

use crate::error::{Result, StoreError};
use crate::ledger::{Ledger, storable};

mod shapes;
mod tables;

pub use tables::register_parts;
pub(crate) use tables::{GRANTED, register};

/// The tables of this module; only ever added to.
const TABLES: &[&str] = &[
    "CREATE TABLE iam_parts (
        account_id TEXT NOT NULL, kind TEXT NOT NULL, about TEXT NOT NULL, valid_from BIGINT NOT NULL, valid_to BIGINT,
        digest TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (account_id, kind, about, valid_from))",
    "CREATE TABLE iam_readings (
        account_id TEXT NOT NULL, taken BIGINT NOT NULL, source TEXT NOT NULL, parts BIGINT NOT NULL,
        began BIGINT NOT NULL, ended BIGINT NOT NULL, judged BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (account_id, taken))",
    "UPDATE iam_parts SET account_id = 'organization', kind = 'organization'
        WHERE kind = 'organization' OR kind = 'other' AND (body LIKE '%\"PolicySummary\"%' OR body LIKE '%\"TargetId\"%')",
];
/// What an organization's parts are kept under, in the place of an account: a reading tells them whole, as it does an account's.
pub const ORGANIZATION: &str = "organization";

/// Of no account.
const NOBODY: &str = "";

/// The grants in a ledger.
#[derive(Clone, Debug)]
pub struct Granted {
    ledger: Ledger,
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Parts that the reading has.
    pub parts: u64,
    /// That are new, or not as they were.
    pub began: u64,
    /// That are not there any more, or not as they were.
    pub ended: u64,
}

/// A reading of an account, and when it was taken (µs since the epoch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub account: String,
    pub taken: i64,
}

/// A row of `iam_parts` that has not ended.
struct Standing {
    valid_from: i64,
    digest: String,
}

impl Granted {
    pub(crate) async fn open(ledger: &Ledger) -> Result<Granted> {
        ledger.migrate("granted", TABLES).await?;
        Ok(Granted { ledger: ledger.clone() })
    }

    /// Keeps what was read at a time (µs since the epoch) of accounts: all of it, or nothing.
    ///
    /// # Errors
    /// Where there is a reading of one of the accounts that is as new.
    pub async fn keep(&self, parts: &[Part], taken: i64, source: &str) -> Result<Read> {
        let mut accounts: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
        let only = only_account(parts);
        for part in parts {
            accounts.entry(account_of(part, only)).or_default().push(part);
        }
        let mut transaction = self.ledger.begin().await?;
        let mut read = Read::default();
        for (account, parts) in &accounts {
            let done = self.keep_account(&mut transaction, account, parts, taken, source).await?;
            read.parts += done.parts;
            read.began += done.began;
            read.ended += done.ended;
        }
        transaction.commit().await.map_err(|e| self.ledger.fail("keep what is granted", e))?;
        Ok(read)
    }

    async fn keep_account(
        &self,
        transaction: &mut Transaction<'static, Any>,
        account: &str,
        parts: &[&Part],
        taken: i64,
        source: &str,
    ) -> Result<Read> {
        let fail = |e| self.ledger.fail("keep what is granted", e);
        let newest: Option<i64> = sqlx::query("SELECT MAX(taken) FROM iam_readings WHERE account_id = $1")
            .bind(account.to_owned())
            .fetch_one(&mut **transaction)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(fail)?;
        if let Some(newest) = newest.filter(|newest| *newest >= taken && account != NOBODY) {
            let [taken, newest] = [taken, newest].map(shown);
            return Err(StoreError::NotNewer { account: account.to_owned(), taken, newest });
        }
        let mut standing = self.standing(transaction, account).await?;
        let mut read = Read::default();
        let is_detailed = parts.iter().any(|part| DETAILED.contains(&part.kind));
        let mut kinds: BTreeSet<&str> = parts.iter().map(|part| part.kind).collect();
        if is_detailed {
            kinds.extend(DETAILED);
        }
        let mut seen = BTreeSet::new();
        for part in parts {
            let about = storable(&part.about);
            if !seen.insert((part.kind, about.clone())) {
                continue;
            }
            read.parts += 1;
            let digest = digest(part.steady.as_ref().unwrap_or(&part.text));
            let key = (part.kind.to_owned(), about.clone());
            match standing.remove(&key) {
                Some(before) if before.digest == digest => {
                    if part.steady.is_some() {
                        self.replace(transaction, account, &key, before.valid_from, &part.text).await?;
                    }
                    continue;
                }
                // Of what many readings tell, the newest counts.
                Some(before) if before.valid_from > taken => continue,
                Some(before) => {
                    self.end(transaction, account, &key, before.valid_from, taken).await?;
                    read.ended += 1;
                }
                None => {}
            }
            sqlx::query(
                "INSERT INTO iam_parts (account_id, kind, about, valid_from, digest, body) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(account.to_owned())
            .bind(part.kind.to_owned())
            .bind(about)
            .bind(taken)
            .bind(digest)
            .bind(storable(&part.text))
            .execute(&mut **transaction)
            .await
            .map_err(fail)?;
            read.began += 1;
        }
        // What belongs to nobody is told by many readings, none of them whole.
        if account != NOBODY {
            for (key, before) in standing.iter().filter(|(key, _)| kinds.contains(key.0.as_str())) {
                self.end(transaction, account, key, before.valid_from, taken).await?;
                read.ended += 1;
            }
            let counts = [read.parts, read.began, read.ended].map(|count| count as i64);
            sqlx::query(
                "INSERT INTO iam_readings (account_id, taken, source, parts, began, ended) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(account.to_owned())
            .bind(taken)
            .bind(storable(source))
            .bind(counts[0])
            .bind(counts[1])
            .bind(counts[2])
            .execute(&mut **transaction)
            .await
            .map_err(fail)?;
        }
        Ok(read)
    }

    /// What has not ended, by kind and whom it is about.
    async fn standing(
        &self,
        transaction: &mut Transaction<'static, Any>,
        account: &str,
    ) -> Result<HashMap<(String, String), Standing>> {
        let read = |row: &AnyRow| -> std::result::Result<_, sqlx::Error> {
            let standing = Standing { valid_from: row.try_get(2)?, digest: row.try_get(3)? };
            Ok(((row.try_get(0)?, row.try_get(1)?), standing))
        };
        let sql = "SELECT kind, about, valid_from, digest FROM iam_parts WHERE account_id = $1 AND valid_to IS NULL";
        let rows = sqlx::query(sql).bind(account.to_owned()).fetch_all(&mut **transaction).await;
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(|e| self.ledger.fail("read what was granted", e))
    }

    async fn end(
        &self,
        transaction: &mut Transaction<'static, Any>,
        account: &str,
        (kind, about): &(String, String),
        valid_from: i64,
        taken: i64,
    ) -> Result<()> {
        // What began in the same moment was never so.
        let query = match valid_from == taken {
            true => sqlx::query(
                "DELETE FROM iam_parts WHERE account_id = $1 AND kind = $2 AND about = $3 AND valid_from = $4",
            ),
            false => sqlx::query(
                "UPDATE iam_parts SET valid_to = $1 WHERE account_id = $2 AND kind = $3 AND about = $4 AND valid_from = $5",
            )
            .bind(taken),
        };
        let query = query.bind(account.to_owned()).bind(kind.clone()).bind(about.clone()).bind(valid_from);
        let done = query.execute(&mut **transaction).await;
        done.map(drop).map_err(|e| self.ledger.fail("end what was granted", e))
    }

    async fn replace(
        &self,
        transaction: &mut Transaction<'static, Any>,
        account: &str,
        (kind, about): &(String, String),
        valid_from: i64,
        body: &str,
    ) -> Result<()> {
        let sql =
            "UPDATE iam_parts SET body = $1 WHERE account_id = $2 AND kind = $3 AND about = $4 AND valid_from = $5";
        let query = sqlx::query(sql).bind(storable(body)).bind(account.to_owned()).bind(kind.clone());
        let done = query.bind(about.clone()).bind(valid_from).execute(&mut **transaction).await;
        done.map(drop).map_err(|e| self.ledger.fail("keep what is granted", e))
    }

    /// What stood at a time, each an output that reads by itself.
    pub async fn at(&self, time: i64) -> Result<Vec<(String, String)>> {
        let read = |row: &AnyRow| -> std::result::Result<_, sqlx::Error> {
            let (kind, about): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            Ok((format!("{kind} {about}"), row.try_get(2)?))
        };
        let sql =
            "SELECT kind, about, body FROM iam_parts WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1)
                   ORDER BY account_id, kind, about";
        let rows = sqlx::query(sql).bind(time).fetch_all(self.ledger.pool()).await;
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(|e| self.ledger.fail("read what was granted", e))
    }

    /// When each account was read last, µs since the epoch.
    pub async fn read_last(&self) -> Result<BTreeMap<String, i64>> {
        let sql = "SELECT account_id, MAX(taken) FROM iam_readings GROUP BY account_id";
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let rows = sqlx::query(sql).fetch_all(self.ledger.pool()).await;
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(|e| self.ledger.fail("read when accounts were read", e))
    }

    /// Readings that rules were not asked about yet.
    pub async fn unjudged(&self) -> Result<Vec<Reading>> {
        let sql = "SELECT account_id, taken FROM iam_readings WHERE judged = 0";
        let read = |row: &AnyRow| Ok(Reading { account: row.try_get(0)?, taken: row.try_get(1)? });
        let rows = sqlx::query(sql).fetch_all(self.ledger.pool()).await;
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(|e| self.ledger.fail("look for readings of accounts", e))
    }

    /// Rules were asked about these.
    pub async fn judged(&self, readings: &[Reading]) -> Result<()> {
        for reading in readings {
            sqlx::query("UPDATE iam_readings SET judged = 1 WHERE account_id = $1 AND taken = $2")
                .bind(reading.account.clone())
                .bind(reading.taken)
                .execute(self.ledger.pool())
                .await
                .map_err(|e| self.ledger.fail("note readings of accounts", e))?;
        }
        Ok(())
    }
}

/// The query and the columns of `iam_readings` as SQL sees it.
pub(crate) fn readings_schema() -> (&'static str, SchemaRef) {
    let query = "SELECT account_id, taken, source, parts, began, ended FROM iam_readings";
    let text = |name: &str| Field::new(name, DataType::Utf8View, false);
    let count = |name: &str| Field::new(name, DataType::Int64, false);
    let taken = Field::new("taken", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    let fields = vec![text("account_id"), taken, text("source"), count("parts"), count("began"), count("ended")];
    (query, Arc::new(Schema::new(fields)))
}

/// The account that a part is kept under. Keys and the like may not say of which one they are; then they are of the only one.
fn account_of<'p>(part: &'p Part, only: Option<&'p str>) -> &'p str {
    match &part.account {
        Some(account) => account,
        None if part.kind == ORGANIZATION => ORGANIZATION,
        None if DETAILED.contains(&part.kind) => NOBODY,
        None => only.unwrap_or(NOBODY),
    }
}

/// The account of which the details are, if it is one.
fn only_account(parts: &[Part]) -> Option<&str> {
    let accounts: BTreeSet<&str> = parts.iter().filter_map(|part| part.account.as_deref()).collect();
    accounts.first().copied().filter(|_| accounts.len() == 1)
}

fn shown(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.to_string())
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
