//! Secrets that lie in AWS Secrets Manager. Those in the environment and in files are read by `alert` itself.

use anyhow::Context;
use tokio::sync::OnceCell;

/// Reads secrets with the default credentials.
#[derive(Default)]
pub struct SecretsManager {
    client: OnceCell<aws_sdk_secretsmanager::Client>,
}

impl SecretsManager {
    /// The text of a secret by name or ARN.
    pub async fn read(&self, id: &str) -> anyhow::Result<String> {
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
            .with_context(|| format!("the secret {id} cannot be read: secretsmanager:GetSecretValue is needed on it"))?;
        secret.secret_string().map(str::to_string).with_context(|| format!("the secret {id} holds no text"))
    }
}
