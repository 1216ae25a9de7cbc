//! A ledger with findings of our own, a receiver on loopback, and a clock that stands still.

mod grouping;
mod holding;
mod receiver;
mod telling;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::Value;
use trailhound_detect::{ChangeKind, Finding, RuleFacts};
use trailhound_store::{Store, StoreOptions};

use super::worker::{Pace, Step};
use super::*;
use crate::clock::{MINUTE, SECOND};
use crate::message::tests::finding;
use crate::outbox::Noted;
use crate::secret::NoSecrets;
use receiver::{Answer, Receiver};

/// Some time in 2026, µs.
const NOW: i64 = 1_790_000_000 * SECOND;
const PERSON: &str = "arn:aws:iam::111122223333:user/ana";

struct Scene {
    _folder: tempfile::TempDir,
    store: Store,
    alerts: Arc<Alerts>,
    time: Arc<AtomicI64>,
    reach: Arc<Reach>,
    receiver: Receiver,
    paces: std::collections::BTreeMap<String, Pace>,
}

/// Says that everybody's sources are complete up to a time, at first for ever.
#[derive(Debug)]
struct Reach(AtomicI64);

impl Completeness for Reach {
    fn complete_to(&self, _: Option<&str>, _: i64, _: i64) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(serde::Deserialize)]
struct File {
    #[serde(default)]
    alerts: crate::AlertsConfig,
    #[serde(default)]
    accounts: std::collections::BTreeMap<String, String>,
    #[serde(default, rename = "sink")]
    sinks: Vec<crate::SinkConfig>,
    #[serde(default, rename = "route")]
    routes: Vec<crate::RouteConfig>,
}

/// One webhook that takes everything.
const HOOK: &str =
    "[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"RECEIVER/hook\"\n[[route]]\nsinks = [\"hook\"]\n";
const PAGER: &str = "[[sink]]\nname = \"pager\"\nkind = \"pagerduty\"\nrouting_key = { env = \"PATH\" }\n\
    endpoint_url = \"RECEIVER\"\n[[route]]\nsinks = [\"pager\"]\n";

fn config(text: &str, receiver: &Receiver) -> Alerting {
    let file: File = toml::from_str(&text.replace("RECEIVER", &receiver.url)).unwrap();
    Alerting { alerts: file.alerts, sinks: file.sinks, routes: file.routes, accounts: file.accounts }
}

async fn opened(store: &Store, config: &Alerting, time: &Arc<AtomicI64>, reach: &Arc<Reach>) -> Arc<Alerts> {
    let time = time.clone();
    let clock = Clock::asking(move || time.load(Ordering::SeqCst));
    let client = Client::with_total(Duration::from_millis(300)).unwrap();
    let registry = prometheus::Registry::new();
    let secrets = Arc::new(NoSecrets);
    Alerts::open_with(store.ledger(), config, secrets, reach.clone(), &registry, clock, client).await.unwrap()
}

