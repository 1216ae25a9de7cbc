//! One statement, answered: rows to standard output, their number and the time to standard error.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::sync::mpsc;
use trailhound_store::StoreError;

use super::explain::explain;
use crate::args::RowsFormat;
use crate::output::{Rows, Target};
use crate::session::Asked;

/// Batches between the query and the terminal.
const BATCHES_WAITING_MAX: usize = 2;

/// How an answer ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// By Ctrl-C.
    Interrupted,
}

/// What a query hands on.
enum Part {
    Columns(SchemaRef),
    Rows(RecordBatch),
    Failed(StoreError),
}

/// Answers one statement over the newest state of the store. An error says what to do about it.
pub async fn answer(asked: &Asked, sql: &str, format: RowsFormat, timing: bool) -> anyhow::Result<Ended> {
    let session = asked.session().await?;
    let started = Instant::now();
    // The query has a task of its own, so that Ctrl-C is heard also while an operator computes.
    let (parts, mut received) = mpsc::channel(BATCHES_WAITING_MAX);
    let query = tokio::spawn(run(session.clone(), sql.to_owned(), parts));
    let mut rows: Option<Rows<std::io::Stdout>> = None;
    loop {
        let part = tokio::select! {
            part = received.recv() => part,
            _ = tokio::signal::ctrl_c() => {
                query.abort();
                eprintln!("interrupted after {}", seconds(started.elapsed()));
                return Ok(Ended::Interrupted);
            }
        };
        match part {
            Some(Part::Columns(schema)) => rows = Some(Rows::new(format, schema, Target::stdout(), std::io::stdout())?),
            Some(Part::Rows(batch)) => {
                if let Some(rows) = &mut rows {
                    rows.write(&batch)?;
                }
            }
            Some(Part::Failed(error)) => anyhow::bail!(explain(&error, &session).await),
            None => break,
        }
    }
    query.await?;
    let count = rows.map(Rows::finish).transpose()?.unwrap_or(0);
    if timing {
        eprintln!("{count} {} in {}", if count == 1 { "row" } else { "rows" }, seconds(started.elapsed()));
    }
    Ok(Ended::Done)
}

/// Runs the query into the channel; ends early where nobody listens any more.
async fn run(session: SessionContext, sql: String, parts: mpsc::Sender<Part>) {
    let mut stream = match trailhound_store::query(&session, &sql).await {
        Ok(stream) => stream,
        Err(error) => return drop(parts.send(Part::Failed(error)).await),
    };
    if parts.send(Part::Columns(stream.schema())).await.is_err() {
        return;
    }
    while let Some(batch) = stream.next().await {
        let part = match batch {
            Ok(batch) if batch.num_rows() == 0 => continue,
            Ok(batch) => Part::Rows(batch),
            Err(error) => Part::Failed(StoreError::Query(Box::new(error))),
        };
        let failed = matches!(part, Part::Failed(_));
        if parts.send(part).await.is_err() || failed {
            return;
        }
    }
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.2} s", elapsed.as_secs_f64())
}
