//! Policies as Terraform: `aws_iam_policy` and what attaches it.

use std::fmt::Write;

use super::Policies;

/// Whom policies are attached to, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    Role(String),
    User(String),
    Group(String),
}

/// The policies as resources of Terraform's AWS provider, named `name`, or `name-1`, `name-2` … if there are several. Notes come first, as
/// comments.
pub fn terraform(policies: &Policies, name: &str, attachment: &Attachment) -> String {
    let (kind, to) = match attachment {
        Attachment::Role(name) => ("role", name),
        Attachment::User(name) => ("user", name),
        Attachment::Group(name) => ("group", name),
    };
    let mut out = String::new();
    for note in &policies.notes {
        // A line of its own for each, whatever an event's text holds.
        writeln!(out, "# {}", note.to_string().replace(char::is_control, " ")).expect("a string takes any text");
    }
    for (number, document) in (1..).zip(&policies.documents) {
        let name = if policies.documents.len() > 1 { format!("{name}-{number}") } else { name.to_owned() };
        let (label, json) = (label(&name), template(&document.json_pretty()));
        let (name, to) = (quoted(&name), quoted(to));
        write!(
            out,
            "\nresource \"aws_iam_policy\" \"{label}\" {{\n  name   = {name}\n  policy = <<EOT\n{json}\nEOT\n}}\n\n\
             resource \"aws_iam_{kind}_policy_attachment\" \"{label}\" {{\n  {kind:<10} = {to}\n  \
             policy_arn = aws_iam_policy.{label}.arn\n}}\n"
        )
        .expect("a string takes any text");
    }
    out.trim_start().to_owned()
}

/// A name that Terraform takes for a resource's: letters, digits, `_` and `-`, a letter or `_` first.
fn label(name: &str) -> String {
    let mut label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if !label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        label.insert(0, '_');
    }
    label
}

/// Text within a template, where `${` and `%{` would begin something.
fn template(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", template(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}