impl Scene {
    async fn new(text: &str) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new(folder.path().display().to_string());
        options.ledger = postgres().await;
        let store = Store::open(options).await.unwrap();
        let receiver = Receiver::start().await;
        let time = Arc::new(AtomicI64::new(NOW));
        let reach = Arc::new(Reach(AtomicI64::new(i64::MAX)));
        let alerts = opened(&store, &config(text, &receiver), &time, &reach).await;
        Scene { _folder: folder, store, alerts, time, reach, receiver, paces: Default::default() }
    }

    /// The service is started again, with this configuration.
    async fn restart(&mut self, text: &str) {
        self.alerts = opened(&self.store, &config(text, &self.receiver), &self.time, &self.reach).await;
    }

    fn now(&self) -> i64 {
        self.time.load(Ordering::SeqCst)
    }

    fn pass(&self, micros: i64) {
        self.time.fetch_add(micros, Ordering::SeqCst);
    }

    /// As the detector does it: findings and what follows in one transaction. More events only add to them.
    async fn change(&self, kind: ChangeKind, findings: &[Finding]) {
        self.change_open(kind, None, findings).await;
    }

    /// The same, where later events can undo them for so long after the last of theirs.
    async fn change_open(&self, kind: ChangeKind, open_for: Option<i64>, findings: &[Finding]) {
        let mut transaction = self.store.ledger().begin().await.unwrap();
        for finding in findings {
            write_finding(&mut transaction, finding, kind).await;
        }
        let rule = RuleFacts { runbook: "Look at <request_user_name>.".into(), open_for, ..RuleFacts::default() };
        let rule = (kind != ChangeKind::Retracted).then_some(rule);
        let changes: Vec<Change> =
            findings.iter().map(|finding| Change { kind, finding: finding.clone(), rule: rule.clone() }).collect();
        self.alerts.changed(&mut transaction, &changes).await.unwrap();
        transaction.commit().await.unwrap();
        self.alerts.committed(&trailhound_detect::ChangeCounts::new());
    }

    async fn raise(&self, findings: &[Finding]) {
        self.change(ChangeKind::Raised, findings).await;
    }

    /// Lets every worker do what is due now. Gives what became of each attempt.
    async fn work(&mut self) -> Vec<Noted> {
        let mut noted = Vec::new();
        let setup = self.alerts.setup();
        for (name, sink) in &setup.sinks {
            let pace = self.paces.entry(name.clone()).or_default();
            while let Step::Told(one) = self.alerts.step(name, sink, &setup, pace).await.unwrap() {
                noted.push(one);
            }
        }
        noted
    }

    /// The first column of all rows, as text.
    async fn ask(&self, sql: &str) -> Vec<String> {
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(self.store.ledger().pool()).await.unwrap();
        rows.iter().map(|row| row.try_get::<String, _>(0).unwrap()).collect()
    }

    /// What the receiver got since it was last asked.
    fn bodies(&self) -> Vec<Value> {
        self.receiver.take().into_iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect()
    }
}

/// A database of its own in the PostgreSQL server that `TRAILHOUND_TEST_POSTGRES` names
/// (`postgres://user@127.0.0.1:5432`): the same tests for the other kind of ledger. Without it, SQLite.
async fn postgres() -> Option<String> {
    static COUNT: AtomicI64 = AtomicI64::new(0);
    let server = std::env::var("TRAILHOUND_TEST_POSTGRES").ok()?;
    let name = format!("alert_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
    sqlx::any::install_default_drivers();
    let pool = sqlx::any::AnyPoolOptions::new().connect(&format!("{server}/postgres")).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    Some(format!("{server}/{name}"))
}

/// A row of detect's table as detect writes it.
async fn write_finding(transaction: &mut Transaction<'static, Any>, finding: &Finding, kind: ChangeKind) {
    sqlx::query("DELETE FROM findings WHERE id = $1")
        .bind(finding.id.clone())
        .execute(&mut **transaction)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO findings (id, rule, rule_version, generation, state, status, title, severity, kind, first_time,
         last_time, account_id, region, principal, entity, count, event_ids, event_times, objects, explanation, attack,
         evidence, varies) VALUES ($1, $2, '1', 1, $3, $4, $5, $6, $19, $7, $8, $9, $10, $11, $12, $13, $14, $15,
         '[]', $16, $17, $18, '[]')",
    )
    .bind(finding.id.clone())
    .bind(finding.rule.clone())
    .bind(if kind == ChangeKind::Retracted { "retracted" } else { "current" })
    .bind(finding.status.as_str())
    .bind(finding.title.clone())
    .bind(finding.severity.as_str())
    .bind(finding.first_time)
    .bind(finding.last_time)
    .bind(finding.account_id.clone())
    .bind(finding.region.clone())
    .bind(finding.principal.clone())
    .bind(serde_json::to_string(&finding.entity).unwrap())
    .bind(finding.count as i64)
    .bind(serde_json::to_string(&finding.event_ids).unwrap())
    .bind(serde_json::to_string(&finding.event_times).unwrap())
    .bind(finding.explanation.clone())
    .bind(serde_json::to_string(&finding.attack).unwrap())
    .bind(serde_json::to_string(&finding.evidence).unwrap())
    .bind(finding.kind.as_str())
    .execute(&mut **transaction)
    .await
    .unwrap();
}
