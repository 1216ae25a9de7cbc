//! The files that `--iam` names: a file stands for itself, a folder for the outputs in it.

use std::path::PathBuf;

use anyhow::Context;

/// What outputs' names end with. Other files of a folder, and those that begin with a dot, are none of ours.
const ENDINGS: [&str; 2] = ["json", "csv"];

/// All files, those of a folder in the order of their names. A folder without any is an error: it would pass for an account in
/// which nothing is granted.
pub fn within(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let cannot = || format!("cannot read the folder {}", path.display());
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).with_context(cannot)? {
            let file = entry.with_context(cannot)?.path();
            let is_hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let is_output = file.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            if is_output && !is_hidden && file.is_file() {
                found.push(file);
            }
        }
        anyhow::ensure!(
            !found.is_empty(),
            "the folder {} holds no .json and no .csv file; `trailhound permissions fetch --out {0}` writes them",
            path.display()
        );
        found.sort();
        files.extend(found);
    }
    Ok(files)
}
