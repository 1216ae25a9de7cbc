//! Where the prompt keeps what was asked: the state folder of the user, for nobody else to read. Questions name
//! principals and addresses of an investigation that is going on.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use reedline::FileBackedHistory;

const ENTRIES_MAX: usize = 2_000;

/// The history, in its file if that can be had, else for this prompt alone (with the reason on standard error).
pub fn open() -> Option<Box<FileBackedHistory>> {
    let file = path()?;
    let opened = private(&file)
        .map_err(|error| error.to_string())
        .and_then(|()| FileBackedHistory::with_file(ENTRIES_MAX, file.clone()).map_err(|error| error.to_string()));
    match opened {
        Ok(history) => Some(Box::new(history)),
        Err(error) => {
            eprintln!("warning: no history is kept: {}: {error}", file.display());
            None
        }
    }
}

/// `$XDG_STATE_HOME/trailhound/sql_history`, by default below `~/.local/state`.
fn path() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
    Some(state.join("trailhound/sql_history"))
}

/// Makes the file, and sees to it that only its owner reads it.
fn private(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
    let mut permissions = opened.metadata()?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o600);
        opened.set_permissions(permissions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trailhound/sql_history");
        private(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        private(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
