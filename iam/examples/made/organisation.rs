//! A made-up organisation, the same every time: its roles' policies, half of each in managed policies that roles share, with a
//! boundary for every third and three levels of service control policies.

use std::sync::Arc;

use trailhound_iam::evaluate::{Place, Policy};
use trailhound_iam::{Action, Catalogue, Document, PolicySet};

const MANAGED_POLICIES: usize = 300;
const STATEMENTS_OF_MANAGED: usize = 10;

/// What its roles are made from.
pub struct Organisation {
    actions: Vec<&'static Action>,
    /// Statements of each role.
    statements: usize,
    managed: Vec<Policy>,
    boundary: Policy,
    levels: Vec<Vec<Policy>>,
}

/// SplitMix64: the same organisation every time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Three actions of a service, by name or as a pattern, on some resources; one in ten denies, one in five asks something.
fn statement(actions: &[&Action], dice: &mut Dice) -> String {
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

impl Organisation {
    pub fn new(catalogue: &'static Catalogue, statements: usize, dice: &mut Dice) -> Organisation {
        let actions: Vec<&Action> = catalogue.actions().map(|(_, action)| action).collect();
        let some = |count: usize, dice: &mut Dice| (0..count).map(|_| statement(&actions, dice)).collect::<Vec<_>>();

        let managed: Vec<Policy> = (0..MANAGED_POLICIES)
            .map(|number| {
                let place = Place::Managed(format!("arn:aws:iam::111122223333:policy/{number}"));
                policy(place, &some(STATEMENTS_OF_MANAGED, dice))
            })
            .collect();
        let wide = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#.to_owned();
        let boundary = policy(Place::Managed("boundary".into()), &[wide.clone(), some(1, dice).remove(0)]);
        let levels: Vec<Vec<Policy>> = ["r-ab12", "ou-ab12-1", "111122223333"]
            .into_iter()
            .map(|target| {
                let place = Place::Organisation { target: target.into(), policy: "p-1".into() };
                let region = r#"{"Effect":"Deny","NotAction":["iam:*","sts:*","organizations:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-west-1"}}}"#;
                vec![policy(place, &[wide.clone(), region.to_owned()])]
            })
            .collect();
        Organisation { actions, statements, managed, boundary, levels }
    }

    /// A role's policies.
    pub fn role(&self, number: usize, dice: &mut Dice) -> PolicySet {
        let own = self.statements - self.statements / 2;
        let mut set = PolicySet { levels: self.levels.clone(), ..PolicySet::default() };
        set.boundary = (number % 3 == 0).then(|| self.boundary.clone());
        set.identity.extend((0..self.statements / 2 / STATEMENTS_OF_MANAGED).map(|_| dice.pick(&self.managed).clone()));
        let place = Place::Inline { owner: format!("role {number}"), name: "own".into() };
        set.identity.push(policy(place, &(0..own).map(|_| statement(&self.actions, dice)).collect::<Vec<_>>()));
        set
    }
}

/// Of this process, as Linux tells it.
pub fn memory_at_peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap_or("not told here").trim().to_owned()
}
