//! SQL over the store: a DataFusion session with `events`, the tables of the ledger, views for common questions and
//! our functions, which can read and nothing else.

use std::sync::Arc;

use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::DFParserBuilder;

use crate::error::{Result, StoreError};
use crate::expired::Expired;
use crate::ledger::{Ledger, objects_schema, parked_messages_schema, parked_schema, skipped_schema};
use crate::site::Site;
use crate::store::Store;
use crate::{activity, functions, granted, sums, table, views};

/// Memory for what stands at the end of files; what was not needed for longest goes first.
pub(crate) const FOOTERS_BYTES_MAX: usize = 32 << 20;

/// Who took on a role in the console, as a query: the view `role_switches`.
pub const ROLE_SWITCHES: &str = include_str!("views/role_switches.sql");

/// Views for common questions.
const VIEWS: &[(&str, &str)] = &[
    ("logins", include_str!("views/logins.sql")),
    ("root_activity", include_str!("views/root_activity.sql")),
    ("denied", include_str!("views/denied.sql")),
    ("access_keys", include_str!("views/access_keys.sql")),
    ("principals", include_str!("views/principals.sql")),
    ("behaviour", include_str!("views/behaviour.sql")),
    ("sessions", include_str!("views/sessions.sql")),
    ("role_switches", ROLE_SWITCHES),
    ("lineage", include_str!("views/lineage.sql")),
    ("accounting_objects", include_str!("views/accounting_objects.sql")),
    ("accounting_records", include_str!("views/accounting_records.sql")),
    granted::GRANTED,
];

impl Store {
    /// A fresh session over the newest state of the store. Its memory is limited by
    /// [`query_bytes_max`](crate::StoreOptions::query_bytes_max); sessions share nothing but what stands at the end of files.
    pub async fn session(&self) -> Result<SessionContext> {
        let session = self.plain_session()?;
        // In this order, so that nothing is counted that is not in `events` yet.
        let (counted, partials) = self.activity.fresh().await?;
        let newest = self.table.newest_handle().await?;
        let events = table::provider(&newest, &session).await?;
        session.register_table("events", events).map_err(StoreError::query)?;
        let until = newest.version().map_or(-1, |version| version as i64);
        let counts = activity::views(&session, counted, self.table.commits(), until, partials).await?;
        for (name, counts) in ["activity_partials", "activity"].into_iter().zip(counts) {
            session.register_table(name, counts).map_err(StoreError::query)?;
        }
        let expired = match until == self.table.version() {
            true => self.table.expired(),
            false => Expired::of(&newest, self.table.location()).await?,
        };
        session.register_table("retention", expired.table()?).map_err(StoreError::query)?;
        register_ledger(&self.ledger, &session)?;
        granted::register(&self.ledger, &session)?;
        views::register(&session, VIEWS).map_err(StoreError::query)?;
        Ok(session)
    }

    /// A session that knows `events` and nothing else: for who reads events back, with every commit.
    pub async fn events(&self) -> Result<SessionContext> {
        let session = self.plain_session()?;
        let events = table::provider(&self.table.newest_handle().await?, &session).await?;
        session.register_table("events", events).map_err(StoreError::query)?;
        Ok(session)
    }

    fn plain_session(&self) -> Result<SessionContext> {
        let mut config = SessionConfig::new().with_information_schema(true);
        config.options_mut().execution.parquet.pushdown_filters = true;
        config.options_mut().execution.parquet.schema_force_view_types = true;
        if self.options.query_partitions > 0 {
            config = config.with_target_partitions(self.options.query_partitions);
        }
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(self.options.query_bytes_max)))
            .with_cache_manager(
                CacheManagerConfig::default()
                    .with_file_metadata_cache(Some(self.footers.clone()))
                    .with_metadata_cache_limit(FOOTERS_BYTES_MAX),
            )
            .build_arc()
            .map_err(StoreError::query)?;
        let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
        let state = state.with_optimizer_rules(sums::optimizer_rules()).build();
        let session = SessionContext::new_with_state(state);
        functions::register(&session);
        Arc::new(Site::default()).register(&session).map_err(StoreError::query)?;
        Ok(session)
    }

    /// Answers one SELECT (or EXPLAIN, SHOW, DESCRIBE) with a stream of batches. Dropping the stream cancels the query.
    pub async fn query(&self, sql: &str) -> Result<SendableRecordBatchStream> {
        query(&self.session().await?, sql).await
    }
}

/// Answers one statement that only reads, in a session that may know more tables than [`Store::session`] gave it.
pub async fn query(session: &SessionContext, sql: &str) -> Result<SendableRecordBatchStream> {
    let refuse = |detail: String| StoreError::ReadOnly { detail };
    let mut statements = DFParserBuilder::new(sql)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(StoreError::query)?;
    let statement = match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => statement,
        (None, _) => return Err(refuse("there is no statement".into())),
        (_, more) => return Err(refuse(format!("{} statements were given", more + 1))),
    };
    let plan = session.state().statement_to_plan(statement).await.map_err(StoreError::query)?;
    // The plan is checked, not the text: so COPY and EXPLAIN ANALYZE INSERT are found wherever they hide.
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|e| refuse(e.strip_backtrace()))?;
    let answer = session.execute_logical_plan(plan).await.map_err(StoreError::query)?;
    answer.execute_stream().await.map_err(StoreError::query)
}

fn register_ledger(ledger: &Ledger, session: &SessionContext) -> Result<()> {
    let tables = [
        ("objects", objects_schema()),
        ("parked", parked_schema()),
        ("parked_messages", parked_messages_schema()),
        ("skipped_records", skipped_schema()),
        ("iam_readings", granted::readings_schema()),
    ];
    for (name, (query, schema)) in tables {
        let table = ledger.table(name, query, schema)?;
        session.register_table(name, table).map_err(StoreError::query)?;
    }
    Ok(())
}
