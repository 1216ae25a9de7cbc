//! Where a case's addresses are. Geography comes from a file of the operator's, which no case can have, so cases of
//! rules on countries, distances and networks say it themselves: `"places": {"198.51.100.7": {"country": "PT", "lat": 38.7, …}}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use serde::Deserialize;

/// What is known of an address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// ISO country code.
    #[serde(default)]
    pub country: Option<String>,
    /// Autonomous system number.
    #[serde(default)]
    pub asn: Option<u32>,
    /// The organisation that the autonomous system belongs to.
    #[serde(default)]
    pub as_org: Option<String>,
    #[serde(default)]
    pub lat: Option<f64>,
    #[serde(default)]
    pub lon: Option<f64>,
}

/// The rows with the places of their addresses; other addresses are nowhere, as without a file.
pub(crate) fn located(batch: RecordBatch, places: &BTreeMap<String, Place>) -> Result<RecordBatch, ArrowError> {
    if places.is_empty() {
        return Ok(batch);
    }
    let schema = batch.schema();
    let addresses = cast(batch.column(schema.index_of("source_ip")?), &DataType::Utf8)?;
    let addresses = addresses.as_string::<i32>();
    let row = |i: usize| if addresses.is_null(i) { None } else { places.get(addresses.value(i)) };
    let rows = || 0..batch.num_rows();
    let countries: StringArray = rows().map(|i| row(i)?.country.as_deref()).collect();
    let asns: Int64Array = rows().map(|i| row(i)?.asn.map(i64::from)).collect();
    // What came through an endpoint is of its network, wherever its address is.
    let endpoints = batch.column(schema.index_of("vpc_endpoint_id")?);
    let system = |i: usize| row(i)?.asn.filter(|_| endpoints.is_null(i)).map(|asn| format!("AS{asn}"));
    let networks = cast(batch.column(schema.index_of("source_network")?), &DataType::Utf8)?;
    let networks = networks.as_string::<i32>();
    let network = |i: usize| system(i).or_else(|| networks.is_valid(i).then(|| networks.value(i).to_owned()));
    let networks: StringArray = rows().map(network).collect();
    let organisations: StringArray = rows().map(|i| row(i)?.as_org.as_deref()).collect();
    let lats: Float64Array = rows().map(|i| row(i)?.lat).collect();
    let lons: Float64Array = rows().map(|i| row(i)?.lon).collect();
    let columns: [(&str, ArrayRef); 6] = [
        ("source_country", Arc::new(countries)),
        ("source_asn", Arc::new(asns)),
        ("source_network", Arc::new(networks)),
        ("source_as_org", Arc::new(organisations)),
        ("source_lat", Arc::new(lats)),
        ("source_lon", Arc::new(lons)),
    ];
    let mut arrays = batch.columns().to_vec();
    for (name, array) in columns {
        let at = schema.index_of(name)?;
        arrays[at] = cast(&array, schema.field(at).data_type())?;
    }
    RecordBatch::try_new(schema, arrays)
}
