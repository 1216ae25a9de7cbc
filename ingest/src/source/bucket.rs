//! Objects below a prefix of an S3 bucket.
//!
//! Credentials, region and endpoint come from the usual places of the AWS SDK (`AWS_PROFILE`, `AWS_REGION`,
//! `AWS_ENDPOINT_URL` …). Only `s3:ListBucket` and `s3:GetObject` are asked for, and `kms:Decrypt` where the bucket is
//! encrypted with a key of one's own.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use tokio::io::AsyncWriteExt;

use super::{Body, Fetched, Listed, SourceError};
use crate::object::ObjectId;

/// A prefix of a bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
    prefix: String,
}

/// One page of a listing, and where the next one begins.
pub struct Page {
    pub listed: Vec<Listed>,
    pub next: Option<String>,
}

impl Bucket {
    /// Opens `s3://bucket/prefix`.
    pub async fn open(url: &str) -> Result<Self, SourceError> {
        let rest = url.strip_prefix("s3://").ok_or_else(|| SourceError::Url { url: url.to_string() })?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return Err(SourceError::Url { url: url.to_string() });
        }
        let config = aws_config::load_from_env().await;
        // Stand-ins for S3 that are reached by an address know buckets by path.
        let path_style =
            std::env::var_os("AWS_ENDPOINT_URL").is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style).build();
        Ok(Self { client: Client::from_conf(config), name: name.to_string(), prefix: prefix.to_string() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A page of up to a thousand objects, in the order of their keys.
    pub async fn list(&self, token: Option<String>) -> Result<Page, SourceError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(&self.prefix)
            .set_continuation_token(token)
            .send()
            .await
            .map_err(|error| self.error(&self.prefix, "s3:ListBucket", &error))?;
        let listed = page
            .contents()
            .iter()
            .filter_map(|object| {
                Some(Listed {
                    key: object.key()?.to_string(),
                    bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                    etag: object.e_tag().map(|tag| tag.trim_matches('"').to_string()),
                })
            })
            .collect();
        Ok(Page { listed, next: page.next_continuation_token().map(str::to_string) })
    }

    /// Reads an object. One larger than `held_max` goes to a temporary file.
    pub async fn fetch(&self, listed: &Listed, held_max: u64) -> Result<Fetched, SourceError> {
        let object = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(&listed.key)
            .send()
            .await
            .map_err(|error| self.error(&listed.key, "s3:GetObject", &error))?;
        let identity = match (object.version_id(), object.e_tag()) {
            (Some(version), _) if version != "null" => format!("version:{version}"),
            (_, Some(tag)) => format!("etag:{}", tag.trim_matches('"')),
            (_, None) => format!("etag:{}", listed.etag.as_deref().unwrap_or("")),
        };
        let id = ObjectId { bucket: self.name.clone(), key: listed.key.clone(), identity };
        let cut = |error: &dyn std::error::Error| SourceError::Bucket {
            bucket: self.name.clone(),
            key: listed.key.clone(),
            what: format!("the body broke off: {error}"),
        };
        let size = object.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(listed.bytes);
        if size <= held_max {
            let body = object.body.collect().await.map_err(|error| cut(&error))?.to_vec();
            return Ok(Fetched { id, bytes: body.len() as u64, body: Body::Bytes(body) });
        }
        let file = tempfile::NamedTempFile::new().map_err(|source| SourceError::Temporary { source })?;
        let handle = file.reopen().map_err(|source| SourceError::Temporary { source })?;
        let mut out = tokio::fs::File::from_std(handle);
        let mut body = object.body;
        let mut bytes = 0;
        while let Some(piece) = body.try_next().await.map_err(|error| cut(&error))? {
            bytes += piece.len() as u64;
            out.write_all(&piece).await.map_err(|source| SourceError::Temporary { source })?;
        }
        out.flush().await.map_err(|source| SourceError::Temporary { source })?;
        Ok(Fetched { id, bytes, body: Body::Temporary(file) })
    }

    /// An error with its remedy.
    fn error<E>(&self, key: &str, action: &str, error: &SdkError<E>) -> SourceError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.as_service_error().and_then(|e| e.code()).unwrap_or("");
        let message = error.as_service_error().and_then(|e| e.message()).unwrap_or("").to_ascii_lowercase();
        let what = match code {
            "NoSuchBucket" => "there is no such bucket".to_string(),
            "NoSuchKey" | "NotFound" => "the object is gone".to_string(),
            "AccessDenied" if message.contains("kms") => {
                "access denied by KMS: the role needs kms:Decrypt on the key that encrypts the bucket".to_string()
            }
            "AccessDenied" => format!("access denied: the role needs {action} here"),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" => {
                "the bucket is in another region: set AWS_REGION to it".to_string()
            }
            "" => format!("cannot be reached: {}", DisplayErrorContext(error)),
            other => format!("{other} ({action})"),
        };
        SourceError::Bucket { bucket: self.name.clone(), key: key.to_string(), what }
    }
}
