//! The facts of one record as SQL functions, for text that comes from elsewhere than a record's own columns.

use datafusion::prelude::SessionContext;
use trailhound_ingest::{agent, identity, network};

use super::text::text_of_text;

pub(super) fn register(session: &SessionContext) {
    session.register_udf(text_of_text("user_agent_family", agent::family));
    session.register_udf(text_of_text("user_agent_os", |text| agent::os(text).map(str::to_string)));
    session.register_udf(text_of_text("source_kind", |text| Some(network::classify(text).0.as_str().to_string())));
    session.register_udf(text_of_text("source_network", |text| {
        let (kind, address) = network::classify(text);
        network::network(text, kind, address, None, None)
    }));
    session.register_udf(text_of_text("account_of_access_key", identity::account_of_key));
    session.register_udf(text_of_text("event_name_without_version", |text| {
        Some(trailhound_ingest::unversioned(text).to_string())
    }));
}
