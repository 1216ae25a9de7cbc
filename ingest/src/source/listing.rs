//! Lists the logs of accounts, regions and days, a day's prefix at a time.
//!
//! For a backfill: a prefix is a unit of work that is finished or not, so that what remains after a stop is a set of
//! prefixes. Pages follow S3's own continuation tokens. There is no marker "after this key": keys of one day do not
//! arrive in their order, so a marker would skip what came late below it.

use jiff::civil::Date;

use super::{Clients, FetchError, Page};

/// Folders of logs beside each other below an account (domain.md §1.1).
const FOLDERS: [&str; 3] = ["CloudTrail", "CloudTrail-Insight", "CloudTrail-NetworkActivity"];

/// What of a bucket is to be listed. Empty lists mean all that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub bucket: String,
    /// What stands before `AWSLogs/`, with its `/`, or nothing.
    pub prefix: String,
    /// `o-…` of an organization's trail; by default what there is, with one and without.
    pub organization: Option<String>,
    pub accounts: Vec<String>,
    pub regions: Vec<String>,
    /// Days by which logs are filed, the last one included: the day of delivery, which for late events is a later day
    /// than that of the events.
    pub first_day: Date,
    pub last_day: Date,
}

/// A scope and how to reach it.
#[derive(Clone, Debug)]
pub struct Listing {
    clients: Clients,
    scope: Scope,
}

impl Listing {
    pub fn new(clients: &Clients, scope: Scope) -> Self {
        Self { clients: clients.clone(), scope }
    }

    /// The folders of regions, `…/AWSLogs/[o-…/]ACCOUNT/CloudTrail/REGION/`; found by listing where the scope names no
    /// accounts, regions or organization.
    pub async fn regions(&self) -> Result<Vec<String>, FetchError> {
        let scope = &self.scope;
        let base = format!("{}AWSLogs/", scope.prefix);
        let bases = match &scope.organization {
            Some(organization) => vec![format!("{base}{organization}/")],
            None => {
                let folders = self.clients.folders(&scope.bucket, &base).await?;
                let organizations = folders.into_iter().filter(|folder| folder[base.len()..].starts_with("o-"));
                std::iter::once(base.clone()).chain(organizations).collect()
            }
        };
        let mut regions = Vec::new();
        for base in &bases {
            for account in self.accounts(base).await? {
                for folder in FOLDERS {
                    let folder = format!("{account}{folder}/");
                    match scope.regions.is_empty() {
                        true => regions.extend(self.clients.folders(&scope.bucket, &folder).await?),
                        false => regions.extend(scope.regions.iter().map(|region| format!("{folder}{region}/"))),
                    }
                }
            }
        }
        Ok(regions)
    }

    async fn accounts(&self, base: &str) -> Result<Vec<String>, FetchError> {
        if !self.scope.accounts.is_empty() {
            return Ok(self.scope.accounts.iter().map(|account| format!("{base}{account}/")).collect());
        }
        let is_account = |folder: &String| {
            let name = folder[base.len()..].trim_end_matches('/');
            name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit())
        };
        let folders = self.clients.folders(&self.scope.bucket, base).await?;
        Ok(folders.into_iter().filter(is_account).collect())
    }

    /// The prefixes to list, a day of a region each, oldest day first, so that rules see history grow.
    pub fn prefixes(&self, regions: Vec<String>) -> impl Iterator<Item = String> + use<> {
        let (last, mut day) = (self.scope.last_day, Some(self.scope.first_day));
        let days = std::iter::from_fn(move || {
            let this = day.filter(|day| *day <= last)?;
            day = this.tomorrow().ok();
            Some(this)
        });
        days.flat_map(move |day| {
            let date = format!("{:04}/{:02}/{:02}/", day.year(), day.month(), day.day());
            let prefixes: Vec<String> = regions.iter().map(|region| format!("{region}{date}")).collect();
            prefixes
        })
    }

    /// One page of a prefix; the prefix is finished when there is no next one.
    pub async fn page(&self, prefix: &str, token: Option<String>) -> Result<Page, FetchError> {
        self.clients.list(&self.scope.bucket, prefix, token).await
    }

    pub fn bucket(&self) -> &str {
        &self.scope.bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Aws;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn prefixes_are_days_of_regions() {
        let sdk = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let scope = Scope {
            bucket: "logs".into(),
            prefix: "sec/".into(),
            organization: Some("o-a1b2c3d4e5".into()),
            accounts: vec!["111122223333".into()],
            regions: vec!["eu-west-1".into(), "us-east-1".into()],
            first_day: jiff::civil::date(2024, 2, 28),
            last_day: jiff::civil::date(2024, 3, 1),
        };
        let listing = Listing::new(&Clients::new(Aws::with(sdk), Vec::new(), Metrics::unregistered()), scope);
        let regions = listing.regions().await.unwrap();
        assert_eq!(regions.len(), 6, "{regions:?}");
        let prefixes: Vec<String> = listing.prefixes(regions).collect();
        assert_eq!(prefixes.len(), 18);
        assert_eq!(prefixes[0], "sec/AWSLogs/o-a1b2c3d4e5/111122223333/CloudTrail/eu-west-1/2024/02/28/");
        assert_eq!(
            prefixes[17],
            "sec/AWSLogs/o-a1b2c3d4e5/111122223333/CloudTrail-NetworkActivity/us-east-1/2024/03/01/"
        );
        assert!(prefixes.iter().any(|prefix| prefix.contains("/2024/02/29/")));
    }
}
