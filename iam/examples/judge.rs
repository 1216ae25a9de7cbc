//! How long it takes to judge what the roles of a large organisation use of what they are granted.
//!
//! ```text
//! cargo run --release -p trailhound-iam --example judge -- 5000 200 2000
//! ```
//!
//! Makes up so many roles with so many statements each (every tenth an administrator besides), and so many rows of counted
//! calls for each role in 90 days. Tells the time to take in the rows, to compile and judge all roles, and the memory at its
//! peak (Linux).

use std::time::Instant;

use trailhound_iam::evaluate::{Place, Policy};
use trailhound_iam::usage::{DAY, HOUR, Outcome, Row};
use trailhound_iam::verdict::{Options, Summary};
use trailhound_iam::{Catalogue, Coverage, Document, Evaluator, Judge, Subject, Usages, Window};

#[path = "made/organisation.rs"]
mod organisation;

use organisation::{Dice, Organisation, memory_at_peak};

const NOW: i64 = 1_793_491_200_000_000;
const DAYS: u32 = 90;
/// A role makes calls of so many kinds.
const KINDS_OF_CALLS: usize = 60;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a number"));
    let mut next = |otherwise| arguments.next().unwrap_or(otherwise);
    let (roles, statements, rows) = (next(5_000), next(200), next(2_000));
    let mut dice = Dice(7);
    let catalogue = Catalogue::shipped();
    let window = Window::before(NOW, DAYS);

    let names: Vec<(String, &str)> =
        catalogue.actions().map(|(_, action)| (format!("{}.amazonaws.com", action.service), action.name)).collect();
    let arns: Vec<String> = (0..roles).map(|number| format!("arn:aws:iam::111122223333:role/role-{number}")).collect();
    let mut usages = Usages::new(window);
    let begun = Instant::now();
    for arn in &arns {
        let kinds: Vec<&(String, &str)> = (0..KINDS_OF_CALLS).map(|_| dice.pick(&names)).collect();
        for _ in 0..rows {
            let (source, name) = dice.pick(&kinds);
            let first = window.from + dice.below(DAYS as usize) as i64 * DAY;
            let outcome = if dice.below(20) == 0 { Outcome::Denied } else { Outcome::Succeeded };
            let row =
                Row { source, name, outcome, by_service: false, count: 3, first, last: first + HOUR, network: None };
            usages.add(arn, &row);
        }
    }
    let feeding = begun.elapsed().as_secs_f64();
    println!("{} rows in {feeding:.2} s", roles * rows);

    let mut coverage = Coverage::new(window);
    for hour in 0..i64::from(DAYS) * 24 {
        let at = window.from + hour * HOUR;
        coverage.saw("eu-west-1", at, at);
    }
    for (source, read_only) in [("ec2", true), ("ec2", false), ("kms", true), ("kms", false)] {
        coverage.saw_management(&format!("{source}.amazonaws.com"), read_only);
    }
    for bucket in 0..1_000 {
        coverage.saw_data("AWS::S3::Object", &format!("arn:aws:s3:::bucket-{bucket}"), true, window.from);
    }

    let organisation = Organisation::new(catalogue, statements, &mut dice);
    let (everything, _) = Document::parse(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
    let place = Place::Managed("arn:aws:iam::aws:policy/AdministratorAccess".into());
    let administrator = Policy { place, document: everything.into() };
    let options = Options::default();
    let judge = Judge { usages: &usages, coverage: &coverage, options: &options };
    let mut evaluator = Evaluator::new(catalogue);
    let mut summaries: Vec<Summary> = Vec::new();
    let (mut compiling, mut judging) = (0.0, 0.0);
    for (number, arn) in arns.iter().enumerate() {
        let mut set = organisation.role(number, &mut dice);
        set.identity.extend((number % 10 == 0).then(|| administrator.clone()));
        let begun = Instant::now();
        let compiled = evaluator.compile(&set);
        compiling += begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let subject = Subject { arn, role: None, created: None, last_by_iam: None, accessed: None };
        summaries.extend(judge.judge(subject, &compiled).map(|judgement| judgement.summary()));
        judging += begun.elapsed().as_secs_f64();
    }
    let count = |of: fn(&Summary) -> u32| summaries.iter().map(of).map(u64::from).sum::<u64>();
    let granted = count(|summary| summary.services.iter().map(|service| service.counts.granted).sum());
    let used = count(|summary| summary.services.iter().map(|service| service.counts.used).sum());
    let unused = count(|summary| summary.services.iter().map(|service| service.counts.unused).sum());
    println!("{roles} roles of {statements} statements: {granted} grants, {used} used, {unused} unused");
    println!("compiled in {compiling:.2} s, judged in {judging:.2} s, all summaries kept");
    println!("memory at its peak: {}", memory_at_peak());
}
