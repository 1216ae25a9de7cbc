//! How long it takes to work out what the roles of a large organisation may do.
//!
//! ```text
//! cargo run --release -p trailhound-iam --example expand -- 5000 200
//! ```
//!
//! Makes up so many roles with so many statements each, half of them in managed policies that roles share, with a boundary for
//! every third and three levels of service control policies. Tells the time to compile them and to list all that is granted,
//! the memory at its peak (Linux), and how many requests are decided in a second.

use std::time::Instant;

use trailhound_iam::{Action, Catalogue, Compiled, Context, Decision, Evaluator};

#[path = "made/organisation.rs"]
mod organisation;

use organisation::{Dice, Organisation, memory_at_peak};

const DECISIONS: usize = 1_000_000;

fn main() {
    let mut arguments =
        std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a number of roles, or of statements"));
    let (roles, statements) = (arguments.next().unwrap_or(5_000), arguments.next().unwrap_or(200));
    let mut dice = Dice(7);
    let catalogue = Catalogue::shipped();
    let organisation = Organisation::new(catalogue, statements, &mut dice);

    let mut evaluator = Evaluator::new(catalogue);
    let mut kept: Vec<Compiled> = Vec::new();
    let (mut compiling, mut listing, mut granted) = (0.0, 0.0, 0);
    for number in 0..roles {
        let set = organisation.role(number, &mut dice);
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
    println!("memory at its peak: {}", memory_at_peak());

    let actions: Vec<&Action> = catalogue.actions().map(|(_, action)| action).collect();
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
