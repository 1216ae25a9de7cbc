//! Objects below a prefix of an S3 bucket, as a scan reads them.
//!
//! Credentials, region and endpoint come from the usual places of the AWS SDK (`AWS_PROFILE`, `AWS_REGION`,
//! `AWS_ENDPOINT_URL` …). Only `s3:ListBucket` and `s3:GetObject` are asked for, and `kms:Decrypt` where the bucket is
//! encrypted with a key of one's own.

use super::{Clients, FetchLimits, Fetched, Listed, SourceError};
use crate::aws::Aws;
use crate::metrics::Metrics;
use crate::notification::Announced;

/// A prefix of a bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    clients: Clients,
    name: String,
    prefix: String,
}

/// One page of a listing, and where the next one begins.
#[derive(Debug)]
pub struct Page {
    pub listed: Vec<Listed>,
    pub next: Option<String>,
}

/// What was listed is there or was deleted since, and is decoded under the decoder's own limits.
const LIMITS: FetchLimits = FetchLimits { missing_tries: 1, object_bytes_max: u64::MAX, ..FetchLimits::DEFAULT };

impl Bucket {
    /// Opens `s3://bucket/prefix`.
    pub async fn open(url: &str) -> Result<Self, SourceError> {
        let rest = url.strip_prefix("s3://").ok_or_else(|| SourceError::Url { url: url.to_string() })?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return Err(SourceError::Url { url: url.to_string() });
        }
        let clients = Clients::new(Aws::load().await, Vec::new(), Metrics::unregistered()).with_limits(LIMITS);
        Ok(Self { clients, name: name.to_string(), prefix: prefix.to_string() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A page of up to a thousand objects, in the order of their keys.
    pub async fn list(&self, token: Option<String>) -> Result<Page, SourceError> {
        Ok(self.clients.list(&self.name, &self.prefix, token).await?)
    }

    /// Reads an object. One larger than `held_max` goes to a temporary file.
    pub async fn fetch(&self, listed: &Listed, held_max: u64) -> Result<Fetched, SourceError> {
        Ok(self.clients.fetch(&Announced::listed(&self.name, listed), held_max).await?)
    }
}
