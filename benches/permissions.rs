//! `cargo bench --bench permissions -- [PRINCIPALS] [DAYS] [STORE]`: what the whole report of permissions takes.
//!
//! ```text
//! organisation × copies ─► store (PRINCIPALS called in DAYS) ─┐
//! 5,000 of its roles × 200 statements ─► files as AWS gives them ─┴─► `trailhound permissions` (time, memory), and two `what-if`:
//! ```                                                                 by actions alone, and by what they are used on
//! A STORE that is named stays, and another run asks it without filling it again.

// Of what it can do, little is asked here.
#[allow(dead_code)]
#[path = "memory/organisation.rs"]
mod organisation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use organisation::{Organisation, object};
use serde_json::{Value, json};
use trailhound_iam::Catalogue;
use trailhound_store::{Store, StoreOptions, Upkeep};

const ROLES: usize = 5_000;
const STATEMENTS: usize = 200;
/// Of a day's events one in so many is kept: with 10,000 principals and 90 days more than 10 million.
const ONE_IN: usize = 2;
/// Services of which every role may do everything, by a statement each; the others grant one action each.
const SERVICES: [&str; 20] = [
    "s3",
    "ec2",
    "sts",
    "iam",
    "kms",
    "dynamodb",
    "lambda",
    "logs",
    "cloudwatch",
    "ssm",
    "secretsmanager",
    "sqs",
    "sns",
    "ecr",
    "ecs",
    "rds",
    "cloudformation",
    "organizations",
    "autoscaling",
    "elasticloadbalancing",
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |place: usize, otherwise: usize| -> anyhow::Result<usize> {
        args.get(place).map_or(Ok(otherwise), |text| text.parse().with_context(|| format!("`{text}` is no number")))
    };
    let (principals, days) = (number(0, 10_000)?, number(1, 90)?);
    let work = tempfile::tempdir()?;
    let folder = args.get(2).map_or_else(|| work.path().join("store"), PathBuf::from);
    let store = Store::open(StoreOptions::new(folder.display().to_string())).await?;
    let store = fill(store, &folder, principals, days).await?;
    let granted = work.path().join("granted");
    let roles = grant(&store, &granted).await?;
    println!("granted   {roles} roles of {STATEMENTS} statements, {} MB", bytes(&granted)? / 1_000_000);
    drop(store);

    let days = days.to_string();
    let (time, peak) = run(&folder, &["permissions", "--format", "json", "--days", &days], &granted)?;
    println!("report    {:.1} s, at most {peak} MiB", time.as_secs_f64());
    for (what, statement) in DENIED {
        let policy = work.path().join("deny.json");
        let all = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
        std::fs::write(&policy, format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}, {all}]}}"#))?;
        let policy = policy.display().to_string();
        let asked = ["permissions", "what-if", &policy, "--as", "scp", "--days", &days];
        let (time, peak) = run(&folder, &asked, &granted)?;
        println!("what-if   {:.1} s, at most {peak} MiB, {what}", time.as_secs_f64());
    }
    Ok(())
}

/// What is tried on everybody. By what an action was used on is told by its requests alone, which have to be read then.
const DENIED: [(&str, &str); 2] = [
    (
        "by actions",
        r#"{"Effect": "Deny", "Action": ["s3:Delete*", "iam:*", "kms:ScheduleKeyDeletion"], "Resource": "*"}"#,
    ),
    (
        "by resources",
        r#"{"Effect": "Deny", "Action": "*", "Resource": ["arn:aws:s3:::*backup*", "arn:aws:iam::*:role/admin*"]}"#,
    ),
];

