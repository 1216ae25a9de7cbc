//! `trailhound sql`: one statement, or a prompt.
//!
//! Statements only read (the store checks their plans), use bounded memory, and end at Ctrl-C.

mod answer;
mod complete;
mod explain;
mod history;
mod prompt;
mod tables;

use std::process::ExitCode;

use answer::{Ended, Threads};

use crate::args::{RowsFormat, SqlArgs};
use crate::output::{self, Target};
use crate::session::Asked;

/// What shells give for a program that was ended by Ctrl-C.
const EXIT_INTERRUPTED: u8 = 130;

/// Answers the statement, or opens the prompt where there is none.
pub async fn run(args: SqlArgs) -> anyhow::Result<ExitCode> {
    if args.format == RowsFormat::Parquet && args.statement.is_some() {
        output::refuse_parquet(Target::stdout())?;
    }
    let asked = Asked::with_memory(&args.store, Some(args.memory.max(1) << 20)).await?.at(&args.site)?;
    let Some(statement) = args.statement else { return prompt::run(&asked, Threads::start()?, args.format).await };
    // The first Ctrl-C ends the query in order; the second ends the process, also while it waits for a reader.
    tokio::spawn(async {
        for _ in 0..2 {
            let _ = tokio::signal::ctrl_c().await;
        }
        std::process::exit(i32::from(EXIT_INTERRUPTED));
    });
    let mut threads = Threads::start()?;
    match answer::answer(&asked, &mut threads, &statement, args.format, true).await? {
        Ended::Done => Ok(ExitCode::SUCCESS),
        Ended::Interrupted => Ok(ExitCode::from(EXIT_INTERRUPTED)),
    }
}
