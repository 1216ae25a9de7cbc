//! `trailhound`: arguments in, the right command out.

mod alerts_command;
mod args;
mod backfill_command;
mod backtest_command;
mod clock;
mod config;
mod config_command;
mod coverage;
mod decoders;
mod demo;
mod doctor;
mod findings;
mod intake;
mod investigate;
mod output;
mod permissions;
mod replay;
mod rules_command;
mod scan;
mod serve;
mod session;
mod shipped;
mod simulate_command;
mod sql;
mod store_command;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// The C library's own came to hold four times what a service used after half an hour, and never gave it back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Exit codes: 0 done, 1 `--fail-on` reached or failed cases, 2 an error, 64 wrong usage.
fn main() -> ExitCode {
    // Two TLS providers are in the dependency graph; the process must say which one counts.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    start_log(&args.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(run(args.command)) {
        Ok(code) => code,
        // Nobody reads any more (`| head`): no failure.
        Err(error) if terminal::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", terminal::clean_lines(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}

/// The log goes to standard error. A service tells a little more, and by default as JSON, for machines that collect it.
fn start_log(command: &Command) {
    let (usual, json) = match command {
        Command::Serve(options) => ("warn,trailhound=info", options.log_format == args::LogFormat::Json),
        _ => ("warn", false),
    };
    // That somebody else was quicker is daily life where upkeep writes beside intake; the commit is tried again.
    let usual = format!("{usual},deltalake_core::kernel::transaction=error");
    let filter = tracing_subscriber::EnvFilter::try_from_env("TRAILHOUND_LOG").unwrap_or_else(|_| usual.into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    if json { log.json().flatten_event(true).init() } else { log.init() }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(options) => demo::run(options).await,
        Command::Scan(options) => scan::run(options).await,
        Command::Sql(options) => sql::run(options).await,
        Command::Replay(options) => replay::run(options).await,
        Command::Rules(command) => rules_command::run(command).await,
        Command::Findings(command) => findings::run(command).await,
        Command::Investigate(options) => investigate::run(options).await,
        Command::Permissions(options) => permissions::run(options).await,
        Command::Serve(options) => serve::run(options).await,
        Command::Backfill(options) => backfill_command::run(options).await,
        Command::Doctor(options) => doctor::run(options).await,
        Command::Alerts(command) => alerts_command::run(command).await,
        Command::Store(command) => store_command::run(command).await,
        Command::Config(command) => config_command::run(command),
        Command::Simulate(options) => simulate_command::run(options),
    }
}
