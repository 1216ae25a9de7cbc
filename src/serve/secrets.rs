//! Secrets that lie in AWS Secrets Manager. Those in the environment and in files are read by `alert` itself.

use std::error::Error;

use anyhow::Context;
use futures::future::BoxFuture;
use tokio::sync::OnceCell;
use trailhound_alert::Secrets;

/// Reads secrets with the default credentials.
#[derive(Default)]
pub struct SecretsManager {
    client: OnceCell<aws_sdk_secretsmanager::Client>,
}

impl SecretsManager {
    async fn fetch(&self, id: &str) -> anyhow::Result<String> {
        let client = self
            .client
            .get_or_init(|| async { aws_sdk_secretsmanager::Client::new(&aws_config::load_from_env().await) })
            .await;
        let secret = client
            .get_secret_value()
            .secret_id(id)
            .send()
            .await
            .map_err(aws_sdk_secretsmanager::error::DisplayErrorContext)
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(|| {
                format!("the secret {id} cannot be read: secretsmanager:GetSecretValue is needed on it")
            })?;
        secret.secret_string().map(str::to_string).with_context(|| format!("the secret {id} holds no text"))
    }
}

impl Secrets for SecretsManager {
    fn read<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<String, Box<dyn Error + Send + Sync>>> {
        Box::pin(async move { self.fetch(id).await.map_err(|error| format!("{error:#}").into()) })
    }
}
