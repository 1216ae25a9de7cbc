//! The kind `query`: any SELECT over the tables, asked once for each slot of event time, each row of it a finding.
//!
//! ```text
//! events that came ─► slots whose window they lie in ─► those that hold an event ─► SELECT with $from, $to ─► Findings
//! ```
//! A slot is asked about if the table holds an event in it. So what is found is a function of the events, as with all
//! kinds; a stray record of the year 2099 makes one slot, not all those between. `$to` is the end of the slot, `$from` lies
//! `over` before it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use futures::TryStreamExt;
use serde_json::Value;

use crate::error::{DetectError, Result};
use crate::evaluate::Sighting;
use crate::finding::{EVENTS_MAX, Finding};
use crate::judgement::{Judgement, Query};
use crate::rule::Rule;
use crate::state::DAY;
use crate::value;

/// How long one slot may take.
const SLOT_TIME_MAX: Duration = Duration::from_secs(120);
/// Rows of one slot, at most: more are no news any more but noise.
const ROWS_MAX: usize = 10_000;
const SECOND: i64 = 1_000_000;

/// What a row may say of its finding beside evidence: how many events it counts, and which.
const COUNT: &str = "count";
const EVENT_IDS: &str = "event_ids";

/// A rule's statement with the names that it was checked to have.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub statement: ast::Statement,
    /// Everything that the statement compares and computes, for who looks for names in it.
    pub expressions: Vec<datafusion::logical_expr::Expr>,
    /// Whether it asks what is granted, which readings of accounts change.
    pub granted: bool,
}

/// What is between the two bounds of a slot's window, µs since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub from: i64,
    pub to: i64,
}

impl Query {
    pub(crate) fn bounds(self, slot: i64) -> Bounds {
        let to = slot.saturating_add(self.every.micros());
        Bounds { from: to.saturating_sub(self.over.micros()), to }
    }

    /// From one slot's start on, how far events of that slot reach: every slot that begins before has them in its window.
    fn reach(self, slot: i64) -> (i64, i64) {
        let end = slot.saturating_add(self.over.micros()).saturating_add(self.every.micros() - 1);
        (slot, self.every.start(end))
    }
}

/// The statement with times in place of `$from` and `$to`; the error names a placeholder that is neither.
pub(crate) fn bind(statement: &ast::Statement, bounds: Bounds) -> std::result::Result<ast::Statement, String> {
    struct Binder(Bounds);
    impl VisitorMut for Binder {
        type Break = String;
        fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<String> {
            let ast::Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
            let ast::Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
            let micros = match name.as_str() {
                "$from" => self.0.from,
                "$to" => self.0.to,
                other => return ControlFlow::Break(other.to_owned()),
            };
            *expr = literal(micros);
            ControlFlow::Continue(())
        }
    }
    let mut bound = statement.clone();
    match bound.visit(&mut Binder(bounds)) {
        ControlFlow::Continue(()) => Ok(bound),
        ControlFlow::Break(other) => Err(other),
    }
}

/// Whether the statement takes something off `$from`: what lies before the window is nothing that a slot may be asked about.
pub(crate) fn looks_behind(statement: &ast::Statement) -> bool {
    let is_from = |expr: &ast::Expr| matches!(expr, ast::Expr::Value(value) if matches!(&value.value, ast::Value::Placeholder(name) if name == "$from"));
    let found = ast::visit_expressions(statement, |expr| match expr {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Minus, .. } if is_from(left) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// A time of the type of `event_time`.
fn literal(micros: i64) -> ast::Expr {
    let text = |text: &str| ast::Expr::Value(ast::Value::SingleQuotedString(text.to_owned()).into());
    let number = ast::Expr::Value(ast::Value::Number(micros.unsigned_abs().to_string(), false).into());
    let number = match micros < 0 {
        true => ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: Box::new(number) },
        false => number,
    };
    let argument = |expr| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr));
    let arguments = ast::FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![argument(number), argument(text("Timestamp(Microsecond, Some(\"UTC\"))"))],
        clauses: Vec::new(),
    };
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new("arrow_cast")]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(arguments),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

