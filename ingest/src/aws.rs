//! How AWS is reached: credentials, roles, addresses, and calls that are counted and bounded in time.
//!
//! The SDK's own retries are off. Every loop that calls AWS has its own bounded tries, so that a call that is counted
//! is a call that was made, and so that a body that breaks off counts as a try like an answer of 503.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::Mutex;

use crate::metrics::Metrics;

mod fault;

pub(crate) use fault::line;
pub use fault::{Fault, FaultKind, is_region};

/// The name under which roles are assumed, as CloudTrail of the other account will show it.
const SESSION_NAME: &str = "trailhound";
/// Roles whose credentials are kept. They come from the configuration, so that more are not to be expected.
const ROLES_MAX: usize = 256;
/// Where nothing names a region: roles are assumed there, S3 is asked there and says where the bucket is, and services
/// that have no regions are named by it.
pub const REGION_DEFAULT: &str = "us-east-1";

/// Credentials and settings of this process, and the roles it takes on. A clone shares both.
#[derive(Clone, Debug)]
pub struct Aws {
    sdk: SdkConfig,
    roles: Arc<Mutex<HashMap<Role, SharedCredentialsProvider>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Role {
    arn: String,
    external_id: Option<String>,
}

/// As whom and where a service is asked: what makes a client another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
}

impl Aws {
    /// From the usual places: environment, profile, container or instance role.
    pub async fn load() -> Self {
        Self::with(aws_config::load_defaults(BehaviorVersion::latest()).await)
    }

    /// From settings that were made elsewhere.
    pub fn with(sdk: SdkConfig) -> Self {
        let sdk = sdk.into_builder().retry_config(RetryConfig::disabled()).build();
        Self { sdk, roles: Arc::default() }
    }

    /// The region of the environment or the profile.
    pub fn region(&self) -> Option<&str> {
        self.sdk.region().map(Region::as_ref)
    }

    /// Settings for a client.
    pub async fn config(&self, reach: &Reach) -> SdkConfig {
        let mut builder = self.sdk.clone().into_builder();
        if let Some(region) = &reach.region {
            builder = builder.region(Region::new(region.clone()));
        }
        if let Some(url) = &reach.endpoint_url {
            builder = builder.endpoint_url(url.clone());
        }
        if let Some(arn) = &reach.role_arn {
            let role = Role { arn: arn.clone(), external_id: reach.external_id.clone() };
            builder = builder.credentials_provider(self.role(role, reach.region.as_deref()).await);
        }
        builder.build()
    }

    /// One provider a role, however many regions it is used in: the SDK keeps credentials by provider.
    async fn role(&self, role: Role, region: Option<&str>) -> SharedCredentialsProvider {
        let mut roles = self.roles.lock().await;
        if let Some(provider) = roles.get(&role) {
            return provider.clone();
        }
        if roles.len() >= ROLES_MAX {
            roles.clear();
        }
        let region = self.region().or(region).unwrap_or(REGION_DEFAULT).to_string();
        let mut builder = AssumeRoleProvider::builder(&role.arn)
            .session_name(SESSION_NAME)
            .region(Region::new(region))
            // The provider's own calls may be retried by the SDK: nobody else sees them fail.
            .configure(&self.sdk.clone().into_builder().retry_config(RetryConfig::standard()).build());
        if let Some(id) = &role.external_id {
            builder = builder.external_id(id);
        }
        let provider = SharedCredentialsProvider::new(builder.build().await);
        roles.insert(role, provider.clone());
        provider
    }
}

/// Whether the environment names a stand-in for a service.
pub(crate) fn endpoint_in_environment(service: &str) -> bool {
    std::env::var_os("AWS_ENDPOINT_URL").is_some() || std::env::var_os(format!("AWS_ENDPOINT_URL_{service}")).is_some()
}

/// Makes a call, within `time_max`, and counts it.
pub async fn call<T, E>(
    metrics: &Metrics,
    (service, operation): (&str, &str),
    time_max: Duration,
    send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, Fault>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let result = match tokio::time::timeout(time_max, send).await {
        Ok(result) => result.map_err(|error| Fault::of(&error)),
        Err(_) => Err(Fault::timeout(time_max)),
    };
    let word = result.as_ref().map_or_else(|fault| fault.kind.word(), |_| "ok");
    metrics.calls.with_label_values(&[service, operation, word]).inc();
    result
}

/// How long to wait between tries.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

impl Backoff {
    /// The wait before try number `tries` + 1: doubled each time, of which half is left to chance, so that what failed
    /// together does not come back together.
    pub fn wait(self, tries: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(self.longest);
        doubled.mul_f64(0.5 + 0.5 * fastrand::f64())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_sdk_s3::config::Credentials;

    use super::*;
    use trailhound_testing::fake_aws::FakeAws;

    /// Settings that reach a stand-in, whatever the environment says.
    pub(crate) async fn aws(fake: &FakeAws) -> Aws {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIATEST", "test", None, None, "test"))
            .endpoint_url(fake.endpoint());
        Aws::with(sdk.load().await)
    }

    #[test]
    fn backoff_doubles_up_to_its_longest() {
        let backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };
        for (tries, longest) in [(0, 100), (1, 100), (2, 200), (3, 400), (6, 2000), (u32::MAX, 2000)] {
            let wait = backoff.wait(tries).as_millis();
            assert!((longest / 2..=longest).contains(&wait), "{tries}: {wait}");
        }
    }
}
