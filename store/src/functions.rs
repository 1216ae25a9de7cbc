//! Our scalar SQL functions, for rules and analysts alike. Null in gives null out, and hostile text is never an error.

mod cidr;
mod facts;
mod json_text;
mod policy;
mod text;

use datafusion::prelude::SessionContext;

pub use text::{boolean_of_text, text_of_text, text_of_two_texts};

/// Makes every function known to a session.
pub fn register(session: &SessionContext) {
    session.register_udf(json_text::function());
    session.register_udf(cidr::function());
    policy::register(session);
    facts::register(session);
}