impl Rule {
    /// Whether it asks what is granted.
    pub(crate) fn asks_granted(&self) -> bool {
        self.select.query.as_ref().is_some_and(|asked| asked.granted)
    }
}

/// The slots that events at these times lie in.
pub(crate) fn slots_of(query: Query, batch: &RecordBatch, slots: &mut BTreeSet<i64>) {
    let Some(times) = batch.column_by_name("event_time") else { return };
    let mut within = 0..0;
    for time in times.as_primitive::<TimestampMicrosecondType>().values() {
        if !within.contains(time) {
            let slot = query.every.start(*time);
            slots.insert(slot);
            within = slot..slot.saturating_add(query.every.micros());
        }
    }
}

/// Every slot that holds an event and whose window reaches into one of `touched`; every slot that holds an event, if that
/// is none. And every one that holds an event and ends after `since`.
pub(crate) async fn slots(
    session: &SessionContext,
    query: Query,
    touched: Option<&BTreeSet<i64>>,
    since: Option<i64>,
) -> Result<BTreeSet<i64>> {
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    for (from, to) in touched.into_iter().flatten().map(|slot| query.reach(*slot)) {
        match stretches.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => stretches.push((from, to)),
        }
    }
    let bin = format!(
        "SELECT DISTINCT date_bin(INTERVAL '{} seconds', event_time, arrow_cast(0, 'Timestamp(Microsecond, Some(\"UTC\"))')) AS slot FROM events",
        query.every.micros() / SECOND
    );
    let mut conditions: Vec<String> = match touched {
        None => vec!["true".into()],
        Some(_) => stretches.into_iter().map(|(from, to)| within(from, to)).collect(),
    };
    conditions.extend(since.map(|since| {
        let from = query.every.start(since);
        format!(
            "event_date >= CAST({} AS INT)::DATE AND event_time >= to_timestamp_micros({from})",
            from.div_euclid(DAY)
        )
    }));
    let mut found = BTreeSet::new();
    for condition in conditions {
        let rows = trailhound_store::query(session, &format!("{bin} WHERE {condition}")).await?;
        let rows: Vec<RecordBatch> = rows.try_collect().await.map_err(DetectError::recall)?;
        for batch in rows {
            let slots = cast(batch.column(0), &DataType::Timestamp(TimeUnit::Microsecond, None));
            let slots = slots.map_err(|e| DetectError::recall(e.into()))?;
            found.extend(slots.as_primitive::<TimestampMicrosecondType>().iter().flatten());
        }
    }
    Ok(found)
}

fn within(from: i64, to: i64) -> String {
    let (first, last) = (from.div_euclid(DAY), (to - 1).div_euclid(DAY));
    format!(
        "event_date >= CAST({first} AS INT)::DATE AND event_date <= CAST({last} AS INT)::DATE \
         AND event_time >= to_timestamp_micros({from}) AND event_time < to_timestamp_micros({to})"
    )
}

/// Asks about one slot: the findings by id. An error is a phrase that says what went wrong.
pub(crate) async fn ask(
    session: &SessionContext,
    rule: &Rule,
    slot: i64,
) -> std::result::Result<BTreeMap<String, Finding>, String> {
    let (Judgement::Query(query), Some(asked)) = (&rule.header.judgement, &rule.select.query) else {
        return Ok(BTreeMap::new());
    };
    let sql = bind(&asked.statement, query.bounds(slot))?.to_string();
    let answer = async {
        let mut rows = trailhound_store::query(session, &sql).await.map_err(|e| chain(&e))?;
        let (mut batches, mut number) = (Vec::new(), 0);
        while let Some(batch) = rows.try_next().await.map_err(|e| e.strip_backtrace())? {
            number += batch.num_rows();
            if number > ROWS_MAX {
                return Err(format!("more than {ROWS_MAX} rows; make the SELECT say less"));
            }
            batches.push(batch);
        }
        Ok(batches)
    };
    let batches = match tokio::time::timeout(SLOT_TIME_MAX, answer).await {
        Ok(batches) => batches?,
        Err(_) => return Err(format!("no answer within {} s", SLOT_TIME_MAX.as_secs())),
    };
    let mut found: BTreeMap<String, Finding> = BTreeMap::new();
    for batch in &batches {
        for finding in findings(rule, *query, slot, batch).map_err(|e| e.strip_backtrace())? {
            match found.get_mut(&finding.id) {
                Some(there) => there.fold(finding),
                None => drop(found.insert(finding.id.clone(), finding)),
            }
        }
    }
    let bounds = query.bounds(slot);
    let note = format!(
        "Asked about {} from {} to {}",
        query.over,
        crate::finding::time(bounds.from),
        crate::finding::time(bounds.to)
    );
    for finding in found.values_mut() {
        // An event may stand in several rows.
        let ids: BTreeSet<String> = std::mem::take(&mut finding.event_ids).into_iter().collect();
        finding.event_ids = ids.into_iter().take(EVENTS_MAX).collect();
        finding.event_times = vec![slot; finding.event_ids.len()];
        finding.objects = Vec::new();
        finding.word(rule, Some(&note));
    }
    Ok(found)
}

