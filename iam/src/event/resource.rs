//! Which resources an event was about: what its record says, else ARNs made from its request by the forms of the
//! catalogue and `iam/data/resources.txt`.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Event, partition, path};
use crate::catalogue::{ActionId, Catalogue, ResourceType};

static PARTS: &str = include_str!("../../data/resources.txt");

/// A request that names more resources than this is not taken apart.
const RESOURCES_MAX: usize = 1_000;

/// Where a part of an ARN stands in a request.
struct Part {
    path: &'static str,
    change: Change,
}

enum Change {
    Nothing,
    After(&'static str),
    Before(&'static str),
    And(&'static str),
    Unless(&'static str),
    /// No parameter tells the part.
    Always(&'static str),
}

pub(super) struct Resources {
    /// By IAM prefix and variable.
    parts: HashMap<(&'static str, &'static str), Vec<Part>>,
}

impl Resources {
    pub fn shipped() -> &'static Resources {
        static SHIPPED: LazyLock<Resources> = LazyLock::new(|| Resources::read(PARTS));
        &SHIPPED
    }

    fn read(text: &'static str) -> Resources {
        let mut parts: HashMap<_, Vec<Part>> = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            let (prefix, variable, path, change) = match words[..] {
                [prefix, variable, "-", text] => (prefix, variable, "", Change::Always(text)),
                [prefix, variable, path] => (prefix, variable, path, Change::Nothing),
                [prefix, variable, path, "after", x] => (prefix, variable, path, Change::After(x)),
                [prefix, variable, path, "before", x] => (prefix, variable, path, Change::Before(x)),
                [prefix, variable, path, "and", x] => (prefix, variable, path, Change::And(x)),
                [prefix, variable, path, "unless", x] => (prefix, variable, path, Change::Unless(x)),
                _ => continue,
            };
            parts.entry((prefix, variable)).or_default().push(Part { path, change });
        }
        Resources { parts }
    }

    /// The resources of an event that are of the action's types: those of the record; else those that the request's
    /// names make; else whatever ARNs the request holds.
    pub fn of(&self, event: &Event, action: ActionId) -> Vec<String> {
        let catalogue = Catalogue::shipped();
        if !catalogue.has_resources(action) {
            return Vec::new();
        }
        let fitting = |arns: Vec<&str>| -> BTreeSet<String> {
            arns.into_iter().filter(|arn| catalogue.type_for(action, arn).is_some()).map(str::to_owned).collect()
        };
        let mut found = fitting(event.resources.iter().map(String::as_str).collect());
        if let Some(request) = event.request {
            if found.is_empty() {
                found = self.made(event, action, request);
            }
            if found.is_empty() {
                found = fitting(path::arns(request));
            }
        }
        found.into_iter().collect()
    }

    /// The resource that the parameter at a path names: an ARN, or `bucket/key` for objects in S3, encoded for a URL and
    /// perhaps with a version.
    pub fn named(&self, event: &Event, action: ActionId, path: &str) -> Vec<String> {
        let named = event.request.map(|request| path::texts(request, path)).unwrap_or_default();
        let arn = |text: String| {
            let text = text.split_once("?versionId=").map_or(text.as_str(), |(key, _)| key);
            let text = percent_decode_str(text).decode_utf8_lossy().trim_start_matches('/').to_owned();
            let arn =
                if text.starts_with("arn:") { text } else { format!("arn:{}:s3:::{text}", partition(event.region)) };
            Catalogue::shipped().type_for(action, &arn).is_some().then_some(arn)
        };
        named.into_iter().filter_map(arn).collect()
    }

    /// ARNs of the action's types, as far as the request tells all of their parts. Of types of which none must be named,
    /// only those that say most: who reads a stage of a REST API names the API, too.
    fn made(&self, event: &Event, action: ActionId, request: &Value) -> BTreeSet<String> {
        let catalogue = Catalogue::shipped();
        let prefix = catalogue.action(action).service;
        let (mut needed, mut others, mut parts_most) = (BTreeSet::new(), BTreeSet::new(), 0);
        for (kind, required) in catalogue.resource_types(action) {
            let (arns, parts) = self.filled(event, prefix, kind, request);
            let arns = arns.into_iter().filter(|arn| catalogue.type_for(action, arn).is_some());
            if required {
                needed.extend(arns);
            } else if parts == parts_most {
                others.extend(arns);
            } else if parts > parts_most {
                others = arns.collect();
                parts_most = parts;
            }
        }
        needed.append(&mut others);
        needed
    }

    /// The ARNs of one type, and how many parts of them the request told.
    fn filled(&self, event: &Event, prefix: &str, kind: &ResourceType, request: &Value) -> (Vec<String>, usize) {
        let mut parts: Vec<(String, Vec<String>)> = Vec::new();
        let all_known = kind.fill(|variable| {
            if !matches!(variable, "Partition" | "Region" | "Account") {
                parts.push((variable.to_owned(), self.values(prefix, variable, request)));
            }
            Some(String::new())
        });
        let told = parts.len();
        if all_known.is_none() || told == 0 || parts.iter().any(|(_, values)| values.is_empty()) {
            return (Vec::new(), 0);
        }
        // Every value of a part with every value of the others: the objects of one bucket, one table in each request.
        let count: usize = parts.iter().map(|(_, values)| values.len()).product();
        if count > RESOURCES_MAX {
            return (Vec::new(), 0);
        }
        let arns = (0..count).filter_map(|mut choice| {
            let mut chosen: HashMap<&str, &str> = HashMap::new();
            for (variable, values) in &parts {
                chosen.insert(variable, &values[choice % values.len()]);
                choice /= values.len();
            }
            kind.fill(|variable| match variable {
                "Partition" => Some(partition(event.region).to_owned()),
                "Region" => Some(event.region.to_owned()),
                "Account" => Some(event.account.to_owned()),
                _ => chosen.get(variable).map(|value| (*value).to_owned()),
            })
        });
        (arns.collect(), told)
    }

    /// What a request says of one part of an ARN: where `resources.txt` says that it stands, else in members of the
    /// part's own name. ARNs are no parts.
    fn values(&self, prefix: &str, variable: &str, request: &Value) -> Vec<String> {
        let found: BTreeSet<String> = match self.parts.get(&(prefix, variable)) {
            Some(parts) => parts.iter().flat_map(|part| part.values(request)).collect(),
            None => path::texts_under(request, variable).into_iter().collect(),
        };
        found.into_iter().filter(|value| !value.starts_with("arn:") && !value.is_empty()).collect()
    }
}

impl Part {
    fn values(&self, request: &Value) -> Vec<String> {
        if let Change::Always(text) = self.change {
            return vec![text.to_owned()];
        }
        let texts = path::texts(request, self.path).into_iter();
        texts.filter_map(|text| self.change.of(text)).map(|text| text.trim_start_matches('/').to_owned()).collect()
    }
}

impl Change {
    fn of(&self, text: String) -> Option<String> {
        match self {
            Change::After(x) if !text.starts_with("arn:") => Some(text.rsplit(x).next().unwrap_or(&text).to_owned()),
            Change::Before(x) if !text.starts_with("arn:") => Some(text.split(x).next().unwrap_or(&text).to_owned()),
            Change::And(x) if !text.starts_with("arn:") => Some(text + x),
            Change::Unless(x) => (!text.starts_with(x)).then_some(text),
            _ => Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_names_a_part() {
        let resources = Resources::shipped();
        let lines = PARTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(resources.parts.values().map(Vec::len).sum::<usize>(), lines);
        let catalogue = Catalogue::shipped();
        for (prefix, variable) in resources.parts.keys() {
            let mut types = catalogue.of_service(prefix).flat_map(|(id, _)| catalogue.resource_types(id));
            let part = format!("${{{variable}}}");
            assert!(types.any(|(kind, _)| kind.arn.contains(&part)), "{prefix} {variable}");
        }
    }
}
