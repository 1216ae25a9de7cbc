//! Views that are planned when a query first names them. A session knows many of them, and most queries none: planning them all
//! took longer than reading back the events of a finding.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::TableType;
use datafusion::prelude::{DataFrame, SessionContext};

type Result<T> = std::result::Result<T, DataFusionError>;

/// Makes views known to a session, each by its name and its query. They may name each other, and tables that come later.
pub(crate) fn register(session: &SessionContext, views: &[(&'static str, &'static str)]) -> Result<()> {
    let (catalog, schema) = {
        let catalog = session.copied_config().options().catalog.clone();
        (catalog.default_catalog, catalog.default_schema)
    };
    let missing = |what: &str| DataFusionError::Internal(format!("a session without the {what} that it begins with"));
    let catalog: Arc<dyn CatalogProvider> = session.catalog(&catalog).ok_or_else(|| missing("catalog"))?;
    let tables = catalog.schema(&schema).ok_or_else(|| missing("schema"))?;
    let state = session.state_weak_ref();
    let state = Box::new(move || state.upgrade().map(|state| state.read().clone()));
    let views = Views { tables, queries: views.iter().copied().collect(), planned: Mutex::default(), state };
    catalog.register_schema(&schema, Arc::new(views)).map(drop)
}

/// The tables of a session, and views beside them.
struct Views {
    tables: Arc<dyn SchemaProvider>,
    queries: HashMap<&'static str, &'static str>,
    planned: Mutex<HashMap<&'static str, Arc<dyn TableProvider>>>,
    /// The session's state as it is; it owns this, so it is not owned by it.
    state: Box<dyn Fn() -> Option<SessionState> + Send + Sync>,
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").field("tables", &self.tables).field("queries", &self.queries).finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for Views {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.tables.table_names();
        names.extend(self.queries.keys().map(ToString::to_string));
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some((name, query)) = self.queries.get_key_value(name) else { return self.tables.table(name).await };
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if planned.is_some() {
            return Ok(planned);
        }
        let Some(state) = (self.state)() else { return Ok(None) };
        let plan = state.create_logical_plan(query).await?;
        let view = DataFrame::new(state, plan).into_view();
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).insert(name, view.clone());
        Ok(Some(view))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        match self.queries.contains_key(name) {
            true => Ok(Some(TableType::View)),
            false => self.tables.table_type(name).await,
        }
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.queries.contains_key(name.as_str()) {
            return Err(DataFusionError::Plan(format!("{name} is a view already")));
        }
        self.tables.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.tables.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.queries.contains_key(name) || self.tables.table_exist(name)
    }
}
