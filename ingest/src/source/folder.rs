//! Objects in a folder on disk, or one file.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Body, Fetched, Listed, SourceError};
use crate::object::ObjectId;

/// A folder, or a single file.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    /// The folder as it was named, which stands for the bucket.
    name: String,
    /// Where a single file was named.
    file: Option<String>,
}

impl Folder {
    pub fn open(path: &str) -> Result<Self, SourceError> {
        let absolute = std::fs::canonicalize(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => SourceError::Missing { path: path.to_string() },
            _ => SourceError::Read { path: path.to_string(), source },
        })?;
        let (root, file) = match (absolute.is_file(), absolute.parent(), absolute.file_name()) {
            (true, Some(parent), Some(name)) => (parent.to_path_buf(), Some(name.to_string_lossy().into_owned())),
            _ => (absolute, None),
        };
        let name = root.to_string_lossy().into_owned();
        Ok(Self { root, name, file })
    }

    /// The files in it, sorted by path. Files that begin with a dot and links are left out.
    pub fn list(&self) -> Result<Vec<Listed>, SourceError> {
        if let Some(name) = &self.file {
            let path = self.root.join(name);
            let meta = std::fs::metadata(&path).map_err(|source| self.read_error(name, source))?;
            return Ok(vec![Listed { key: name.clone(), bytes: meta.len(), etag: None }]);
        }
        let mut listed = Vec::new();
        let hidden =
            |entry: &walkdir::DirEntry| entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
        for entry in walkdir::WalkDir::new(&self.root).sort_by_file_name().into_iter().filter_entry(|e| !hidden(e)) {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(Path::new("")).display().to_string();
                SourceError::Read { path, source: error.into() }
            })?;
            if !entry.file_type().is_file() {
                continue;
            }
            let path = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            let key = path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            let bytes = entry.metadata().map(|meta| meta.len()).unwrap_or(0);
            listed.push(Listed { key, bytes, etag: None });
        }
        Ok(listed)
    }

    /// Reads a file. Its identity is the hash of its content; one larger than `held_max` stays in place.
    pub fn fetch(&self, listed: &Listed, held_max: u64) -> Result<Fetched, SourceError> {
        let path = self.root.join(&listed.key);
        let mut file = File::open(&path).map_err(|source| self.read_error(&listed.key, source))?;
        let mut hash = Sha256::new();
        // The file may have grown since it was listed.
        let size = file.metadata().map_or(listed.bytes, |meta| meta.len());
        let (bytes, body) = if size <= held_max {
            let mut content = Vec::with_capacity(size as usize);
            file.read_to_end(&mut content).map_err(|source| self.read_error(&listed.key, source))?;
            hash.update(&content);
            (content.len() as u64, Body::Bytes(content))
        } else {
            let bytes = std::io::copy(&mut file, &mut hash).map_err(|source| self.read_error(&listed.key, source))?;
            file.rewind().map_err(|source| self.read_error(&listed.key, source))?;
            (bytes, Body::File(path))
        };
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let id = ObjectId { bucket: self.name.clone(), key: listed.key.clone(), identity: format!("sha256:{hex}") };
        Ok(Fetched { id, bytes, body })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn read_error(&self, key: &str, source: std::io::Error) -> SourceError {
        SourceError::Read { path: self.root.join(key).display().to_string(), source }
    }
}
