//! A resource type: the form of its ARNs, which are recognised by it and made from parts.

use crate::pattern;

/// One kind of resource of a service, as the service authorization reference names it.
#[derive(Debug)]
pub struct ResourceType {
    pub name: &'static str,
    /// `arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}`.
    pub arn: String,
    /// The same with `*` for every variable.
    pattern: String,
    /// How its name in the service begins, before the first variable: `role/`. Most ARNs differ from most types here.
    begins: String,
}

impl ResourceType {
    /// From the list, where `~` stands for an ARN's usual beginning.
    pub(super) fn new(prefix: &str, name: &'static str, arn: &str) -> ResourceType {
        let arn = match arn.strip_prefix('~') {
            Some(rest) => format!("arn:${{Partition}}:{prefix}:${{Region}}:${{Account}}:{rest}"),
            None => arn.to_owned(),
        };
        let pattern = filled(&arn, |_| Some("*".into())).expect("every variable has a value");
        let own = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let begins = own.split_once("${").map_or(own, |(begins, _)| begins).to_owned();
        ResourceType { name, arn, pattern, begins }
    }

    /// Whether an ARN has this form. Values may hold anything, a slash too, so that it can have several.
    pub fn fits(&self, arn: &str) -> bool {
        arn.splitn(6, ':').nth(5).is_some_and(|own| own.starts_with(&self.begins))
            && pattern::matches(&self.pattern, arn)
    }

    /// How the name of such a resource begins within its service and account: `role/`, or nothing.
    pub fn begins(&self) -> &str {
        &self.begins
    }

    /// How much the form says: its characters that are no variables.
    pub(super) fn says(&self) -> usize {
        self.pattern.bytes().filter(|b| *b != b'*').count()
    }

    /// The ARN with `value` in the place of each variable (`Partition`, `Region`, `Account`, `BucketName` …); none where one has
    /// no value.
    pub fn fill(&self, value: impl FnMut(&str) -> Option<String>) -> Option<String> {
        filled(&self.arn, value)
    }
}

fn filled(template: &str, mut value: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(&value(variable)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
