//! What is wrong with a rule file: where, what, and what to do about it.

use std::fmt;

/// One mistake in a rule file or in its cases. A check reports every one of them, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file as its author knows it: the path below the rules folder, behind the folder's own path where there is one.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, a lowercase phrase.
    pub what: String,
    /// What to do, a lowercase phrase; may be empty where `what` says it all.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a set of rule files, by file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// Collects the problems of one file.
pub(crate) struct Report<'a> {
    file: &'a str,
    pub problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a str) -> Self {
        Report { file, problems: Vec::new() }
    }

    pub fn add(&mut self, line: usize, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: line.max(1),
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// The line, from 1, of a byte offset.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|&&b| b == b'\n').count()
}

/// The nearest of `known` to a misspelt word, for "did you mean".
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = 1 + word.len() / 4;
    known
        .into_iter()
        .filter(|k| k.len().abs_diff(word.len()) <= limit)
        .map(|k| {
            (datafusion::common::utils::datafusion_strsim::levenshtein(&word.to_lowercase(), &k.to_lowercase()), k)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, k)| k)
}
