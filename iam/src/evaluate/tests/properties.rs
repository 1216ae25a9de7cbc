//! What holds for all policies.

use proptest::prelude::*;

use super::*;

const ACTIONS: &[&str] =
    &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "sqs:SendMessage", "iam:PassRole", "no:Such"];
const ACTION_PATTERNS: &[&str] = &["*", "s3:*", "S3:get*", "s3:*Object", "sqs:SendMessage", "iam:Pass?ole", "no:Such"];
const RESOURCES: &[&str] = &["arn:aws:s3:::a/x", "arn:aws:s3:::a/y", "arn:aws:s3:::b/x", "*"];
const RESOURCE_PATTERNS: &[&str] = &[
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::?/x",
    "arn:aws:s3:::a/x",
    "arn:aws:s3:::${aws:username}/*",
];
const CONDITIONS: &[&str] = &[
    "{}",
    "{}",
    "{}",
    r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
    r#"{"StringNotEquals":{"aws:username":"a"}}"#,
    r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}"#,
];

fn names(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(of), 1..3).prop_map(|all| serde_json::to_string(&all).unwrap())
}

fn statement() -> impl Strategy<Value = String> {
    let not = prop::sample::select(&["", "", "", "Not"][..]);
    let effect = prop::sample::select(&["Allow", "Allow", "Deny"][..]);
    let parts =
        (effect, not.clone(), names(ACTION_PATTERNS), not, names(RESOURCE_PATTERNS), prop::sample::select(CONDITIONS));
    parts.prop_map(|(effect, not_a, actions, not_r, resources, condition)| {
        format!(
            r#"{{"Effect":"{effect}","{not_a}Action":{actions},"{not_r}Resource":{resources},"Condition":{condition}}}"#
        )
    })
}

fn statements() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(statement(), 0..5)
}

fn context() -> impl Strategy<Value = Context> {
    let username = prop::sample::select(&[None, Some(""), Some("a"), Some("b")][..]);
    let address = prop::sample::select(&[None, Some(""), Some("10.1.1.1"), Some("192.0.2.1")][..]);
    let mfa = prop::sample::select(&[None, Some(""), Some("true"), Some("false")][..]);
    (username, address, mfa).prop_map(|(username, address, mfa)| {
        let keys = [("aws:username", username), ("aws:SourceIp", address), ("aws:MultiFactorAuthPresent", mfa)];
        keys.into_iter().fold(Context::new(), |context, (key, value)| match value {
            None => context,
            Some("") => context.without(key),
            Some(value) => context.with(key, value),
        })
    })
}

fn written(identity: &[String]) -> Written {
    Written::default().identity(&identity.join(","))
}

/// How much is allowed: 0 nothing, 1 under a condition, 2 surely.
fn extent(decision: &Decision) -> u8 {
    match decision {
        Decision::Denied(_) => 0,
        Decision::Conditional { .. } => 1,
        Decision::Allowed { .. } => 2,
    }
}

/// The extent of each request there is.
fn extents(set: &PolicySet, context: &Context) -> Vec<u8> {
    let compiled = evaluator().compile(set);
    let requests = ACTIONS.iter().flat_map(|action| RESOURCES.iter().map(move |resource| (*action, *resource)));
    requests.map(|(action, resource)| extent(&compiled.decide(action, resource, context))).collect()
}

fn evaluator() -> Evaluator {
    Evaluator::new(Catalogue::shipped())
}

fn is_no_more(less: &[u8], more: &[u8]) -> bool {
    less.iter().zip(more).all(|(less, more)| less <= more)
}

proptest! {
    #[test]
    fn another_deny_never_grants(identity in statements(), deny in statement(), context in context()) {
        let deny = deny.replace(r#""Effect":"Allow""#, r#""Effect":"Deny""#);
        let before = extents(&written(&identity).set, &context);
        let after = extents(&written(&[identity, vec![deny]].concat()).set, &context);
        prop_assert!(is_no_more(&after, &before));
    }

    #[test]
    fn an_allow_less_never_grants(identity in statements(), allow in statement(), context in context()) {
        let allow = allow.replace(r#""Effect":"Deny""#, r#""Effect":"Allow""#);
        let after = extents(&written(&identity).set, &context);
        let before = extents(&written(&[identity, vec![allow]].concat()).set, &context);
        prop_assert!(is_no_more(&after, &before));
    }

    #[test]
    fn a_boundary_and_a_level_only_narrow(identity in statements(), narrow in statements(), context in context()) {
        let free = extents(&written(&identity).set, &context);
        let bound = extents(&written(&identity).boundary(&narrow.join(",")).set, &context);
        let level = extents(&written(&identity).level(&narrow.join(",")).set, &context);
        prop_assert!(is_no_more(&bound, &free));
        prop_assert_eq!(bound, level);
    }

    #[test]
    fn order_does_not_matter(identity in statements(), context in context()) {
        let mut turned = identity.clone();
        turned.reverse();
        let mut apart = Written::default();
        for statement in &identity {
            apart = apart.identity(statement);
        }
        let straight = extents(&written(&identity).set, &context);
        prop_assert_eq!(&straight, &extents(&written(&turned).set, &context));
        prop_assert_eq!(&straight, &extents(&apart.set, &context));
    }

    /// What is decided when nothing is known holds, or may hold, whatever turns out.
    #[test]
    fn knowing_more_only_settles(identity in statements(), context in context()) {
        let set = written(&identity).set;
        let (before, after) = (extents(&set, &Context::new()), extents(&set, &context));
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(*before == 1 || before == after, "{before} became {after}");
        }
    }

    #[test]
    fn granted_agrees_with_decide(identity in statements(), boundary in prop::option::of(statements()), context in context()) {
        let mut written = written(&identity).principal(context);
        if let Some(boundary) = boundary {
            written = written.boundary(&boundary.join(","));
        }
        let compiled = evaluator().compile(&written.set);
        let granted = compiled.granted();
        for action in &ACTIONS[..ACTIONS.len() - 1] {
            let on_any = RESOURCES.iter().map(|r| extent(&compiled.decide(action, r, &Context::new()))).max().unwrap();
            let extent_granted = granted.get(action).map_or(0, |grant| if grant.conditional { 1 } else { 2 });
            prop_assert!(on_any <= extent_granted, "{action}: {on_any} on a resource, {extent_granted} granted");
            if let Some(grant) = granted.get(action) {
                let listed = granted.iter().find(|(listed, _)| Catalogue::shipped().find_named(action) == Some(*listed)).map(|(_, grant)| grant);
                prop_assert_eq!(listed, Some(grant));
            }
        }
    }

    /// Without Denies of parts, what is granted is granted on a resource that can be named.
    #[test]
    fn granted_is_not_too_much(identity in statements()) {
        let identity: Vec<String> = identity.into_iter().filter(|s| !s.contains("NotResource")).collect();
        let compiled = evaluator().compile(&written(&identity).set);
        for (_, grant) in compiled.granted().iter().take(50) {
            prop_assert!(!grant.resources.is_empty() && !grant.by.is_empty());
        }
        for action in &ACTIONS[..ACTIONS.len() - 1] {
            if let Some(grant) = compiled.granted().get(action).filter(|grant| grant.denied_by.is_empty()) {
                let example = grant.resources[0].replace(['*', '?'], "z");
                let decision = compiled.decide(action, &example, &Context::new());
                prop_assert!(extent(&decision) > 0, "{action} on {example}: {decision:?}");
            }
        }
    }
}
