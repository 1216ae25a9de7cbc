//! What a policy document grants, and whom it lets in: the `iam` crate's answers in SQL.
//!
//! The text is a document (JSON, or URL-encoded as IAM logs it) or request parameters that hold one.

use datafusion::prelude::SessionContext;

use super::text::{boolean_of_text, text_of_two_texts};

pub(super) fn register(session: &SessionContext) {
    session.register_udf(boolean_of_text("policy_grants_admin", trailhound_iam::grants_admin));
    session.register_udf(boolean_of_text("policy_public", trailhound_iam::public));
    session.register_udf(text_of_two_texts("policy_foreign_accounts", trailhound_iam::foreign_accounts));
}
