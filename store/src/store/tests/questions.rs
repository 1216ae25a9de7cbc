//! SQL: what can be asked, and that nothing can be changed by asking.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::query;

async fn small_store(dir: &std::path::Path) -> Store {
    let mut store = open(dir).await;
    store.append(object("a", &events(0..4))).await.unwrap();
    store.flush().await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_functions_answer() {
    let dir = folder();
    let store = small_store(dir.path()).await;
    for view in ["logins", "root_activity", "denied", "access_keys", "sessions", "role_switches", "lineage"] {
        assert_eq!(table(&store, &format!("SELECT * FROM {view}")).await.len(), 0, "{view}");
    }
    assert_eq!(table(&store, "SELECT principal_key, events FROM principals").await, ["principal_key|4"]);
    let numbers = "SELECT json_text(request_parameters, 'n') FROM events ORDER BY 1";
    assert_eq!(table(&store, numbers).await, ["0", "1", "2", "3"]);
    assert_eq!(
        table(&store, "SELECT json_text('{\"a\":[1,{\"b\":null}]}', 'a', '0'), json_text(NULL, 'a') IS NULL").await,
        ["1|true"]
    );
    assert_eq!(
        table(
            &store,
            "SELECT cidr_contains('10.0.0.0/8', '10.1.2.3'), cidr_contains('10.0.0.0/8', NULL), cidr_contains('x', 'y')"
        )
        .await,
        ["true|false|false"]
    );
    let policy = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let facts = format!(
        "SELECT policy_grants_admin('{policy}'), policy_public(NULL), policy_foreign_accounts('{policy}', '1'), source_kind('10.0.0.1'), source_network('203.0.113.9')"
    );
    assert_eq!(table(&store, &facts).await, ["true|false||private|203.0.113.0/24"]);
    let tables =
        table(&store, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
            .await;
    for name in ["events", "objects", "parked", "accounting_records"] {
        assert!(tables.iter().any(|t| t == name), "{name} in {tables:?}");
    }
    let by_time = "SELECT count(*) FROM events WHERE event_time >= TIMESTAMP '2024-05-01T00:02:00Z' AND event_date = DATE '2024-05-01'";
    assert_eq!(table(&store, by_time).await, ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_reading_is_possible() {
    let dir = folder();
    let store = small_store(dir.path()).await;
    let out = dir.path().join("out.parquet");
    let copy = format!("COPY (SELECT 1) TO '{}'", out.display());
    for sql in [
        "INSERT INTO events SELECT * FROM events",
        "DELETE FROM events",
        "UPDATE events SET event_name = 'x'",
        "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events",
        "EXPLAIN INSERT INTO events SELECT * FROM events",
        "CREATE TABLE t AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc'",
        "DROP VIEW logins",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; SELECT 2",
        "",
        copy.as_str(),
        &format!("EXPLAIN ANALYZE {copy}"),
    ] {
        assert!(store.query(sql).await.is_err(), "{sql}");
    }
    assert!(!out.exists());
    for sql in [
        "SELECT 1;",
        "EXPLAIN SELECT * FROM events",
        "EXPLAIN ANALYZE SELECT count(*) FROM events",
        "SHOW TABLES",
        "DESCRIBE events",
        "WITH a AS (SELECT 1) SELECT * FROM a",
    ] {
        if let Err(error) = store.query(sql).await {
            panic!("{sql}: {error:?}");
        }
    }
    assert_eq!(table(&store, "SELECT count(*) FROM events").await, ["4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_needs_too_much_memory_fails_alone() {
    let dir = folder();
    let store = Store::open(StoreOptions { query_bytes_max: 50_000, ..options(dir.path()) }).await.unwrap();
    let large = "SELECT value, count(*) FROM generate_series(1, 2000000) GROUP BY value ORDER BY 2";
    let failed = match store.query(large).await {
        Ok(stream) => stream.try_collect::<Vec<_>>().await.is_err(),
        Err(_) => true,
    };
    assert!(failed);
    assert_eq!(table(&store, "SELECT 1").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_crates_keep_tables_in_the_ledger() {
    let dir = folder();
    let store = small_store(dir.path()).await;
    let ledger = store.ledger();
    const FIRST: &str =
        "CREATE TABLE findings (id TEXT PRIMARY KEY, count BIGINT, score DOUBLE PRECISION, open BIGINT, time BIGINT)";
    ledger.migrate("detect", &[FIRST]).await.unwrap();
    ledger.migrate("detect", &[FIRST, "ALTER TABLE findings ADD COLUMN note TEXT"]).await.unwrap();
    let newer = ledger.migrate("detect", &[FIRST]).await.unwrap_err().to_string();
    assert!(newer.contains("newer version"), "{newer}");
    for commit in [false, true] {
        let mut transaction = ledger.begin().await.unwrap();
        for n in 0..5_000i64 {
            sqlx::query("INSERT INTO findings (id, count, score, open, time, note) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(format!("f{n}"))
                .bind(n)
                .bind(0.5)
                .bind(n % 2)
                .bind(MAY)
                .bind(None::<String>)
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        if commit {
            transaction.commit().await.unwrap();
        }
    }
    let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("id", DataType::Utf8View),
        ("count", DataType::Int64),
        ("score", DataType::Float64),
        ("open", DataType::Boolean),
        ("time", time),
    ];
    let schema = Arc::new(Schema::new(columns.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
    let session = store.session().await.unwrap();
    let found = ledger.table("findings", "SELECT id, count, score, open, time FROM findings", schema).unwrap();
    session.register_table("findings", found).unwrap();
    let sql = "SELECT count(*), sum(count), sum(score), count(*) FILTER (WHERE open), max(time) FROM findings";
    let answer: Vec<_> = query(&session, sql).await.unwrap().try_collect().await.unwrap();
    let text = arrow::util::pretty::pretty_format_batches(&answer).unwrap().to_string();
    assert!(
        text.contains("5000") && text.contains("12497500") && text.contains("2500") && text.contains("2024-05-01"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_the_place_and_the_remedy() {
    let dir = folder();
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let error = Store::open(options(dir.path())).await.err().unwrap().to_string();
    assert!(error.contains("holds files but no Trailhound store"), "{error}");

    let dir = folder();
    std::fs::write(dir.path().join("ledger.sqlite"), "this is not a database ".repeat(400)).unwrap();
    let error = Store::open(options(dir.path())).await.err().unwrap().to_string();
    assert!(error.contains("ledger.sqlite"), "{error}");
}
