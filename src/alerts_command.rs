//! `trailhound alerts`: does a sink work?

use std::process::ExitCode;

use crate::args::AlertsCommand;
use crate::config::Config;
use crate::serve::SecretsManager;

/// Exit 2 when the message did not get through.
pub async fn run(command: AlertsCommand) -> anyhow::Result<ExitCode> {
    let AlertsCommand::Test { sink, config } = command;
    let config = Config::read(&config)?;
    let verdict = trailhound_alert::test_sink(&config.alerting(), &sink, &SecretsManager::default()).await?;
    let told = crate::terminal::clean(&verdict.detail).into_owned();
    if verdict.delivered {
        eprintln!("{sink}: {told}");
        Ok(ExitCode::SUCCESS)
    } else {
        anyhow::bail!("{sink}: {told}")
    }
}
