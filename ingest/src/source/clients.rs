//! S3 clients for whatever buckets are met: one for each role, region and endpoint, made when first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::config::retry::RetryConfig;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::access::Access;
use super::{FetchError, Listed, Page, SourceError};
use crate::aws::{self, Aws, Backoff, Fault, FaultKind, REGION_DEFAULT, Reach, endpoint_in_environment, is_region};
use crate::limits::Limits;
use crate::metrics::Metrics;

/// Clients that are kept; each has its connections.
const CLIENTS_MAX: usize = 64;
/// Buckets whose region is remembered, where it was found out.
const REGIONS_MAX: usize = 10_000;
/// Times that a call follows a bucket to another region.
pub(super) const REDIRECTS_MAX: u32 = 2;

/// How to reach buckets that need more than the default credentials (`[[bucket]]`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// Exact, or with `*` for any characters. The exact name wins, then the longest pattern.
    pub name: String,
    pub region: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub endpoint_url: Option<String>,
}

impl BucketConfig {
    /// What can be said of it without a call.
    pub fn check(&self) -> Result<(), SourceError> {
        let bad = |what| Err(SourceError::Config { name: self.name.clone(), what });
        if self.name.is_empty() || self.name.contains(['/', ':']) {
            return bad("name is a bucket's name, exact or with *, and neither an ARN nor s3://…");
        }
        if self.region.as_deref().is_some_and(|region| !is_region(region)) {
            return bad("region is none of AWS");
        }
        if self.role_arn.as_deref().is_some_and(|arn| !(arn.starts_with("arn:") && arn.contains(":role/"))) {
            return bad("role_arn is the ARN of a role");
        }
        if self.external_id.is_some() && self.role_arn.is_none() {
            return bad("external_id is of no use without role_arn");
        }
        if self.endpoint_url.as_deref().is_some_and(|url| url::Url::parse(url).is_err()) {
            return bad("endpoint_url is no URL");
        }
        Ok(())
    }

    fn matches(&self, bucket: &str) -> bool {
        let Some((first, rest)) = self.name.split_once('*') else { return self.name == bucket };
        let Some(mut left) = bucket.strip_prefix(first) else { return false };
        let mut parts = rest.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return left.ends_with(part);
            }
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        true
    }
}

/// What fetching an object may cost.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Until the first byte, and for a body on top of what its size allows for.
    pub attempt_time_max: Duration,
    /// All tries together, on top of what the size allows for.
    pub time_max: Duration,
    /// A body may be as slow as this.
    pub bytes_per_second_min: u64,
    /// Tries while the faults are such as pass.
    pub tries: u32,
    /// Tries while the object is not there or may not be read: what was announced may take a moment to be there
    /// (replication), and so may a permission.
    pub missing_tries: u32,
    /// Larger objects, as stored, are not read.
    pub object_bytes_max: u64,
    /// Waits between tries.
    pub wait_first: Duration,
    pub wait_longest: Duration,
}

impl FetchLimits {
    pub const DEFAULT: Self = Self {
        attempt_time_max: Duration::from_secs(30),
        time_max: Duration::from_secs(180),
        bytes_per_second_min: 1 << 20,
        tries: 6,
        missing_tries: 4,
        object_bytes_max: Limits::DEFAULT.object_bytes_max,
        wait_first: Duration::from_millis(200),
        wait_longest: Duration::from_secs(10),
    };

    pub(super) fn backoff(&self) -> Backoff {
        Backoff { first: self.wait_first, longest: self.wait_longest }
    }

    /// What is added to a time for a body of a size.
    pub(super) fn body_time(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes.min(self.object_bytes_max) / self.bytes_per_second_min.max(1))
    }
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Reaches buckets. A clone shares clients, credentials and what was learned of buckets.
#[derive(Clone, Debug)]
pub struct Clients {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    aws: Aws,
    buckets: Vec<BucketConfig>,
    pub metrics: Metrics,
    pub limits: FetchLimits,
    kept: Mutex<Kept>,
    regions: StdMutex<HashMap<String, String>>,
    pub access: Access,
}

/// Clients and when each was last asked for, in calls.
#[derive(Debug, Default)]
struct Kept {
    clients: HashMap<Reach, (Client, u64)>,
    calls: u64,
}

