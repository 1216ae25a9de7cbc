//! The reference page of `activity`, made from the one definition of its columns.

use std::fmt::Write;

use trailhound_ingest::schema::Kind;

use super::{DIMENSIONS, MEASURES};

const INTRODUCTION: &str = "# The columns of `activity`

How often who did what from where, by the hour: one row for all events that agree in the columns above `events`. Every
kept event is counted once, whatever became of it in `events` by retention. This page is made from `store/src/activity.rs`;
`UPDATE=1 cargo test --release --workspace --locked --lib -- activity::reference` writes it anew.

In SQL `activity` is always as new as `events`. On disk it is a Delta Lake table of its own, `activity/` beside `events/`,
partitioned by `event_date`, whose files are partial counts: sum `events` and take the least and greatest times to read them
with other programs. Its newest files may be some commits behind `events`: the application transaction
`trailhound.events` in its log is the version of `events` that it counts up to. `activity_partials` in SQL are
the counts before they are summed: several rows may tell of one thing. What is summed over `activity` again is summed from them
at once: `sum`, `min`, `max`, `DISTINCT` and filters by what stands above `events` are soon answered over months.

| column | type | null | from |
|---|---|---|---|
";

/// The page as it stands in `docs/activity.md`.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for column in DIMENSIONS.iter().chain(MEASURES) {
        let null = if column.nullable { "yes" } else { "" };
        let kind = match column.kind {
            Kind::Date => "date",
            Kind::Time => "timestamp (µs, UTC)",
            Kind::Flag => "boolean",
            Kind::Long => "bigint",
            _ => "text",
        };
        let _ = writeln!(page, "| `{}` | {kind} | {null} | {} |", column.name, column.from);
    }
    page
}

#[cfg(test)]
mod tests {
    #[test]
    fn reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/activity.md");
        let page = super::reference();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "docs/activity.md is stale: run with UPDATE=1");
    }
}
