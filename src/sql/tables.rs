//! What can be asked about: tables, their columns, functions.

use arrow::datatypes::SchemaRef;
use datafusion::prelude::SessionContext;

/// Names of all tables and views but those that only describe others.
pub fn names(session: &SessionContext) -> Vec<String> {
    let mut names: Vec<String> = session
        .catalog_names()
        .iter()
        .filter_map(|catalog| session.catalog(catalog))
        .flat_map(|catalog| {
            let schemas = catalog.schema_names().into_iter().filter(|name| name != "information_schema");
            schemas
                .filter_map(move |name| catalog.schema(&name))
                .flat_map(|schema| schema.table_names())
                .collect::<Vec<_>>()
        })
        .collect();
    names.sort();
    names
}

/// The columns of a table; `None` where there is no such table.
pub async fn columns(session: &SessionContext, table: &str) -> Option<SchemaRef> {
    Some(session.table_provider(table).await.ok()?.schema())
}

/// Names of all functions.
pub fn functions(session: &SessionContext) -> Vec<String> {
    let state = session.state();
    let mut names: Vec<String> = state
        .scalar_functions()
        .keys()
        .chain(state.aggregate_functions().keys())
        .chain(state.window_functions().keys())
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A type in a word that people use.
pub fn type_name(kind: &arrow::datatypes::DataType) -> String {
    use arrow::datatypes::DataType;
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int32 | DataType::Int64 | DataType::UInt64 => "integer".into(),
        DataType::Float64 => "float".into(),
        DataType::Timestamp(..) => "time (UTC)".into(),
        DataType::Date32 => "date".into(),
        DataType::List(item) => format!("list of {}", type_name(item.data_type())),
        other => other.to_string(),
    }
}
