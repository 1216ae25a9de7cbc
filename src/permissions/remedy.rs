//! Policies that allow what was used, as files: JSON for IAM, HCL for Terraform. Each set is tried against what succeeded before
//! it is written, and what it would have denied stands beside it.

use std::path::Path;

use anyhow::Context;
use trailhound_iam::policy::{Attachment, Policies, terraform};
use trailhound_iam::replay::{Change, Replayed, Trial};
use trailhound_iam::verdict::{Activity, Judgement};
use trailhound_iam::{Catalogue, Compiled, Evaluator, PolicySet};

use super::{file_name, make_folder, what_if};
use crate::output::counted;

/// What became of the policies that were asked for.
pub struct Written {
    evaluator: Evaluator,
    principals: usize,
    documents: usize,
    /// Principals that use nothing that would be kept: they need none.
    none: usize,
    /// What could not be written, and what would deny something.
    troubles: Vec<String>,
}

impl Written {
    pub fn new() -> Written {
        let evaluator = Evaluator::new(Catalogue::shipped());
        Written { evaluator, principals: 0, documents: 0, none: 0, troubles: Vec::new() }
    }

    /// Writes a principal's policies below the folder: `ACCOUNT/user-NAME.json`, `.tf` and `.md`.
    pub fn write(&mut self, folder: &Path, judgement: &Judgement<'_>, today: &PolicySet) -> anyhow::Result<()> {
        let arn = judgement.subject().arn;
        if judgement.summary().is_reserved {
            return Ok(());
        }
        let policies = match judgement.proposal() {
            Ok(policies) => policies,
            Err(error) => {
                self.troubles.push(format!("{arn}: {error}"));
                return Ok(());
            }
        };
        if policies.documents.is_empty() {
            self.none += 1;
            return Ok(());
        }
        let after = Change::Replace(policies.to_evaluate()).applied(today);
        let after = self.evaluator.compile(&after);
        let replayed = Trial { before: Some(judgement.compiled()), after: &after }.run(judgement.calls());
        let lost: u64 = replayed.lost.iter().map(|loss| loss.count).sum();
        if lost > 0 {
            self.troubles.push(format!("{arn}: the policies would have denied {}", counted(lost as usize, "call")));
        }
        let (account, name) = place(arn);
        let folder = folder.join(file_name(account));
        make_folder(&folder)?;
        let kind = if judgement.subject().role.is_some() { "role" } else { "user" };
        let base = format!("{kind}-{}", file_name(name));
        let put = |ending: &str, text: String| {
            let path = folder.join(format!("{base}{ending}"));
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        for (number, document) in (1..).zip(&policies.documents) {
            let ending = if policies.documents.len() > 1 { format!("-{number}.json") } else { ".json".into() };
            put(&ending, format!("{}\n", document.json_pretty()))?;
        }
        let attachment = match kind {
            "role" => Attachment::Role(name.to_owned()),
            _ => Attachment::User(name.to_owned()),
        };
        put(".tf", terraform(&policies, &format!("{base}-least-privilege"), &attachment))?;
        put(".md", told(judgement, &policies, &replayed, &after))?;
        self.principals += 1;
        self.documents += policies.documents.len();
        Ok(())
    }

    /// On standard error.
    pub fn tell(&self, folder: Option<&Path>) {
        let Some(folder) = folder else { return };
        eprintln!(
            "{} for {} below {}; {} need none",
            counted(self.documents, "policy").replace("policys", "policies"),
            counted(self.principals, "principal"),
            folder.display(),
            self.none
        );
        for trouble in &self.troubles {
            eprintln!("warning: {trouble}");
        }
    }
}

/// The account and the last part of the name.
fn place(arn: &str) -> (&str, &str) {
    let account = trailhound_iam::principal::account_in(arn).unwrap_or("unknown");
    (account, arn.rsplit('/').next().unwrap_or(arn))
}

/// What a person should read before the policies are used.
fn told(judgement: &Judgement<'_>, policies: &Policies, replayed: &Replayed, after: &Compiled) -> String {
    let mut text = format!("# Least privilege for `{}`\n\n", judgement.subject().arn);
    let last = match judgement.activity() {
        Activity::Active { last } | Activity::ActiveByIam { last } => super::report::time(last),
        _ => "never in these days".into(),
    };
    let mut line = |line: &str| text.extend([line, "\n"]);
    line(&format!(
        "Last active {last}. These {} stand for all of its identity policies, its groups' as well; boundaries and \
                   service control policies stay as they are.\n",
        counted(policies.documents.len(), "document")
    ));
    line(&format!(
        "Replayed over what succeeded: {} allowed, {} not by these policies but by something else, as today.",
        counted(replayed.allowed as usize, "call"),
        counted(replayed.as_before as usize, "call")
    ));
    for loss in what_if::losses(replayed, after) {
        line(&format!("- **would have been denied**: {loss}"));
    }
    line("\nWider than the use was, or kept without use:\n");
    for note in &policies.notes {
        line(&format!("- {}", note.to_string().replace(char::is_control, " ")));
    }
    text
}
