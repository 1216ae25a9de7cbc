//! `trailhound alerts`: does a sink work, and what could not be told is told once more.

use std::process::ExitCode;
use std::sync::Arc;

use trailhound_alert::{Alerts, Unheard};
use trailhound_store::Store;

use crate::args::{AlertsCommand, SinkArgs};
use crate::config::Config;
use crate::output::counted;
use crate::serve::SecretsManager;
use crate::terminal;

/// Exit 2 when a test message did not get through.
pub async fn run(command: AlertsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AlertsCommand::Test(args) => test(args).await,
        AlertsCommand::Replay(args) => replay(args).await,
    }
}

async fn test(SinkArgs { sink, config }: SinkArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&config)?;
    let verdict = trailhound_alert::test_sink(&config.alerting()?, &sink, &SecretsManager::default()).await?;
    let told = terminal::clean(&verdict.detail).into_owned();
    anyhow::ensure!(verdict.delivered, "{sink}: {told}");
    eprintln!("{sink}: {told}");
    Ok(ExitCode::SUCCESS)
}

async fn replay(SinkArgs { sink, config }: SinkArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&config)?;
    let secrets = Arc::new(SecretsManager::default());
    let store = Store::open(config.store_options(secrets.as_ref()).await?).await?;
    let registry = prometheus::Registry::new();
    let alerts = Alerts::open(store.ledger(), &config.alerting()?, secrets, Arc::new(Unheard), &registry).await?;
    let back = alerts.replay_dead(&sink).await?;
    eprintln!("{sink}: {} put back", counted(back as usize, "dead letter"));
    Ok(ExitCode::SUCCESS)
}
