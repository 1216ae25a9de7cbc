//! `trailhound config`: a configuration checked, or an example of one.

use std::process::ExitCode;

use crate::args::ConfigCommand;
use crate::config::{Config, EXAMPLE};
use crate::terminal;

/// Exit 2 when something is wrong.
pub fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Example => terminal::print(EXAMPLE)?,
        ConfigCommand::Check { config } => {
            Config::read(&config)?;
            eprintln!("{} is sound", config.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}