impl Clients {
    pub fn new(aws: Aws, buckets: Vec<BucketConfig>, metrics: Metrics) -> Self {
        let inner = Inner {
            aws,
            buckets,
            metrics,
            limits: FetchLimits::DEFAULT,
            kept: Mutex::default(),
            regions: StdMutex::default(),
            access: Access::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The same under other limits, and with nothing learned yet.
    pub fn with_limits(self, limits: FetchLimits) -> Self {
        let inner = &self.inner;
        let fresh = Inner {
            aws: inner.aws.clone(),
            buckets: inner.buckets.clone(),
            metrics: inner.metrics.clone(),
            limits,
            kept: Mutex::default(),
            regions: StdMutex::default(),
            access: Access::default(),
        };
        Self { inner: Arc::new(fresh) }
    }

    /// How many clients there are.
    pub async fn count(&self) -> usize {
        self.inner.kept.lock().await.clients.len()
    }

    /// A page of up to a thousand objects below a prefix, in the order of their keys.
    pub async fn list(&self, bucket: &str, prefix: &str, token: Option<String>) -> Result<Page, FetchError> {
        Ok(self.inner.list(bucket, prefix, token, None).await?.0)
    }

    /// The parts that follow a prefix up to the next `/`, as whole prefixes.
    pub(super) async fn folders(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, FetchError> {
        let (mut folders, mut token) = (Vec::new(), None);
        loop {
            let (page, found) = self.inner.list(bucket, prefix, token, Some("/")).await?;
            folders.extend(found);
            match page.next {
                Some(next) => token = Some(next),
                None => return Ok(folders),
            }
        }
    }
}

impl Inner {
    pub fn config(&self, bucket: &str) -> Option<&BucketConfig> {
        let matching = self.buckets.iter().filter(|config| config.matches(bucket));
        matching.max_by_key(|config| (config.name == bucket, config.name.len()))
    }

    /// The client for a bucket. A region that was found out counts before the configured one, which was wrong then, and
    /// that before the announced one.
    pub async fn client(&self, bucket: &str, announced: Option<&str>) -> Client {
        let config = self.config(bucket);
        let found = self.regions.lock().expect("no holder panics").get(bucket).cloned();
        let region = found
            .or_else(|| config.and_then(|config| config.region.clone()))
            .or_else(|| announced.map(str::to_string))
            .or_else(|| self.aws.region().map(str::to_string))
            .unwrap_or_else(|| REGION_DEFAULT.to_string());
        let reach = Reach {
            role_arn: config.and_then(|config| config.role_arn.clone()),
            external_id: config.and_then(|config| config.external_id.clone()),
            region: Some(region),
            endpoint_url: config.and_then(|config| config.endpoint_url.clone()),
        };
        let mut kept = self.kept.lock().await;
        kept.calls += 1;
        let now = kept.calls;
        if let Some((client, used)) = kept.clients.get_mut(&reach) {
            *used = now;
            return client.clone();
        }
        if kept.clients.len() >= CLIENTS_MAX
            && let Some(oldest) = kept.clients.iter().min_by_key(|(_, (_, used))| *used).map(|(reach, _)| reach.clone())
        {
            kept.clients.remove(&oldest);
        }
        let sdk = self.aws.config(&reach).await;
        // Stand-ins for S3 that are reached by an address know buckets by path.
        let path_style = sdk.endpoint_url().is_some() || endpoint_in_environment("S3");
        let config = aws_sdk_s3::config::Builder::from(&sdk)
            .retry_config(RetryConfig::disabled())
            // Each try has a time of its own, which a body that stands still does not outlast.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .force_path_style(path_style)
            .build();
        let client = Client::from_conf(config);
        kept.clients.insert(reach, (client.clone(), now));
        client
    }

    /// Follows a bucket to its region: as the answer says, or as S3 says when asked for it. False where nobody knows.
    pub async fn follow(&self, client: &Client, bucket: &str, fault: &Fault) -> bool {
        let region = match &fault.region {
            Some(region) => Some(region.clone()),
            None => {
                let head = client.head_bucket().bucket(bucket).send();
                match aws::call(&self.metrics, ("s3", "HeadBucket"), self.limits.attempt_time_max, head).await {
                    Ok(answer) => answer.bucket_region().filter(|region| is_region(region)).map(str::to_string),
                    Err(fault) => fault.region,
                }
            }
        };
        let Some(region) = region else { return false };
        tracing::info!(bucket, region, "a bucket is in another region");
        let mut regions = self.regions.lock().expect("no holder panics");
        if regions.len() >= REGIONS_MAX {
            regions.clear();
        }
        regions.insert(bucket.to_string(), region);
        true
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        token: Option<String>,
        delimiter: Option<&str>,
    ) -> Result<(Page, Vec<String>), FetchError> {
        let (mut tries, mut redirects) = (1, 0);
        loop {
            let client = self.client(bucket, None).await;
            let send = client
                .list_objects_v2()
                .bucket(bucket)
                .prefix(prefix)
                .set_delimiter(delimiter.map(str::to_string))
                .set_continuation_token(token.clone())
                .send();
            let time_max = self.limits.attempt_time_max;
            let fault = match aws::call(&self.metrics, ("s3", "ListObjectsV2"), time_max, send).await {
                Ok(answer) => return Ok(read_page(&answer)),
                Err(fault) => fault,
            };
            if fault.kind == FaultKind::WrongRegion && redirects < REDIRECTS_MAX {
                redirects += 1;
                if self.follow(&client, bucket, &fault).await {
                    continue;
                }
            }
            if !fault.kind.is_transient() || tries >= self.limits.tries {
                return Err(FetchError::of_listing(bucket, prefix, &fault));
            }
            tokio::time::sleep(self.limits.backoff().wait(tries)).await;
            tries += 1;
        }
    }
}

fn read_page(answer: &aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output) -> (Page, Vec<String>) {
    let listed = answer
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
    let folders = answer.common_prefixes().iter().filter_map(|folder| folder.prefix().map(str::to_string)).collect();
    (Page { listed, next: answer.next_continuation_token().map(str::to_string) }, folders)
}
