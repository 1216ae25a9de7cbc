//! Decisions compared with those of another evaluator, over thousands of random policies and requests.
//!
//! `simulated/cases.jsonl` holds them with what the other one says; `simulated/simulate.mjs` made it and says how. Where
//! the two differ by design, [`BY_DESIGN`] says why, and each such reason has to be needed.

use std::sync::Arc;

use serde_json::Value;
use trailhound_iam::evaluate::{Denial, Place, Policy};
use trailhound_iam::{Catalogue, Context, Decision, Document, Evaluator, PolicySet};

const CASES: &str = include_str!("simulated/cases.jsonl");

/// A difference that is meant, and how it is known from the case as text.
type Meant = (&'static str, fn(&str) -> bool);

const BY_DESIGN: &[Meant] = &[
    (
        "an absent key meets ForAnyValue:…IfExists, as AWS says of IfExists with any operator but Null; the other one goes by \
         what AWS says of ForAnyValue",
        |case| {
            let operators = case.split("ForAnyValue:").skip(1).filter_map(|rest| rest.split('"').next());
            operators.into_iter().any(|operator| operator.ends_with("IfExists"))
        },
    ),
    (
        "an IPv6 address lies in no range of IPv4, so NotIpAddress is met; the other one takes neither operator to be met",
        |case| case.contains("NotIpAddress") && case.contains(r#""aws:SourceIp":"2001:"#),
    ),
    (
        "a variable without a value in NotResource: AWS says that such a statement may be invalid. Here it is open where the \
         value matters and applies elsewhere; the other one passes it over",
        |case| {
            let (request, statements) = case.split_once('\n').unwrap_or_default();
            let excepting = statements.lines().filter(|statement| statement.contains("NotResource"));
            !request.contains("aws:PrincipalTag/team")
                && excepting.into_iter().any(|statement| statement.contains("${aws:PrincipalTag/team}"))
        },
    ),
];

struct Cases {
    statements: Vec<Value>,
    requests: Vec<Value>,
    cases: Vec<Value>,
}

fn cases() -> Cases {
    let mut cases = Cases { statements: Vec::new(), requests: Vec::new(), cases: Vec::new() };
    for line in CASES.lines().skip(1) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if let Some(statement) = line.get_mut("s") {
            cases.statements.push(statement.take());
        } else if let Some(request) = line.get_mut("r") {
            cases.requests.push(request.take());
        } else {
            cases.cases.push(line);
        }
    }
    cases
}

impl Cases {
    /// All statements of a case, as they are written.
    fn statements_of(&self, case: &Value) -> Vec<String> {
        let layers = [&case[0], &case[1]].into_iter().chain(case[2].as_array().unwrap());
        let ids = layers.flat_map(|ids| ids.as_array().into_iter().flatten());
        ids.map(|id| self.statements[id.as_u64().unwrap() as usize].to_string()).collect()
    }

    fn policy(&self, ids: &Value) -> Policy {
        let statements: Vec<&Value> =
            ids.as_array().unwrap().iter().map(|id| &self.statements[id.as_u64().unwrap() as usize]).collect();
        let document = serde_json::json!({"Version": "2012-10-17", "Statement": statements});
        let (document, errors) = Document::from_json(&document);
        assert_eq!(errors, []);
        let place = Place::Inline { owner: String::new(), name: ids.to_string() };
        Policy { place, document: Arc::new(document) }
    }
}

fn context(keys: &Value) -> Context {
    keys.as_object().unwrap().iter().fold(Context::closed(), |context, (key, value)| match value {
        Value::Array(values) => {
            context.with_values(key, values.iter().map(|v| v.as_str().unwrap().to_owned()).collect())
        }
        value => context.with(key, value.as_str().unwrap()),
    })
}

#[test]
fn decisions_are_those_of_another_evaluator() {
    let cases = cases();
    let mut evaluator = Evaluator::new(Catalogue::shipped());
    let mut differing = Vec::new();
    let mut meant = [0; BY_DESIGN.len()];
    for case in &cases.cases {
        let mut set = PolicySet { identity: vec![cases.policy(&case[0])], ..PolicySet::default() };
        set.boundary = (!case[1].is_null()).then(|| cases.policy(&case[1]));
        set.levels = case[2].as_array().unwrap().iter().map(|level| vec![cases.policy(level)]).collect();
        let request = &cases.requests[case[3].as_u64().unwrap() as usize];
        let (action, resource) = (request["a"].as_str().unwrap(), request["r"].as_str().unwrap());
        let said = match evaluator.compile(&set).decide(action, resource, &context(&request["c"])) {
            Decision::Allowed { .. } => "A",
            Decision::Denied(Denial::Explicit { .. }) => "D",
            Decision::Denied(Denial::Implicit { .. }) => "I",
            Decision::Conditional { .. } => "?",
        };
        if said != case[4] {
            let text = format!("{request}\n  {}", cases.statements_of(case).join("\n  "));
            match BY_DESIGN.iter().position(|(_, is_meant)| is_meant(&text)) {
                Some(reason) => meant[reason] += 1,
                None => differing.push(format!("{said} instead of {}: {text}", case[4])),
            }
        }
    }
    assert!(cases.cases.len() >= 4_000);
    assert!(differing.is_empty(), "{} of {} differ:\n{}", differing.len(), cases.cases.len(), differing.join("\n"));
    for ((reason, _), times) in BY_DESIGN.iter().zip(meant) {
        assert!(times > 0, "no case differs any more because {reason}");
        assert!(times * 100 < cases.cases.len(), "{times} cases differ because {reason}");
    }
}
