use super::*;

mod documented;
mod properties;

/// Policies written down for a test; each text is the statements of a document.
#[derive(Clone, Debug, Default)]
struct Written {
    set: PolicySet,
}

fn document(statements: &str) -> Arc<Document> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let (document, errors) = Document::parse(&text);
    assert!(errors.is_empty(), "{text}: {errors:?}");
    Arc::new(document)
}

fn policy(name: &str, document: Arc<Document>) -> Policy {
    Policy { place: Place::Inline { owner: String::new(), name: name.to_owned() }, document }
}

impl Written {
    fn identity(mut self, statements: &str) -> Written {
        self.set.identity.push(policy("identity", document(statements)));
        self
    }

    fn boundary(mut self, statements: &str) -> Written {
        self.set.boundary = Some(policy("boundary", document(statements)));
        self
    }

    /// One more level of the organisation, with one policy.
    fn level(mut self, statements: &str) -> Written {
        self.set.levels.push(vec![policy("level", document(statements))]);
        self
    }

    fn principal(mut self, context: Context) -> Written {
        self.set.context = context;
        self
    }
}

/// In words: `allowed`, `if key, key`, `denied`, `nothing allows: Identity, Boundary`.
fn told(decision: &Decision) -> String {
    match decision {
        Decision::Allowed { .. } => "allowed".to_owned(),
        Decision::Conditional { open, .. } => {
            let keys: std::collections::BTreeSet<&str> =
                open.iter().flat_map(|open| open.keys.iter().map(String::as_str)).collect();
            format!("if {}", keys.into_iter().collect::<Vec<_>>().join(", "))
        }
        Decision::Denied(Denial::Explicit { .. }) => "denied".to_owned(),
        Decision::Denied(Denial::Implicit { layers }) => {
            let layers: Vec<String> = layers
                .iter()
                .map(|layer| match layer {
                    Layer::Organisation { level } => format!("level {level}"),
                    other => format!("{other:?}").to_lowercase(),
                })
                .collect();
            format!("nothing allows: {}", layers.join(", "))
        }
    }
}
