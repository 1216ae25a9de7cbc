//! Our scalar SQL functions, for rules and analysts alike. Null in gives null out, and hostile text is never an error.

mod cidr;
mod json_text;
mod text;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use trailhound_iam as policy;
use trailhound_ingest::{agent, identity, network};

pub(crate) use cidr::Network;
pub(crate) use text::Texts;
use text::text_of_texts;
pub use text::{boolean_of_text, text_of_text, text_of_two_texts};

/// Makes every function known to a session.
pub fn register(session: &SessionContext) {
    for function in all() {
        session.register_udf(function);
    }
}

/// Every function. What they say is said by plain Rust functions of the crates that know the matter.
fn all() -> Vec<ScalarUDF> {
    vec![
        json_text::function(),
        cidr::function(),
        boolean_of_text("policy_grants_admin", policy::grants_admin),
        boolean_of_text("policy_public", policy::public),
        text_of_two_texts("policy_foreign_accounts", policy::foreign_accounts),
        text_of_text("user_agent_family", agent::family),
        text_of_text("user_agent_os", |agent| agent::os(agent).map(str::to_string)),
        text_of_text("user_agent_client", |agent| Some(agent::client(agent))),
        text_of_text("source_kind", |source| Some(network::classify(source).0.as_str().to_string())),
        text_of_text("source_network", |source| {
            let (kind, address) = network::classify(source);
            network::network(source, kind, address, None, None)
        }),
        text_of_text("account_of_access_key", identity::account_of_key),
        text_of_texts("person", 5, |texts, row| {
            let text = |argument| texts.get(argument, row);
            identity::person(text(0), text(1), text(2), text(3), text(4))
        }),
    ]
}
