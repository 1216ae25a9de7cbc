//! The text of a rule's file in a git revision, by the `git` program.

use std::path::Path;
use std::process::{Command, Output};

/// What a revision holds of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Kept {
    Text(String),
    /// The revision is there, and the file is not in it.
    Absent,
    /// Git is not installed, the folder is in no repository, or there is no such revision: why.
    Unknown(String),
}

/// Reads a file as it stands in a revision of the repository that its folder belongs to. Only objects are read: no hook,
/// filter or pager of the repository runs.
pub fn text_of(revision: &str, file: &Path) -> Kept {
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
        return Kept::Unknown(format!("{} is no file", file.display()));
    };
    let commit = format!("{revision}^{{commit}}");
    let commit = match git(folder, &["rev-parse", "--verify", "--end-of-options", &commit]) {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => {
            return Kept::Unknown(format!(
                "git knows no revision `{revision}` in {}: {}",
                folder.display(),
                said(&output)
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && folder.is_dir() => {
            return Kept::Unknown("the program git is not installed".into());
        }
        Err(error) => return Kept::Unknown(format!("git cannot be run in {}: {error}", folder.display())),
    };
    match git(folder, &["cat-file", "blob", &format!("{commit}:./{name}")]) {
        Ok(output) if output.status.success() => match String::from_utf8(output.stdout) {
            Ok(text) => Kept::Text(text),
            Err(_) => Kept::Unknown(format!("{} is no text in {revision}", file.display())),
        },
        Ok(_) => Kept::Absent,
        Err(error) => Kept::Unknown(format!("git cannot be run in {}: {error}", folder.display())),
    }
}

fn git(folder: &Path, args: &[&str]) -> std::io::Result<Output> {
    Command::new("git").current_dir(folder).args(args).stdin(std::process::Stdio::null()).output()
}

/// The first line of what git had to say.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_owned()
}
