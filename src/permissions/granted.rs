//! What is granted, from files into the store and out of it: `permissions load`, and the inventory of a moment.

use std::process::ExitCode;

use anyhow::Context;
use trailhound_iam::inventory::{File, parts};
use trailhound_iam::{Inventory, InventoryError};
use trailhound_store::Store;
use trailhound_store::granted::{Granted, Read};

use super::files;
use crate::args::LoadArgs;
use crate::clock::now_micros;
use crate::session::Asked;
use crate::terminal;

/// Errors of a file that are told one by one.
const ERRORS_SHOWN: usize = 50;

/// Outputs of AWS's calls, each with its name.
pub struct Outputs(Vec<(String, Vec<u8>)>);

impl Outputs {
    /// Those that files and folders hold.
    pub fn of_files(paths: &[std::path::PathBuf]) -> anyhow::Result<Outputs> {
        let mut outputs = Vec::new();
        for path in files::within(paths)? {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            outputs.push((path.display().to_string(), bytes));
        }
        Ok(Outputs(outputs))
    }

    /// Those that stood in a store at a time.
    pub async fn of_store(store: &Store, time: i64) -> anyhow::Result<Outputs> {
        let stood = store.granted().at(time).await?;
        anyhow::ensure!(
            !stood.is_empty(),
            "the store was not told what is granted; name files with --iam (`trailhound permissions fetch --out DIR` asks AWS for \
             them), or keep them in the store with `trailhound permissions load DIR`"
        );
        Ok(Outputs(stood.into_iter().map(|(name, output)| (name, output.into_bytes())).collect()))
    }

    fn files(&self) -> impl Iterator<Item = File<'_>> {
        self.0.iter().map(|(name, bytes)| File { name, bytes, entity: None })
    }

    /// Reads them, whole or not at all.
    pub fn inventory(&self) -> anyhow::Result<Inventory> {
        Inventory::read(self.files(), crate::clock::now()).map_err(|errors| told(&errors))
    }

    /// Keeps them as what was granted at a time; nothing where anything is wrong with them.
    pub async fn keep(&self, granted: &Granted, taken: i64, source: &str) -> anyhow::Result<Read> {
        self.inventory()?;
        let parts: Vec<_> = self.files().flat_map(|file| parts(&file)).collect();
        Ok(granted.keep(&parts, taken, source).await?)
    }
}

impl FromIterator<(String, Vec<u8>)> for Outputs {
    fn from_iter<T: IntoIterator<Item = (String, Vec<u8>)>>(outputs: T) -> Outputs {
        Outputs(outputs.into_iter().collect())
    }
}

fn told(errors: &[InventoryError]) -> anyhow::Error {
    let mut told: Vec<String> =
        errors.iter().take(ERRORS_SHOWN).map(|error| terminal::clean(&error.to_string()).into_owned()).collect();
    if errors.len() > ERRORS_SHOWN {
        told.push(format!("and {} more", errors.len() - ERRORS_SHOWN));
    }
    anyhow::anyhow!("what the files say is granted cannot be used; nothing was loaded\n  {}", told.join("\n  "))
}

/// `permissions load`.
pub async fn load(args: LoadArgs) -> anyhow::Result<ExitCode> {
    let outputs = Outputs::of_files(&args.files)?;
    let asked = Asked::open(&args.store).await?;
    let names: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
    let read = outputs.keep(asked.store.granted(), args.at.unwrap_or_else(now_micros), &names.join(", ")).await?;
    eprintln!("{}", summary(&read));
    Ok(ExitCode::SUCCESS)
}

/// What became of a reading, in words.
fn summary(read: &Read) -> String {
    let entries = if read.parts == 1 { "entry" } else { "entries" };
    format!("{} {entries} read, {} new or changed, {} ended", read.parts, read.began, read.ended)
}
