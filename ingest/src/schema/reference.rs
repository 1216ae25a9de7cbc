//! The reference page of `events`, made from the one definition of its columns.

use std::fmt::Write;

use super::{COLUMNS, DERIVE_VERSION, Kind};

const INTRODUCTION: &str = "# The columns of `events`

One row a record. CloudTrail's names in snake_case, flat; nested parts as JSON text, every byte as received but for
secrets, whose values are `\"REDACTED\"`. Absent, null and empty text are all null. The table is partitioned by
`event_date`. This page is made from `ingest/src/schema.rs`; `UPDATE=1 cargo test --release -p trailhound -p trailhound-ingest reference`
writes it anew.

Derived columns follow from the others and from the operator's GeoIP files; `trailhound store rederive` makes them anew for
rows that are there.

";

const PRINCIPALS: &str = "
## Principals
`principal_key` names the same principal in every record, by unique ids where there are any.

| userIdentity.type | key |
|---|---|
| Root | `root:{account}` |
| IAMUser | `user:{AIDA…}`; a failed sign-in that hides the user: `unknown-user:{account}` |
| AssumedRole, Role | `role:{AROA…}`; the session's name is in `session_name` |
| FederatedUser | `fed:{account}:{name}` |
| SAMLUser, WebIdentityUser | `saml:{provider}:{user}`, `oidc:{provider}:{user}` |
| AWSAccount | `ext:{account}:{principal id}` |
| AWSService, or no type | `svc:{service}` |
| IdentityCenterUser | `idc:{identity store}:{user id}` |
| Directory, Unknown | `dir:{principal id}`, `unk:{account}:{principal id or name}` |

`principal_class` is `aws_service`, `service_linked_role`, `root`, `human`, `human_sso`, `human_iam_user`,
`ec2_instance`, `ssm_hybrid_node`, `lambda`, `ecs_task`, `eks_pod`, `ci`, `aws_service_role`, `sdk_assume` or `unknown`.

## Outcome
`denied`: the error code says that there is no permission. `failure`: any other error code, a failed sign-in, a wrong
credential, a dry run. `success`: the rest.
";

/// The page as it stands in `docs/events.md`.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    let _ = writeln!(page, "Facts derived from one record are of version {DERIVE_VERSION} (`derive_version`).\n");
    page.push_str("| column | type | null | derived | from |\n|---|---|---|---|---|\n");
    for column in COLUMNS {
        let yes = |holds: bool| if holds { "yes" } else { "" };
        let (null, derived) = (yes(column.nullable), yes(column.derived));
        let from = column.from.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {} | {null} | {derived} | {from} |", column.name, type_name(column.kind));
    }
    page.push_str(PRINCIPALS);
    page
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Json => "JSON text",
        Kind::Flag => "boolean",
        Kind::Int => "int",
        Kind::Long => "bigint",
        Kind::Float => "double",
        Kind::Time => "timestamp (µs, UTC)",
        Kind::Date => "date",
        Kind::TextList => "list of text",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md");
        let page = super::reference();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "docs/events.md is stale: run with UPDATE=1");
    }
}
