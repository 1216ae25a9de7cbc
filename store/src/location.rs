//! Where a store lies: a folder or a prefix on S3, and its ledger.

use std::path::{Path, PathBuf};

use url::Url;

use crate::error::{Result, StoreError};

/// The folder below the store in which the table `events` lies.
const EVENTS: &str = "events";
/// The folder of the table `activity`.
const ACTIVITY: &str = "activity";
/// The ledger beside a local store.
const LEDGER: &str = "ledger.sqlite";

/// A place for a store, as the operator named it and as URLs.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    /// As named, for messages.
    pub name: String,
    /// The URL of the table `events`.
    pub events: Url,
    /// The URL of the table `activity`.
    pub activity: Url,
    /// The URL of the ledger, for sqlx.
    pub ledger: String,
    /// The store's folder if it is local.
    pub folder: Option<PathBuf>,
}

impl Location {
    /// Understands a folder's path, a `file://` URL or `s3://bucket/prefix`; `ledger` is a path or a database URL.
    pub fn parse(name: &str, ledger: Option<&str>) -> Result<Self> {
        let refuse = |detail: String| StoreError::Location { location: name.to_string(), detail };
        if let Some(rest) = name.strip_prefix("s3://") {
            if rest.is_empty() || rest.starts_with('/') {
                return Err(refuse("the bucket is missing; write s3://bucket/prefix".into()));
            }
            let url = |table| {
                Url::parse(&format!("{}/{table}/", name.trim_end_matches('/')))
                    .map_err(|e| refuse(format!("not a URL ({e})")))
            };
            let (events, activity) = (url(EVENTS)?, url(ACTIVITY)?);
            let ledger = ledger.ok_or_else(|| StoreError::LedgerNeeded { location: name.to_string() })?;
            let ledger = ledger_url(ledger, &refuse)?;
            return Ok(Self { name: name.into(), events, activity, ledger, folder: None });
        }
        let folder = match name.strip_prefix("file://") {
            Some(path) => PathBuf::from(path),
            None if name.contains("://") => {
                return Err(refuse("only folders and s3:// are known".into()));
            }
            None if name.is_empty() => return Err(refuse("the name is empty".into())),
            None => PathBuf::from(name),
        };
        let folder = std::path::absolute(&folder).map_err(|e| refuse(e.to_string()))?;
        let url = |table| {
            Url::from_directory_path(folder.join(table))
                .map_err(|()| refuse("the path cannot be written as a URL".into()))
        };
        let (events, activity) = (url(EVENTS)?, url(ACTIVITY)?);
        let ledger = match ledger {
            Some(ledger) => ledger_url(ledger, &refuse)?,
            None => sqlite_url(&folder.join(LEDGER), &refuse)?,
        };
        Ok(Self { name: name.into(), events, activity, ledger, folder: Some(folder) })
    }
}

fn ledger_url(ledger: &str, refuse: &impl Fn(String) -> StoreError) -> Result<String> {
    if ledger.starts_with("sqlite:") {
        return Ok(ledger.to_string());
    }
    if ledger.starts_with("postgres://") || ledger.starts_with("postgresql://") {
        return Ok(ledger.to_string());
    }
    if let Some((scheme, _)) = ledger.split_once("://") {
        return Err(refuse(format!("a ledger on {scheme} is not known; name a file or postgres://…")));
    }
    let path = std::path::absolute(ledger).map_err(|e| refuse(e.to_string()))?;
    sqlite_url(&path, refuse)
}

/// sqlx decodes percent signs in the path, so that `?` and `#` may occur in it.
fn sqlite_url(path: &Path, refuse: &impl Fn(String) -> StoreError) -> Result<String> {
    let url = Url::from_file_path(path).map_err(|()| refuse("the ledger's path cannot be written as a URL".into()))?;
    Ok(format!("sqlite://{}?mode=rwc", url.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_prefixes() {
        let folder = Location::parse("/tmp/a b?", None).unwrap();
        assert_eq!(folder.events.as_str(), "file:///tmp/a%20b%3F/events/");
        assert_eq!(folder.ledger, "sqlite:///tmp/a%20b%3F/ledger.sqlite?mode=rwc");
        let s3 = Location::parse("s3://logs/store", Some("/var/l.sqlite")).unwrap();
        assert_eq!(s3.events.as_str(), "s3://logs/store/events/");
        assert_eq!(s3.ledger, "sqlite:///var/l.sqlite?mode=rwc");
    }

    #[test]
    fn refusals_say_what_to_write() {
        let message = |name, ledger| Location::parse(name, ledger).unwrap_err().to_string();
        assert!(message("s3://logs/store", None).contains("--ledger"));
        assert!(message("s3:///store", Some("x")).contains("s3://bucket/prefix"));
        assert!(message("gs://logs/store", None).contains("s3://"));
        assert!(message("/tmp/x", Some("mysql://h/db")).contains("name a file"));
    }
}
