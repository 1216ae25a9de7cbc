//! The ledger: one transactional database for what is small and must agree with itself, such as objects and their outcome,
//! parked input, and the tables of the crates behind this one.
//!
//! It is a SQLite file, or a PostgreSQL database where nothing may hang on one disk. It speaks through sqlx's `Any`
//! driver, numbers its parameters (`$1`) where they are few and says the same SQL to both. Each crate owns its tables: it
//! makes them with [`Ledger::migrate`] and writes them through the transaction it is handed.

mod messages;
mod objects;
mod table;

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::{AssertSqlSafe, Executor, Pool, Row, Transaction};

use crate::error::{Result, StoreError};

pub use messages::ParkedMessage;
pub(crate) use messages::parked_messages_schema;
pub use objects::KnownObject;
pub use objects::ParkedEntry;
pub(crate) use objects::Totals;
pub(crate) use objects::{objects_schema, parked_schema, skipped_schema};

/// How long a writer waits for another one before it gives up.
const BUSY: Duration = Duration::from_secs(15);
const CONNECTIONS_MAX: u32 = 6;

/// A pool of connections to the ledger. Clones share it.
#[derive(Clone, Debug)]
pub struct Ledger {
    pool: Pool<Any>,
    kind: Kind,
    name: Arc<str>,
}

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite { wal: bool },
    Postgres,
}

impl Ledger {
    /// Opens the ledger at a database URL and makes the store's own tables. Without `wal` a SQLite file keeps a rollback
    /// journal, which works on network file systems too, but readers then wait for the writer.
    pub(crate) async fn open(url: &str, wal: bool) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let kind = if url.starts_with("sqlite:") { Kind::Sqlite { wal } } else { Kind::Postgres };
        let name: Arc<str> = shown(url).into();
        let fail = |e| classify(&name, "open", e);
        let options: AnyConnectOptions = url.parse().map_err(fail)?;
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(BUSY + Duration::from_secs(5))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(AssertSqlSafe(kind.settings())).await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .map_err(fail)?;
        let ledger = Self { pool, kind, name };
        ledger.migrate("store", objects::TABLES).await?;
        Ok(ledger)
    }

    /// Begins a transaction that may write. Everything in it becomes durable with its `commit`, or nothing does.
    pub async fn begin(&self) -> Result<Transaction<'static, Any>> {
        // SQLite would otherwise notice a second writer only at the first write, when waiting can no longer help.
        let begin = match self.kind {
            Kind::Sqlite { .. } => "BEGIN IMMEDIATE",
            Kind::Postgres => "BEGIN",
        };
        self.pool.begin_with(begin).await.map_err(|e| self.fail("begin a transaction", e))
    }

    /// Bytes that the ledger takes: the file with its journal, or the database.
    pub async fn bytes(&self) -> Result<u64> {
        let sql = match self.kind {
            Kind::Sqlite { .. } => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Kind::Postgres => "SELECT pg_database_size(current_database())",
        };
        let row = sqlx::query(sql).fetch_one(&self.pool).await.map_err(|e| self.fail("measure the ledger", e))?;
        let bytes: i64 = row.try_get(0).map_err(|e| self.fail("measure the ledger", e))?;
        Ok(bytes.unsigned_abs())
    }

    /// The pool, for reading.
    pub fn pool(&self) -> &Pool<Any> {
        &self.pool
    }

    /// Brings the tables of `owner` to the newest form: `statements` are its whole history, only ever added to; those
    /// that this ledger has not seen are run, all or none.
    pub async fn migrate(&self, owner: &str, statements: &[&'static str]) -> Result<()> {
        const MIGRATIONS: &str =
            "CREATE TABLE IF NOT EXISTS migrations (owner TEXT PRIMARY KEY, statements BIGINT NOT NULL)";
        let fail = |e| self.fail("make tables", e);
        let mut transaction = self.begin().await?;
        sqlx::query(MIGRATIONS).execute(&mut *transaction).await.map_err(fail)?;
        let done = sqlx::query("SELECT statements FROM migrations WHERE owner = $1")
            .bind(owner.to_string())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(fail)?;
        let done: i64 = done.map(|row| row.try_get(0)).transpose().map_err(fail)?.unwrap_or(0);
        let known = statements.len() as i64;
        if done > known {
            return Err(StoreError::LedgerNewer {
                ledger: self.name.to_string(),
                owner: owner.to_string(),
                found: done,
                known,
            });
        }
        for statement in &statements[done as usize..] {
            sqlx::query(*statement).execute(&mut *transaction).await.map_err(fail)?;
        }
        sqlx::query(
            "INSERT INTO migrations (owner, statements) VALUES ($1, $2)
             ON CONFLICT (owner) DO UPDATE SET statements = excluded.statements",
        )
        .bind(owner.to_string())
        .bind(known)
        .execute(&mut *transaction)
        .await
        .map_err(fail)?;
        transaction.commit().await.map_err(fail)
    }

    /// A table for SQL that shows what `query` finds when it is scanned. `schema` names and types its columns in
    /// order: text, 64-bit integers, 64-bit floating point, booleans (stored as 0 and 1) and times (stored as
    /// microseconds since the epoch). Rows are streamed, so a large table does not have to fit into memory.
    pub fn table(&self, name: &str, query: &str, schema: SchemaRef) -> Result<Arc<dyn TableProvider>> {
        table::provider(self, name, query, schema)
    }

    /// Gives an error its place; for crates that keep tables of their own here.
    pub fn fail(&self, operation: &'static str, error: sqlx::Error) -> StoreError {
        classify(&self.name, operation, error)
    }
}

