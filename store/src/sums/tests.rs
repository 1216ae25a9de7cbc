//! The answers are those that DataFusion gives without the rule, and where the inner sums can be left out they are.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;

use super::optimizer_rules;

/// `sums` of a hundred parts, six of which each tell of one thing.
async fn session(with_rule: bool) -> SessionContext {
    let mut builder = SessionStateBuilder::new().with_default_features();
    if with_rule {
        builder = builder.with_optimizer_rules(optimizer_rules());
    }
    let session = SessionContext::new_with_state(builder.build());
    let who = StringArray::from_iter_values((0..100).map(|n| ["ana", "bob", "eve"][n % 3]));
    let what = StringArray::from_iter((0..100).map(|n| [Some("read"), Some("write"), None][n / 3 % 3]));
    let hour = Int64Array::from_iter_values((0..100).map(|n| n / 50));
    let events = Int64Array::from_iter_values((0..100).map(|n| n * n % 17));
    let first = Int64Array::from_iter_values((0..100).map(|n| n * 7 % 31));
    let last = Int64Array::from_iter_values((0..100).map(|n| 100 + n * 5 % 29));
    let columns: [(&str, Arc<dyn arrow::array::Array>); 6] = [
        ("who", Arc::new(who)),
        ("what", Arc::new(what)),
        ("hour", Arc::new(hour)),
        ("events", Arc::new(events)),
        ("first", Arc::new(first)),
        ("last", Arc::new(last)),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    session.register_table("parts", Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap())).unwrap();
    let sums = "SELECT who, what, hour, sum(events) AS events, min(first) AS first, max(last) AS last FROM parts GROUP BY 1, 2, 3";
    let view = session.sql(sums).await.unwrap().into_view();
    session.register_table("sums", view).unwrap();
    session
}

async fn answer(session: &SessionContext, sql: &str) -> String {
    let rows = session.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&rows).unwrap().to_string()
}

/// How often is added up.
async fn additions(session: &SessionContext, sql: &str) -> usize {
    let plan = session.sql(sql).await.unwrap().into_optimized_plan().unwrap();
    plan.display_indent().to_string().matches("Aggregate:").count()
}

#[tokio::test]
async fn what_is_added_up_twice_is_added_up_once_and_is_the_same() {
    let (plain, with_rule) = (session(false).await, session(true).await);
    for sql in [
        "SELECT who, sum(events), min(first), max(last) FROM sums GROUP BY who ORDER BY who",
        "SELECT sum(events) FROM sums WHERE what = 'read'",
        "SELECT sum(events) FROM sums WHERE what = 'nothing'",
        "SELECT upper(who) AS w, sum(events) FILTER (WHERE what = 'write') AS n FROM sums GROUP BY 1 HAVING sum(events) > 3 ORDER BY 1",
        "SELECT DISTINCT who, what FROM sums WHERE hour = 1 ORDER BY who, what",
        "SELECT who, count(DISTINCT what), array_agg(DISTINCT hour ORDER BY hour) FROM sums GROUP BY who ORDER BY who",
        "SELECT max(hour), min(what) FROM sums",
        "WITH named AS (SELECT who AS name, events AS n, hour * 2 AS two FROM sums WHERE hour >= 0) \
         SELECT a.name, sum(a.n) AS s, max(two) FROM named AS a GROUP BY a.name ORDER BY s, a.name",
        "SELECT a.who, a.n, b.l FROM (SELECT who, sum(events) AS n FROM sums GROUP BY who) AS a \
         JOIN (SELECT who, max(last) AS l FROM sums GROUP BY who) AS b USING (who) ORDER BY a.who",
    ] {
        assert_eq!(answer(&with_rule, sql).await, answer(&plain, sql).await, "{sql}");
        assert_eq!(
            additions(&with_rule, sql).await + sql.matches("GROUP BY").count().max(1),
            additions(&plain, sql).await,
            "{sql}"
        );
    }
}

#[tokio::test]
async fn what_asks_about_the_sums_gets_them() {
    let (plain, with_rule) = (session(false).await, session(true).await);
    for sql in [
        "SELECT who, count(*) FROM sums GROUP BY who ORDER BY who",
        "SELECT who, count(events), avg(events) FROM sums GROUP BY who ORDER BY who",
        "SELECT max(events), min(events) FROM sums",
        "SELECT sum(DISTINCT events) FROM sums",
        "SELECT min(last), max(first) FROM sums",
        "SELECT sum(hour) FROM sums",
        "SELECT who, sum(events) FROM sums WHERE events > 20 GROUP BY who ORDER BY who",
        "SELECT who, sum(events) FROM sums WHERE last > 110 GROUP BY who ORDER BY who",
        "SELECT who, sum(events + 1) FROM sums GROUP BY who ORDER BY who",
        "SELECT who, sum(events) FILTER (WHERE events > 9) FROM sums GROUP BY who ORDER BY who",
        "SELECT events, sum(events) FROM sums GROUP BY events ORDER BY events",
        "SELECT DISTINCT who, events FROM sums ORDER BY who, events",
        "SELECT who, max(n) FROM (SELECT who, what, events + 1 AS n FROM sums) GROUP BY who ORDER BY who",
        "SELECT who, sum(events) FROM (SELECT * FROM sums ORDER BY hour LIMIT 3) GROUP BY who ORDER BY who",
    ] {
        assert_eq!(answer(&with_rule, sql).await, answer(&plain, sql).await, "{sql}");
        assert_eq!(additions(&with_rule, sql).await, additions(&plain, sql).await, "{sql}");
    }
}
