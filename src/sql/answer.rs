//! One statement, answered: rows to standard output, their number and the time to standard error.

use std::time::{Duration, Instant};

use anyhow::Context;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use trailhound_store::StoreError;

use super::explain::explain;
use crate::args::RowsFormat;
use crate::output::{Rows, Target, counted};
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

/// Threads for queries alone. An operator may compute for long without a pause; on the threads of everything else,
/// nobody would hear Ctrl-C meanwhile.
pub struct Threads {
    runtime: Option<Runtime>,
}

impl Threads {
    pub fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("query").enable_all().build()?;
        Ok(Threads { runtime: Some(runtime) })
    }

    /// Leaves the threads to themselves: each ends when its operator pauses. The next query gets new ones.
    fn replace(&mut self) -> std::io::Result<()> {
        *self = Threads::start()?;
        Ok(())
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(work))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Answers one statement over the newest state of the store. An error says what to do about it.
pub async fn answer(
    asked: &Asked,
    threads: &mut Threads,
    sql: &str,
    format: RowsFormat,
    timing: bool,
) -> anyhow::Result<Ended> {
    let session = asked.session().await?;
    let started = Instant::now();
    let (parts, mut received) = mpsc::channel(BATCHES_WAITING_MAX);
    let query =
        threads.spawn(run(session.clone(), sql.to_owned(), parts)).context("there are no threads for queries")?;
    let mut rows: Option<Rows<std::io::Stdout>> = None;
    loop {
        let part = tokio::select! {
            part = received.recv() => part,
            _ = tokio::signal::ctrl_c() => {
                query.abort();
                threads.replace()?;
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
        eprintln!("{} in {}", counted(count as usize, "row"), seconds(started.elapsed()));
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
