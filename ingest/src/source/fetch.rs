//! Fetches one object, with as many tries as its faults deserve.

use std::time::Instant;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use tokio::io::AsyncWriteExt;

use super::clients::{Inner, REDIRECTS_MAX};
use super::fetch_error::{is_denial, of_fault};
use super::{Body, Clients, FetchError, FetchFault, Fetched};
use crate::aws::{self, Fault, FaultKind};
use crate::notification::Announced;
use crate::object::ObjectId;

/// Why one try failed.
struct Failed {
    fault: FetchFault,
    detail: String,
    /// What S3 answered, where it did.
    answer: Option<Fault>,
}

impl Failed {
    fn new(fault: FetchFault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into(), answer: None }
    }

    fn of(answer: Fault) -> Self {
        Self { fault: of_fault(answer.kind), detail: answer.words(), answer: Some(answer) }
    }
}

impl Clients {
    /// Reads an object, exactly the version that was announced. One larger than `held_max` goes to a temporary file.
    pub async fn fetch(&self, announced: &Announced, held_max: u64) -> Result<Fetched, FetchError> {
        let inner = &self.inner;
        let began = Instant::now();
        let time_max = inner.limits.time_max + inner.limits.body_time(announced.bytes.unwrap_or(0));
        let result = match tokio::time::timeout(time_max, inner.fetch(announced, held_max)).await {
            Ok(result) => result,
            Err(_) => {
                let detail = format!("not within {} s", time_max.as_secs());
                Err(FetchError::new(announced, FetchFault::Unreachable, detail))
            }
        };
        inner.metrics.fetch_seconds.observe(began.elapsed().as_secs_f64());
        if let Err(error) = &result {
            inner.metrics.fetch_failures.with_label_values(&[error.reason()]).inc();
        }
        result
    }
}

impl Inner {
    async fn fetch(&self, announced: &Announced, held_max: u64) -> Result<Fetched, FetchError> {
        let bucket = &announced.bucket;
        let mut other_key = announced.other_key.as_deref();
        let (mut tries, mut missing_tries, mut redirects) = (0, 0, 0);
        let mut key = announced.key.as_str();
        loop {
            let client = self.client(bucket, announced.region.as_deref()).await;
            let failed = match self.attempt(&client, announced, key, held_max).await {
                Ok(fetched) => {
                    self.access.read(bucket);
                    return Ok(fetched);
                }
                Err(failed) => failed,
            };
            if let Some(fault) = failed.answer.as_ref().filter(|fault| fault.kind == FaultKind::WrongRegion)
                && redirects < REDIRECTS_MAX
            {
                redirects += 1;
                if self.follow(&client, bucket, fault).await {
                    continue;
                }
            }
            let wait = match failed.fault {
                FetchFault::Missing | FetchFault::Forbidden => {
                    if let Some(other) = other_key.take() {
                        // At once: it is not about time.
                        key = other;
                        continue;
                    }
                    key = announced.key.as_str();
                    missing_tries += 1;
                    (missing_tries < self.limits.missing_tries).then_some(missing_tries)
                }
                FetchFault::Throttled | FetchFault::Unreachable | FetchFault::Truncated => {
                    tries += 1;
                    (tries < self.limits.tries).then_some(tries)
                }
                _ => None,
            };
            let Some(wait) = wait else { return Err(self.judge(announced, failed)) };
            tracing::debug!(bucket, key, "an object is tried again: {} ({})", failed.fault.reason(), failed.detail);
            tokio::time::sleep(self.limits.backoff().wait(wait)).await;
        }
    }

    fn judge(&self, announced: &Announced, failed: Failed) -> FetchError {
        let error = FetchError::new(announced, failed.fault, failed.detail);
        if !is_denial(failed.fault) {
            return error;
        }
        let named = self.config(&announced.bucket).is_some();
        error.with_outcome(self.access.denied(&announced.bucket, &announced.key, named))
    }