/// A text as every ledger can hold it: PostgreSQL knows no NUL, which whoever makes a call may put into a name. A statement
/// that fails for it would fail again each time that the message comes.
pub fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl Kind {
    /// What every connection begins with.
    fn settings(self) -> String {
        let busy = BUSY.as_millis();
        match self {
            // Readers go on while one writes; a commit is on the disk when it returns.
            Kind::Sqlite { wal } => {
                let journal = if wal { "WAL" } else { "DELETE" };
                format!("PRAGMA busy_timeout = {busy}; PRAGMA journal_mode = {journal}; PRAGMA synchronous = FULL;")
            }
            Kind::Postgres => format!("SET lock_timeout = '{busy}ms'"),
        }
    }
}

/// A database URL as it may be told: no user, no password, no parameters.
fn shown(url: &str) -> String {
    if let Some(file) = url.strip_prefix("sqlite://") {
        return file.split('?').next().unwrap_or(file).to_string();
    }
    match url::Url::parse(url) {
        Ok(parsed) => format!("{}://{}{}", parsed.scheme(), parsed.host_str().unwrap_or(""), parsed.path()),
        Err(_) => "the ledger's database".into(),
    }
}

fn classify(name: &str, operation: &'static str, source: sqlx::Error) -> StoreError {
    let ledger = name.to_string();
    let locked = match &source {
        sqlx::Error::Database(error) => {
            error.message().contains("locked") || error.code().is_some_and(|code| code == "55P03")
        }
        sqlx::Error::PoolTimedOut => true,
        _ => false,
    };
    let text = source.to_string();
    if locked {
        StoreError::LedgerLocked { ledger, source }
    } else if text.contains("readonly database") || text.contains("unable to open database file") {
        StoreError::Denied { location: ledger, operation, source: Box::new(source) }
    } else if text.contains("database or disk is full") {
        StoreError::DiskFull { location: ledger, operation, source: Box::new(source) }
    } else {
        StoreError::Ledger { ledger, operation, source }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_database_is_told_without_its_password() {
        let url = "postgres://ana:hunter2@db.internal:5432/trailhound?sslmode=require&password=x";
        assert_eq!(super::shown(url), "postgres://db.internal/trailhound");
        assert_eq!(super::shown("sqlite:///var/l.sqlite?mode=rwc"), "/var/l.sqlite");
        assert_eq!(super::shown("postgres://ana:p@ss w:x"), "the ledger's database");
    }
}
