//! Statements into documents that are not too long.

use std::collections::BTreeSet;

use super::{POLICY_CHARS_MAX, PolicyDocument, PolicyError, Statement};

/// Documents with all statements, in their order as far as it goes: each stands in the first document that has room for it.
pub(super) fn documents(statements: Vec<Statement>) -> Result<Vec<PolicyDocument>, PolicyError> {
    let mut documents: Vec<(PolicyDocument, usize)> = Vec::new();
    for statement in statements {
        for part in divided(statement)? {
            // A comma stands between statements.
            let chars = chars(&part) + 1;
            match documents.iter_mut().find(|(_, used)| used + chars <= POLICY_CHARS_MAX) {
                Some((document, used)) => {
                    document.statement.push(part);
                    *used += chars;
                }
                None => {
                    let document = PolicyDocument::new(vec![part]);
                    let used = document.chars();
                    documents.push((document, used));
                }
            }
        }
    }
    Ok(documents.into_iter().map(|(document, _)| document).collect())
}

/// The statement, or halves of it until each fits into a document of its own.
fn divided(statement: Statement) -> Result<Vec<Statement>, PolicyError> {
    let mut fitting = Vec::new();
    let mut waiting = vec![statement];
    while let Some(statement) = waiting.pop() {
        let chars = PolicyDocument::new(vec![statement.clone()]).chars();
        if chars <= POLICY_CHARS_MAX {
            fitting.push(statement);
            continue;
        }
        // Of resources there are usually more.
        let (mut low, mut high) = (statement.clone(), statement);
        if low.resource.len() > 1 {
            (low.resource, high.resource) = halves(low.resource);
        } else if low.action.len() > 1 {
            (low.action, high.action) = halves(low.action);
        } else {
            return Err(PolicyError::TooLong { sid: low.sid, chars });
        }
        waiting.extend([high, low]);
    }
    if fitting.len() > 1 {
        for (number, part) in (1..).zip(&mut fitting) {
            part.sid.push_str(&format!("Part{number}"));
        }
    }
    // The parts' numbers have made them longer; a part that stood at the limit is divided once more.
    match fitting.iter().any(|part| PolicyDocument::new(vec![part.clone()]).chars() > POLICY_CHARS_MAX) {
        true => fitting.into_iter().map(divided).collect::<Result<Vec<_>, _>>().map(|all| all.concat()),
        false => Ok(fitting),
    }
}

fn halves(mut all: BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
    let middle = all.iter().nth(all.len() / 2).cloned().expect("a set of two or more has a middle");
    let high = all.split_off(&middle);
    (all, high)
}

fn chars(statement: &Statement) -> usize {
    PolicyDocument::new(vec![statement.clone()]).chars() - PolicyDocument::new(Vec::new()).chars()
}