    /// One try.
    async fn attempt(
        &self,
        client: &Client,
        announced: &Announced,
        key: &str,
        held_max: u64,
    ) -> Result<Fetched, Failed> {
        let send =
            client.get_object().bucket(&announced.bucket).key(key).set_version_id(announced.version_id.clone()).send();
        let time_max = self.limits.attempt_time_max;
        let object = aws::call(&self.metrics, ("s3", "GetObject"), time_max, send).await.map_err(Failed::of)?;
        let etag = object.e_tag().map(|tag| tag.trim_matches('"').to_string());
        let identity = match (object.version_id(), etag.as_deref().or(announced.etag.as_deref())) {
            (Some(version), _) if version != "null" => format!("version:{version}"),
            (_, tag) => format!("etag:{}", tag.unwrap_or("")),
        };
        let id = ObjectId { bucket: announced.bucket.clone(), key: key.to_string(), identity };
        let length = object.content_length().and_then(|length| u64::try_from(length).ok());
        if let Some(length) = length.filter(|length| *length > self.limits.object_bytes_max) {
            return Err(self.too_large(length));
        }
        let size = length.or(announced.bytes).unwrap_or(0);
        let time_max = time_max + self.limits.body_time(size);
        let read = tokio::time::timeout(time_max, self.body(object, size, held_max));
        let (body, bytes) = read.await.map_err(|_| {
            Failed::new(FetchFault::Unreachable, format!("the body did not come within {} s", time_max.as_secs()))
        })??;
        // The same tag says the same object, so that a size that was announced for it holds.
        let announced_bytes = announced.bytes.filter(|_| announced.etag.is_some() && announced.etag == etag);
        if let Some(expected) = length.max(announced_bytes).filter(|expected| bytes < *expected) {
            return Err(Failed::new(FetchFault::Truncated, format!("{bytes} of {expected} bytes")));
        }
        Ok(Fetched { id, bytes, body })
    }

    fn too_large(&self, bytes: u64) -> Failed {
        let detail = format!("{bytes} bytes, at most {}", self.limits.object_bytes_max);
        Failed::new(FetchFault::TooLarge, detail)
    }

    /// Reads a body of about `size` bytes: into memory up to `held_max`, else into a file.
    async fn body(&self, object: GetObjectOutput, size: u64, held_max: u64) -> Result<(Body, u64), Failed> {
        let mut body = object.body;
        let mut held = Vec::with_capacity(if size <= held_max { size as usize } else { 0 });
        let mut file: Option<(tempfile::NamedTempFile, tokio::fs::File)> = None;
        if size > held_max {
            file = Some(temporary()?);
        }
        let mut bytes = 0;
        while let Some(piece) = body.try_next().await.map_err(|error| cut(&error))? {
            bytes += piece.len() as u64;
            if bytes > self.limits.object_bytes_max {
                return Err(self.too_large(bytes));
            }
            if file.is_none() && bytes > held_max {
                let (named, mut out) = temporary()?;
                out.write_all(&std::mem::take(&mut held)).await.map_err(|error| unwritable(&error))?;
                file = Some((named, out));
            }
            match &mut file {
                Some((_, out)) => out.write_all(&piece).await.map_err(|error| unwritable(&error))?,
                None => held.extend_from_slice(&piece),
            }
        }
        let Some((named, mut out)) = file else { return Ok((Body::Bytes(held), bytes)) };
        out.flush().await.map_err(|error| unwritable(&error))?;
        Ok((Body::Temporary(named), bytes))
    }
}

fn temporary() -> Result<(tempfile::NamedTempFile, tokio::fs::File), Failed> {
    let named = tempfile::NamedTempFile::new().map_err(|error| unwritable(&error))?;
    let handle = named.reopen().map_err(|error| unwritable(&error))?;
    Ok((named, tokio::fs::File::from_std(handle)))
}

fn unwritable(error: &std::io::Error) -> Failed {
    Failed::new(FetchFault::Temporary, error.to_string())
}

/// A body that broke off or that is not what its checksum says.
fn cut(error: &aws_sdk_s3::primitives::ByteStreamError) -> Failed {
    Failed::new(FetchFault::Truncated, aws::line(&DisplayErrorContext(error).to_string()))
}