/// One finding a row; rows whose entity is null are nobody's.
fn findings(
    rule: &Rule,
    query: Query,
    slot: i64,
    batch: &RecordBatch,
) -> std::result::Result<Vec<Finding>, datafusion::common::DataFusionError> {
    let column = |name: &str| batch.column_by_name(name).map(value::values).transpose();
    let mut columns: Vec<Vec<Value>> = Vec::new();
    for (name, _) in &rule.select.columns {
        columns.push(column(name)?.unwrap_or_default());
    }
    let known = [column("account_id")?, column("aws_region")?, column("principal_key")?];
    let counts = match batch.column_by_name(COUNT) {
        Some(counts) => Some(cast(counts, &DataType::Int64)?),
        None => None,
    };
    let mut found = Vec::new();
    for row in 0..batch.num_rows() {
        let evidence: Vec<Value> = columns.iter().map(|c| c.get(row).cloned().unwrap_or(Value::Null)).collect();
        let [account_id, region, principal] = known.each_ref().map(|column| {
            let value = column.as_ref()?.get(row)?;
            value.as_str().map(str::to_owned)
        });
        let sighting = Sighting {
            rule: 0,
            event_id: String::new(),
            event_time: slot,
            account_id,
            region,
            principal,
            actor: None,
            object: String::new(),
            evidence,
        };
        let mut finding = Finding::begin(rule, &Value::from(slot), sighting);
        if finding.entity.values().all(Value::is_null) {
            continue;
        }
        let count = counts.as_ref().map(|c| c.as_primitive::<Int64Type>()).filter(|c| c.is_valid(row));
        finding.count = count.map_or(1, |c| c.value(row).max(1).unsigned_abs());
        finding.last_time = slot.saturating_add(query.every.micros() - SECOND);
        finding.event_ids = match batch.column_by_name(EVENT_IDS) {
            Some(ids) => texts(&ids.slice(row, 1))?,
            None => Vec::new(),
        };
        finding.event_times = vec![slot; finding.event_ids.len()];
        finding.objects = vec![String::new(); finding.event_ids.len()];
        found.push(finding);
    }
    Ok(found)
}

/// The texts of a list, or the one text; rising and each once.
fn texts(
    column: &datafusion::arrow::array::ArrayRef,
) -> std::result::Result<Vec<String>, datafusion::common::DataFusionError> {
    let items = match column.data_type() {
        DataType::List(_) if column.is_valid(0) => column.as_list::<i32>().value(0),
        DataType::List(_) => return Ok(Vec::new()),
        _ => column.clone(),
    };
    let items = cast(&items, &DataType::Utf8View)?;
    let texts: BTreeSet<&str> = items.as_string_view().iter().flatten().collect();
    Ok(texts.into_iter().take(EVENTS_MAX).map(str::to_owned).collect())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The columns of a row that are not evidence.
pub(crate) fn is_own(column: &str) -> bool {
    matches!(column, COUNT | EVENT_IDS)
}