/// Keeps the days, if nothing is kept yet.
async fn fill(mut store: Store, folder: &Path, principals: usize, days: usize) -> anyhow::Result<Store> {
    if count(&store, "events", "*").await? == 0 {
        let organisation = Organisation::simulated(days as u32)?;
        let copies = principals.div_ceil(organisation.principals());
        for day in 0..organisation.days() {
            let rows = object(&organisation.day(day, copies, ONE_IN)?, &format!("day-{day}"))?;
            store.append(rows).await?;
            store.flush().await?;
        }
        drop(store);
        let options = StoreOptions::new(folder.display().to_string());
        Upkeep::open(&options).await?.compact().await?;
        store = Store::open(options).await?;
    }
    println!(
        "store     {} events, {} counts, {} principals",
        count(&store, "events", "*").await?,
        count(&store, "activity", "*").await?,
        count(&store, "activity", "DISTINCT principal_key").await?,
    );
    Ok(store)
}

async fn count(store: &Store, table: &str, of: &str) -> anyhow::Result<i64> {
    let rows: Vec<_> = store.query(&format!("SELECT count({of}) FROM {table}")).await?.try_collect().await?;
    Ok(rows[0].column(0).as_primitive::<Int64Type>().value(0))
}

/// Files with what roles of the store are granted: a file for each account.
async fn grant(store: &Store, folder: &Path) -> anyhow::Result<usize> {
    std::fs::create_dir(folder)?;
    let sql = format!(
        "SELECT substr(principal_key, 6) AS id, min(account_id) AS account FROM activity WHERE starts_with(principal_key, 'role:') \
         AND account_id IS NOT NULL GROUP BY 1 ORDER BY 1 LIMIT {ROLES}"
    );
    let rows: Vec<_> = store.query(&sql).await?.try_collect().await?;
    let actions: Vec<String> = Catalogue::shipped().actions().map(|(_, action)| action.to_string()).collect();
    let role = |nth: usize, id: &str, account: &str| {
        let statement = |n: usize| {
            let action = match SERVICES.get(n) {
                Some(service) => format!("{service}:*"),
                None => actions[(nth * 7_919 + n * 104_729) % actions.len()].clone(),
            };
            json!({"Sid": format!("s{n}"), "Effect": "Allow", "Action": action, "Resource": "*"})
        };
        let statements: Vec<Value> = (0..STATEMENTS).map(statement).collect();
        json!({
            "Path": "/", "RoleName": format!("role-{nth}"), "RoleId": id,
            "Arn": format!("arn:aws:iam::{account}:role/role-{nth}"), "CreateDate": "2020-01-01T00:00:00Z",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}, "InstanceProfileList": [],
            "AttachedManagedPolicies": [],
            "RolePolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}]
        })
    };
    let mut accounts: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut roles = 0;
    for batch in &rows {
        let (ids, of) = (batch.column(0).as_string_view(), batch.column(1).as_string_view());
        for row in 0..ids.len() {
            let (id, account) = (ids.value(row), of.value(row));
            accounts.entry(account.to_owned()).or_default().push(role(roles, id, account));
            roles += 1;
        }
    }
    // The others called nothing.
    for account in accounts.keys().cloned().collect::<Vec<_>>().into_iter().cycle() {
        if roles == ROLES {
            break;
        }
        accounts.entry(account.clone()).or_default().push(role(roles, &format!("AROANEVER{roles}"), &account));
        roles += 1;
    }
    for (account, roles) in accounts {
        let page = json!({"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": roles, "Policies": [], "IsTruncated": false});
        std::fs::write(folder.join(format!("{account}.json")), page.to_string())?;
    }
    Ok(roles)
}

fn bytes(folder: &Path) -> anyhow::Result<u64> {
    std::fs::read_dir(folder)?.map(|file| Ok(file?.metadata()?.len())).sum()
}

/// Runs the program as a user would; its time, and the most memory it had in MiB.
fn run(store: &Path, args: &[&str], granted: &Path) -> anyhow::Result<(Duration, u64)> {
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailhound"));
    command.args(args).arg("--store").arg(store).arg("--iam").arg(granted).stdout(Stdio::null());
    let mut child = command.spawn()?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_kib(child.id()));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    anyhow::ensure!(status.success(), "`trailhound {}` ended with {status}", args.join(" "));
    Ok((begun.elapsed(), peak / 1024))
}

/// The most memory that a process has had, in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
