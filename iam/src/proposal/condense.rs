//! Many actions as few patterns: a set of actions comes in, patterns that match exactly these of the catalogue go out.

use crate::catalogue::{Action, ActionId, Catalogue};
use crate::document::Selection;
use crate::pattern;

/// Patterns for the actions that are wanted, each with those that it stands for. A pattern with a wildcard is made only where
/// all actions that it matches are wanted and the statement's own patterns hold it, so that it promises nothing new.
pub(super) fn patterns(own: &Selection<String>, is_wanted: impl Fn(ActionId) -> bool) -> Vec<(String, Vec<ActionId>)> {
    let mut found = Vec::new();
    let all: Vec<(ActionId, &Action)> = Catalogue::shipped().actions().collect();
    let chosen = |(id, _): &(ActionId, &Action)| is_wanted(*id);
    for of_service in all.chunk_by(|a, b| a.1.service == b.1.service) {
        divide(of_service, 0, own, &chosen, &mut found);
    }
    found
}

/// Of actions of a service whose names share their first `depth` characters.
fn divide(
    actions: &[(ActionId, &Action)],
    depth: usize,
    own: &Selection<String>,
    chosen: &dyn Fn(&(ActionId, &Action)) -> bool,
    found: &mut Vec<(String, Vec<ActionId>)>,
) {
    if !actions.iter().any(chosen) {
        return;
    }
    let (first, last) = (actions[0].1, actions[actions.len() - 1].1);
    if actions.len() > 1 && actions.iter().all(chosen) {
        let shared = if depth == 0 { 0 } else { shared(first.name, last.name) };
        let pattern = format!("{}:{}*", first.service, &first.name[..shared]);
        let is_own = match own {
            Selection::Only(patterns) => patterns.iter().any(|wide| pattern::covers(wide, &pattern)),
            Selection::Except(_) => true,
            Selection::Unstated => false,
        };
        if is_own {
            found.push((pattern, actions.iter().map(|(id, _)| *id).collect()));
            return;
        }
    }
    let at = |action: &Action| action.name.as_bytes().get(depth).map(u8::to_ascii_lowercase);
    for part in actions.chunk_by(|a, b| at(a.1) == at(b.1)) {
        match part {
            [one] => found.extend(chosen(one).then(|| (one.1.to_string(), vec![one.0]))),
            many => divide(many, depth + 1, own, chosen, found),
        }
    }
}

/// How many characters names in order share at their beginning, without regard to case.
fn shared(first: &str, last: &str) -> usize {
    first.bytes().zip(last.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(own: &str, wanted: &[&str], expected: &[&str]) {
        let wanted = |id| {
            let name = Catalogue::shipped().action(id).to_string();
            wanted.iter().any(|wanted| pattern::matches_ignoring_case(wanted, &name))
        };
        let found = patterns(&Selection::Only(vec![own.to_owned()]), wanted);
        let names: Vec<&str> = found.iter().map(|(pattern, _)| pattern.as_str()).collect();
        assert_eq!(names, expected);
        let matched = |id: ActionId| {
            let name = Catalogue::shipped().action(id).to_string();
            names.iter().any(|pattern| pattern::matches_ignoring_case(pattern, &name))
        };
        let stand_for: BTreeSet<ActionId> = found.iter().flat_map(|(_, actions)| actions.iter().copied()).collect();
        for (id, action) in Catalogue::shipped().actions() {
            assert_eq!((matched(id), stand_for.contains(&id)), (wanted(id), wanted(id)), "{action}");
        }
    }

    #[test]
    fn actions_as_patterns() {
        check("*", &["sqs:*"], &["sqs:*"]);
        check("sqs:*", &["sqs:SendMessage", "sqs:Purge*"], &["sqs:PurgeQueue", "sqs:SendMessage"]);
        check(
            "sqs:*",
            &["sqs:*Message*"],
            &[
                "sqs:CancelMessageMoveTask",
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:ListMessageMoveTasks",
                "sqs:ReceiveMessage",
                "sqs:SendMessage",
                "sqs:StartMessageMoveTask",
            ],
        );
        check("sqs:List*", &["sqs:List*"], &["sqs:List*"]);
        check("sqs:ListQueues", &["sqs:ListQueues"], &["sqs:ListQueues"]);
    }
}
