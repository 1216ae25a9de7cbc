//! Made-up organisations that know what is true of everybody's permissions, and what the binary says of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use trailhound_simulate::{Options, generate};

use crate::world::World;

/// Of a report, what is compared. A whole one with all actions takes a hundred megabytes.
#[derive(Deserialize)]
struct Reported {
    principals: Vec<ReportedPrincipal>,
}

#[derive(Deserialize)]
struct ReportedPrincipal {
    arn: String,
    activity: String,
    #[serde(default)]
    actions: Vec<ReportedAction>,
    not_granted: Vec<String>,
}

#[derive(Deserialize)]
struct ReportedAction {
    action: String,
    verdict: String,
    detail: String,
}

/// A line of `permissions.ndjson`: of a principal, or of one of its actions.
#[derive(Deserialize)]
struct Truth {
    principal: String,
    kind: Option<String>,
    activity: Option<String>,
    action: Option<String>,
    #[serde(default)]
    granted: bool,
    verdict: Option<String>,
    why: Option<String>,
    runs: Option<String>,
}

/// What a report says of everybody: the activity by ARN, and the verdict with its reason by ARN and action.
struct Said {
    activity: BTreeMap<String, String>,
    verdicts: BTreeMap<(String, String), (String, String)>,
}

impl Said {
    fn read(text: &str) -> Said {
        let report: Reported = serde_json::from_str(text).unwrap();
        let mut said = Said { activity: BTreeMap::new(), verdicts: BTreeMap::new() };
        for one in report.principals {
            for action in one.not_granted {
                let key = (one.arn.clone(), action.to_lowercase());
                said.verdicts.insert(key, ("used, not granted".into(), String::new()));
            }
            for action in one.actions {
                let key = (one.arn.clone(), action.action.to_lowercase());
                said.verdicts.insert(key, (action.verdict, action.detail));
            }
            said.activity.insert(one.arn, one.activity);
        }
        said
    }

    fn of(&self, truth: &Truth) -> (&str, &str) {
        let Some(action) = &truth.action else {
            return (self.activity.get(&truth.principal).map_or("left out", String::as_str), "");
        };
        let key = (truth.principal.clone(), action.to_lowercase());
        self.verdicts.get(&key).map_or(("not granted", ""), |(verdict, detail)| (verdict, detail))
    }
}

impl Truth {
    /// In the report's words.
    fn expected(&self) -> String {
        match (self.kind.as_deref(), &self.verdict) {
            (Some("service_linked_role"), _) => "left out".into(),
            (_, None) => self.activity.clone().unwrap(),
            (_, Some(verdict)) if verdict == "used" && !self.granted => "used, not granted".into(),
            (_, Some(verdict)) => verdict.replace('_', " "),
        }
    }
}

/// Everything that the truth can say, so that no seed is compared over too little.
const SAID: &[(&str, Option<&str>)] = &[
    ("not granted", Some("taken away")),
    ("not observable", Some("never logged")),
    ("not observable", Some("no data events")),
    ("not observable", Some("no data events of all")),
    ("not observable", Some("permission only")),
    ("not observable", Some("young")),
    ("unused", None),
    ("unused", Some("denied only")),
    ("used", None),
    ("used, not granted", None),
];

#[test]
fn an_organisation_that_knows_the_truth_is_judged_by_it() {
    for seed in [2, 11] {
        let world = World::new(&format!("permissions-truth-{seed}"));
        let out = world.path("organisation");
        let options = Options { period_minutes: 720, jobs: true, service_share: 0.4, ..Options::new(&out) };
        generate(&options.seed(seed).accounts(2).days(15).events(8_000), &|_| ()).unwrap();
        let store = world.store("store");
        store.scan(&out.join("AWSLogs")).ok();
        let ask = |more: &[&str]| {
            let files = std::fs::read_dir(out.join("iam")).unwrap().map(|file| file.unwrap().path());
            let files: Vec<String> = files.map(|file| file.to_str().unwrap().to_owned()).collect();
            let mut args =
                vec!["permissions", "--actions", "--format", "json", "--until", "2026-03-17", "--days", "15"];
            args.extend(files.iter().flat_map(|file| ["--iam", file]).chain(more.iter().copied()));
            Said::read(&store.command(args).ok().text())
        };
        let truth = std::fs::read_to_string(out.join("permissions.ndjson")).unwrap();
        let mut truth: Vec<Truth> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // Nobody can change the policies of a role that a service made for itself: reports leave it out.
        truth.retain(|one| one.action.is_none() || !one.principal.contains(":role/aws-service-role/"));
        let compared = |said: &Said, lines: &mut dyn Iterator<Item = (&Truth, String)>| -> Vec<String> {
            let line = |(truth, expected): (&Truth, String)| {
                let (found, detail) = said.of(truth);
                let action = truth.action.as_deref().unwrap_or("activity");
                let told = format!("{} {action}: true is {expected} {:?}", truth.principal, truth.why);
                (found != expected).then(|| format!("{told}, said is {found} ({detail})"))
            };
            lines.filter_map(line).collect()
        };

        // Policies are written only so that requests are read: what an upload needs beside is known from nothing else.
        let policies = world.path("policies");
        let said = ask(&["--policies", policies.to_str().unwrap()]);
        let differences = compared(&said, &mut truth.iter().map(|truth| (truth, truth.expected())));
        assert!(differences.is_empty(), "seed {seed}, of {} lines\n{}", truth.len(), differences.join("\n"));
        let listed: BTreeSet<&str> = truth.iter().map(|truth| truth.principal.as_str()).collect();
        assert!(said.activity.keys().all(|arn| listed.contains(arn.as_str())));
        for (verdict, why) in SAID {
            let has =
                |truth: &Truth| truth.action.is_some() && truth.expected() == *verdict && truth.why.as_deref() == *why;
            assert!(truth.iter().any(has), "seed {seed} has no {verdict} {why:?}");
        }

        // A month is five days here, and who was silent for two is looked at.
        let said = ask(&["--unused-after", "2", "--principal", "month-end", "--principal", "migration"]);
        let of_jobs = truth.iter().filter(|truth| truth.expected() == "used").filter_map(|truth| {
            let expected = if truth.runs.as_deref()? == "monthly" { "used now and then" } else { "unused of late" };
            Some((truth, expected.to_owned()))
        });
        let of_jobs: Vec<(&Truth, String)> = of_jobs.collect();
        assert!(of_jobs.len() >= 8, "{} uses by jobs", of_jobs.len());
        let differences = compared(&said, &mut of_jobs.into_iter());
        assert!(differences.is_empty(), "seed {seed}\n{}", differences.join("\n"));
    }
}
