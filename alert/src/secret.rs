//! Where a secret lies, and what was found there. Configuration only ever names the place; what was found is wrapped so
//! that it cannot be printed by accident.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

/// The place of a secret: `{ env = "NAME" }`, `{ file = "/run/secrets/x" }` or `{ aws_secret = "name or ARN", field =
/// "key of its JSON" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    Env { name: String },
    File { path: PathBuf },
    AwsSecret { id: String, field: Option<String> },
}

/// A secret's text. Only [`Hidden::reveal`] gives it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

/// Reads secrets that lie in AWS Secrets Manager: the binary knows how.
pub trait Secrets: Send + Sync {
    /// The text of a secret by name or ARN.
    fn read<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<String, Box<dyn Error + Send + Sync>>>;
}

/// Knows no AWS secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn read<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<String, Box<dyn Error + Send + Sync>>> {
        Box::pin(async { Err("secrets of AWS Secrets Manager are not read here".into()) })
    }
}

impl Secret {
    /// Reads the secret. Spaces and line ends around it are not part of it. Errors never hold what was read.
    pub async fn resolve(&self, secrets: &dyn Secrets) -> Result<Hidden, Box<dyn Error + Send + Sync>> {
        let text = match self {
            Secret::Env { name } => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => return Err("the variable is not set".into()),
                Err(std::env::VarError::NotUnicode(_)) => return Err("it is not UTF-8".into()),
            },
            Secret::File { path } => tokio::fs::read_to_string(path).await?,
            Secret::AwsSecret { id, field } => {
                let text = secrets.read(id).await?;
                match field {
                    None => text,
                    Some(field) => {
                        // serde_json's errors do not quote the text, but their position would tell of it.
                        let json: serde_json::Value = serde_json::from_str(&text).map_err(|_| "it is not JSON")?;
                        let value = json.get(field).and_then(|v| v.as_str());
                        value.ok_or_else(|| format!("its JSON has no text `{field}`"))?.to_owned()
                    }
                }
            }
        };
        let text = text.trim();
        if text.is_empty() { Err("it is empty".into()) } else { Ok(Hidden(text.to_owned())) }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Env { name } => write!(f, "the environment variable {name}"),
            Secret::File { path } => write!(f, "the file {}", path.display()),
            Secret::AwsSecret { id, .. } => write!(f, "the AWS secret {id}"),
        }
    }
}

impl Hidden {
    /// A secret that somebody already has.
    pub fn new(text: impl Into<String>) -> Self {
        Hidden(text.into())
    }

    /// The secret itself. Never log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    env: Option<String>,
    file: Option<PathBuf>,
    aws_secret: Option<String>,
    field: Option<String>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Place)
    }
}

/// Reads the table. Whoever writes the secret itself into the file gets an error that does not repeat it.
struct Place;

const EXPECTED: &str = "{ env = \"NAME\" }, { file = \"/path\" } or { aws_secret = \"name or ARN\" }";

impl<'de> Visitor<'de> for Place {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Secret, E> {
        Err(E::custom(format!("a secret is not written here; say where it lies: {EXPECTED}")))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        let secret = match table {
            Table { env: Some(name), file: None, aws_secret: None, field: None } => Secret::Env { name },
            Table { env: None, file: Some(path), aws_secret: None, field: None } => Secret::File { path },
            Table { env: None, file: None, aws_secret: Some(id), field } => Secret::AwsSecret { id, field },
            _ => return Err(serde::de::Error::custom(format!("a secret is one of {EXPECTED}"))),
        };
        Ok(secret)
    }
}

/// An address that is secret in itself, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Plain(String),
    Secret(Secret),
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Address;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a URL, or {EXPECTED}")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Address, E> {
                Ok(Address::Plain(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Address, A::Error> {
                Place.visit_map(map).map(Address::Secret)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Vault;
    impl Secrets for Vault {
        fn read<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<String, Box<dyn Error + Send + Sync>>> {
            Box::pin(async move { Ok(format!("{{\"key\": \"from {id}\"}}")) })
        }
    }

    #[derive(Debug, Deserialize)]
    struct Holder {
        key: Secret,
    }

    fn read(text: &str) -> Result<Secret, String> {
        toml::from_str::<Holder>(text).map(|h| h.key).map_err(|e| e.message().to_string())
    }

    #[tokio::test]
    async fn secrets_are_places_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, "from-file\n").unwrap();
        let file = read(&format!("key = {{ file = {:?} }}", path.display().to_string())).unwrap();
        assert_eq!(file.resolve(&Vault).await.unwrap().reveal(), "from-file");
        let aws = read("key = { aws_secret = \"pager\", field = \"key\" }").unwrap();
        let hidden = aws.resolve(&Vault).await.unwrap();
        assert_eq!(hidden.reveal(), "from pager");
        assert_eq!(format!("{hidden} {hidden:?}"), "… Hidden(…)");
        let absent = Secret::AwsSecret { id: "pager".into(), field: Some("absent".into()) };
        assert_eq!(absent.resolve(&Vault).await.unwrap_err().to_string(), "its JSON has no text `absent`");
        let unset = read("key = { env = \"TRAILHOUND_NOT_SET\" }").unwrap();
        assert_eq!(unset.to_string(), "the environment variable TRAILHOUND_NOT_SET");
        assert!(unset.resolve(&NoSecrets).await.is_err());

        let wrong = read("key = \"hunter2\"").unwrap_err();
        assert!(wrong.contains("a secret is not written here") && !wrong.contains("hunter2"), "{wrong}");
        assert!(read("key = { env = \"A\", file = \"b\" }").unwrap_err().contains("is one of"));
        assert!(read("key = { value = \"hunter2\" }").unwrap_err().contains("unknown field `value`"));
    }
}
