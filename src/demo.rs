//! `trailhound demo`: the whole thing on sample logs that the binary makes itself, so that nothing is to be installed.
//!
//! The logs are those of a made-up organisation over four days with several planted incidents, the same every time.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use trailhound_detect::Finding;
use trailhound_ingest::Geo;
use trailhound_ingest::source::{Selection, Wanted};
use trailhound_simulate::{Options, generate};
use trailhound_store::Site;

use crate::args::{DemoArgs, FindingsFormat, RowsFormat, RuleArgs, SiteArgs, SqlArgs, StoreArgs};
use crate::scan::{Place, Workbench};
use crate::{intake, output, sql};

/// The demo's logs are the same every time.
const SEED: u64 = 2026;

/// Questions that an analyst would ask first.
const QUESTIONS: [(&str, &str); 3] = [
    (
        "Who signed in to the console without MFA, and from where?",
        "SELECT event_time, account_id, principal_name, source_ip_address, source_country, login_result FROM logins \
         WHERE mfa_used = false AND principal_class IN ('root', 'human_iam_user') ORDER BY event_time LIMIT 10",
    ),
    (
        "Which principals were refused most often?",
        "SELECT principal_name, principal_class, count(*) AS refused, count(DISTINCT event_name) AS apis \
         FROM events WHERE outcome = 'denied' AND NOT actor_is_service GROUP BY principal_name, principal_class ORDER BY refused DESC, principal_name LIMIT 5",
    ),
    (
        "Which long-term keys were used from more than one network?",
        "SELECT user_identity_access_key_id AS key, principal_name, count(DISTINCT source_network) AS networks, \
         count(*) AS calls FROM events WHERE user_identity_access_key_id LIKE 'AKIA%' AND source_kind = 'public' \
         GROUP BY user_identity_access_key_id, principal_name HAVING count(DISTINCT source_network) > 1 ORDER BY networks DESC, calls DESC LIMIT 5",
    ),
];

/// Makes the logs, scans them, prints findings and answers.
pub async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder (TMPDIR says where)")?;
    let logs = folder.path().join("logs");
    eprintln!("Making four days of logs of a made-up organisation …");
    let made = generate(&Options { compression: 1, ..Options::demo(&logs).seed(SEED) }, &|_| ())?;
    eprintln!("{} events in {} objects. Scanning …\n", made.events, made.objects);

    let place = Place::of(args.store.as_deref())?;
    let mut bench = Workbench::open(&place, None, &RuleArgs::default()).await?;
    let geo = Geo::open(&[logs.join("geo-city.mmdb"), logs.join("geo-asn.mmdb")])?;
    let source = intake::open_source(&logs.join("AWSLogs").display().to_string()).await?;
    let outcome = bench.read(source, Selection::Wanted(Wanted::default()), geo, None).await?;
    let findings = bench.detector.findings().current().await?;
    output::findings(&findings, FindingsFormat::Table, &Site::default())?;
    bench.tell(&outcome, &findings).await?;
    drop(bench);
    planted(&logs, &findings)?;

    let location = place.location();
    for (question, statement) in QUESTIONS {
        println!("\n{question}\n  {statement}\n");
        let store = StoreArgs { store: location.clone(), ledger: None };
        let asked = SqlArgs {
            statement: Some(statement.into()),
            store,
            site: SiteArgs::default(),
            format: RowsFormat::Table,
            memory: 512,
        };
        sql::run(asked).await?;
    }
    match &args.store {
        Some(store) => eprintln!("\nThe store is kept: trailhound sql --store {store}"),
        None => eprintln!(
            "\nNext: trailhound demo --store demo-store, then trailhound sql --store demo-store; or trailhound scan on logs of your own."
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells which of the planted incidents the findings touch.
fn planted(logs: &Path, findings: &[Finding]) -> anyhow::Result<()> {
    let found: HashSet<&str> =
        findings.iter().flat_map(|finding| finding.event_ids.iter().map(String::as_str)).collect();
    let labels = std::fs::read_to_string(logs.join("labels.ndjson")).context("cannot read the demo's labels")?;
    eprintln!("\nplanted incidents, and whether a rule sees them:");
    for line in labels.lines() {
        let label: serde_json::Value = serde_json::from_str(line).context("a label is not JSON")?;
        let seen = label["event_ids"]
            .as_array()
            .is_some_and(|ids| ids.iter().any(|id| found.contains(id.as_str().unwrap_or(""))));
        let word = |key: &str| label[key].as_str().unwrap_or("").to_string();
        eprintln!(
            "  {} {} ({})",
            if seen { "found " } else { "missed" },
            word("kind").replace('_', " "),
            word("strength")
        );
    }
    Ok(())
}
