//! One line of JSON for each revision of an incident, on standard output or at the end of a file.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::message::Message;
use crate::outbox::Outcome;

#[derive(Debug)]
pub(crate) struct Ndjson {
    path: Option<PathBuf>,
}

impl Ndjson {
    pub fn new(path: Option<PathBuf>) -> Self {
        Ndjson { path }
    }

    pub async fn send(&self, message: &Message) -> Outcome {
        let mut line = serde_json::to_vec(message).expect("a message is written as JSON");
        line.push(b'\n');
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || match path {
            Some(path) => append(&path, &line),
            None => {
                let mut out = io::stdout().lock();
                out.write_all(&line)?;
                out.flush()
            }
        })
        .await;
        let shown = || self.path.as_ref().map_or("standard output".into(), |path| path.display().to_string());
        match written {
            Ok(Ok(())) => Outcome::Delivered { remote: None },
            Ok(Err(error)) => {
                // A line may have been begun; the next one starts on a line of its own.
                Outcome::Retry { reason: format!("{}: {error}", shown()), after: None, unknown: false }
            }
            Err(error) => Outcome::Retry { reason: format!("{}: {error}", shown()), after: None, unknown: true },
        }
    }
}

/// Appends a line, durably. The file is opened each time, so that it may be moved away (as log rotation does).
fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            // Somebody died in the middle of a line.
            file.write_all(b"\n")?;
        }
    }
    file.write_all(line)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::hostile;

    #[tokio::test]
    async fn a_line_each_whatever_stands_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        std::fs::write(&path, "{\"half a li").unwrap();
        let sink = Ndjson::new(Some(path.clone()));
        let message = hostile("a\nb\"}\u{2028}");
        assert_eq!(sink.send(&message).await, Outcome::Delivered { remote: None });
        assert_eq!(sink.send(&message).await, Outcome::Delivered { remote: None });
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let line: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
        assert_eq!(line["id"], "TH-0123456789");
        assert_eq!(line["principals"][0], "a\nb\"}\u{2028}");
        let gone = Ndjson::new(Some(folder.path().join("no/such/folder")));
        assert!(matches!(gone.send(&message).await, Outcome::Retry { .. }));
    }
}
