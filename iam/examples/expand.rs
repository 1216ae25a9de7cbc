//! How long it takes to work out what the roles of a large organisation may do.
//!
//! ```text
//! cargo run --release -p trailhound-iam --example expand -- 5000 200
//! ```
//!
//! Makes up so many roles with so many statements each, half of them in managed policies that roles share, with a boundary for
//! every third and three levels of service control policies. Tells the time to compile them and to list all that is granted,
//! the memory at its peak (Linux), and how many requests are decided in a second.

use std::sync::Arc;
use std::time::Instant;

use trailhound_iam::evaluate::{Place, Policy};
use trailhound_iam::{Action, Catalogue, Compiled, Context, Decision, Document, Evaluator, PolicySet};

const MANAGED_POLICIES: usize = 300;
const STATEMENTS_OF_MANAGED: usize = 10;
const DECISIONS: usize = 1_000_000;

/// SplitMix64: the same organisation every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Three actions of a service, by name or as a pattern, on some resources; one in ten denies, one in five asks something.
fn statement(actions: &[Action], dice: &mut Dice) -> String {
    let named: Vec<String> = (0..3)
        .map(|_| {
            let action = dice.pick(actions);
            match dice.below(10) {
                0 => format!("\"{}:*\"", action.service),
                1..=4 => format!("\"{}:{}*\"", action.service, &action.name[..action.name.len().min(4)]),
                _ => format!("\"{action}\""),
            }
        })
        .collect();
    let service = dice.pick(actions).service;
    let resource = match dice.below(3) {
        0 => "*".to_owned(),
        1 => format!("arn:aws:{service}:*:111122223333:*/{}", dice.below(1000)),
        _ => format!("arn:aws:{service}:eu-west-1:111122223333:thing/team-{}/*", dice.below(1000)),
    };
    let effect = if dice.below(10) == 0 { "Deny" } else { "Allow" };
    let condition = match dice.below(5) {
        0 => r#","Condition":{"StringEquals":{"aws:RequestedRegion":["eu-west-1","eu-central-1"]}}"#,
        _ => "",
    };
    format!(r#"{{"Effect":"{effect}","Action":[{}],"Resource":"{resource}"{condition}}}"#, named.join(","))
}

fn document(statements: &[String]) -> Arc<Document> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    let (document, errors) = Document::parse(&text);
    assert!(errors.is_empty(), "{errors:?}");
    Arc::new(document)
}

fn policy(place: Place, statements: &[String]) -> Policy {
    Policy { place, document: document(statements) }
}

fn main() {
    let mut arguments =
        std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a number of roles, or of statements"));
    let (roles, statements) = (arguments.next().unwrap_or(5_000), arguments.next().unwrap_or(200));
    let mut dice = Dice(7);
    let catalogue = Catalogue::shipped();
    let actions: Vec<Action> = catalogue.actions().map(|(_, action)| action.clone()).collect();
    let some = |count: usize, dice: &mut Dice| (0..count).map(|_| statement(&actions, dice)).collect::<Vec<_>>();

    let managed: Vec<Policy> = (0..MANAGED_POLICIES)
        .map(|number| {
            let place = Place::Managed(format!("arn:aws:iam::111122223333:policy/{number}"));
            policy(place, &some(STATEMENTS_OF_MANAGED, &mut dice))
        })
        .collect();
    let wide = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#.to_owned();
    let boundary = policy(Place::Managed("boundary".into()), &[wide.clone(), some(1, &mut dice).remove(0)]);
    let levels: Vec<Vec<Policy>> = ["r-ab12", "ou-ab12-1", "111122223333"]
        .into_iter()
        .map(|target| {
            let place = Place::Organisation { target: target.into(), policy: "p-1".into() };
            let region = r#"{"Effect":"Deny","NotAction":["iam:*","sts:*","organizations:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-west-1"}}}"#;
            vec![policy(place, &[wide.clone(), region.to_owned()])]
        })
        .collect();

    let mut evaluator = Evaluator::new(catalogue);
    let mut kept: Vec<Compiled> = Vec::new();
    let (mut compiling, mut listing, mut granted) = (0.0, 0.0, 0);
    for number in 0..roles {
        let mut set = PolicySet { levels: levels.clone(), ..PolicySet::default() };
        set.boundary = (number % 3 == 0).then(|| boundary.clone());
        set.identity.extend((0..statements / 2 / STATEMENTS_OF_MANAGED).map(|_| dice.pick(&managed).clone()));
        let place = Place::Inline { owner: format!("role {number}"), name: "own".into() };
        set.identity.push(policy(place, &some(statements - statements / 2, &mut dice)));
        let begun = Instant::now();
        let compiled = evaluator.compile(&set);
        compiling += begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        granted += compiled.granted().iter().count();
        listing += begun.elapsed().as_secs_f64();
        if kept.len() < 100 {
            kept.push(compiled);
        }
    }
    println!("{roles} roles of {statements} statements: {granted} grants");
    println!("compiled in {compiling:.2} s, listed in {listing:.2} s");
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        println!("memory at its peak: {}", peak.trim_start_matches("VmHWM:").trim());
    }

    let requests: Vec<(String, String)> = (0..1_000)
        .map(|_| {
            let action = dice.pick(&actions);
            let resource =
                format!("arn:aws:{}:eu-west-1:111122223333:thing/team-{}/x", action.service, dice.below(1000));
            (action.to_string(), resource)
        })
        .collect();
    let context = Context::new().with("aws:RequestedRegion", "eu-west-1");
    let begun = Instant::now();
    let allowed = (0..DECISIONS)
        .filter(|number| {
            let (action, resource) = &requests[number % requests.len()];
            matches!(kept[number % kept.len()].decide(action, resource, &context), Decision::Allowed { .. })
        })
        .count();
    let each = begun.elapsed().as_nanos() as usize / DECISIONS;
    println!("{DECISIONS} requests decided in {each} ns each, {allowed} allowed");
}
