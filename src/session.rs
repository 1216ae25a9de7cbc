//! An existing store, opened to be asked.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use datafusion::prelude::SessionContext;
use trailhound_detect::FindingsLedger;
use trailhound_store::{Site, Store, StoreOptions};

use crate::args::{SiteArgs, StoreArgs};
use crate::shipped;

/// A store and its findings.
pub struct Asked {
    pub store: Store,
    pub findings: FindingsLedger,
    /// What the operator knows.
    pub site: Arc<Site>,
}

impl Asked {
    /// Opens a store that is there. Opening would make a new one, which nobody means who asks questions.
    pub async fn open(args: &StoreArgs) -> anyhow::Result<Self> {
        Self::with_memory(args, None).await
    }

    /// The same with what the operator knows.
    pub fn at(self, site: &SiteArgs) -> anyhow::Result<Self> {
        Ok(Asked { site: shipped::facts(site)?, ..self })
    }

    /// Opens a store whose queries may use this much memory.
    pub async fn with_memory(args: &StoreArgs, query_bytes_max: Option<usize>) -> anyhow::Result<Self> {
        let path = args.store.strip_prefix("file://").unwrap_or(&args.store);
        if !path.contains("://") && !Path::new(path).join("events/_delta_log").is_dir() {
            anyhow::bail!("there is no store at {path}; `trailhound scan PATH --store {path}` makes one");
        }
        let mut options = StoreOptions { ledger: args.ledger.clone(), ..StoreOptions::new(args.store.clone()) };
        options.query_bytes_max = query_bytes_max.unwrap_or(options.query_bytes_max);
        Self::with_options(options).await
    }

    /// Opens a store that is known to be there.
    pub async fn with_options(options: StoreOptions) -> anyhow::Result<Self> {
        let store = Store::open(options).await?;
        let findings = FindingsLedger::open(store.ledger()).await?;
        Ok(Asked { store, findings, site: Arc::default() })
    }

    /// A session over the newest state: events, findings, the ledger's tables and the views.
    pub async fn session(&self) -> anyhow::Result<SessionContext> {
        let session = self.store.session().await?;
        self.site.register(&session).context("cannot ask about site facts")?;
        self.findings.register(&session).context("cannot ask about findings")?;
        trailhound_alert::register(self.store.ledger(), &session).await.context("cannot ask about incidents")?;
        crate::serve::register_sources(self.store.ledger(), &session).await?;
        crate::permissions::register(self.store.ledger(), &session).await?;
        Ok(session)
    }
}
