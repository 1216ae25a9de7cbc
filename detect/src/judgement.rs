//! How a kind judges the events that a rule's SELECT chooses: the header keys that only this kind has.

use std::fmt;
use std::sync::Arc;

use crate::state::DAY;
use crate::window::{LONGEST_HISTORY_DAYS, Window};

/// A kind with its keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// Every event is a finding; with `fold`, an entity's events of one aligned window are one.
    Match { fold: Option<Window> },
    /// An entity over all bounds in a window; windows of `window` hop by half of it.
    Threshold { window: Window, having: Vec<Having> },
    /// Steps in event time.
    Sequence(Sequence),
    /// A value new for the entity after its learning period.
    FirstSeen(FirstSeen),
    /// A value improbable for the entity and for its population.
    Rare(Rare),
    /// A bucket improbable against the entity's own seasonal history.
    Spike(Spike),
    /// Two neighbouring events too far apart for the time between.
    Travel(Travel),
    /// A row of any SELECT, for each slot of event time.
    Query(Query),
}

/// One bound of a threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Having {
    pub measure: Measure,
    pub at_least: u64,
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    Count,
    /// Different values of a column; null is none.
    Distinct(String),
    /// The sum of a column's whole numbers; what is no number counts nothing.
    Sum(String),
}

/// The keys of a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// The words of the column `step`, in order; a word may stand several times.
    pub steps: Vec<String>,
    /// From the first step to the last, at most.
    pub within: Window,
    pub ordered: bool,
    /// Columns that are equal in all steps.
    pub same: Vec<String>,
    /// A step that must not follow within `within`.
    pub unless: Option<String>,
    /// A step that need not be there: the latest event of it up to the last step, not earlier than `within` before that, is part
    /// of the finding. What it says may make a finding less grave, and it never makes one.
    pub optional: Option<String>,
}

impl Sequence {
    /// Every word that the column `step` may have to count.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        self.steps.iter().chain(&self.unless).chain(&self.optional)
    }
}

/// The keys of a value that is new.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstSeen {
    pub value: Vec<String>,
    /// Whether each column of a new value has to be new by itself.
    pub each: bool,
    /// How long the entity must have been known.
    pub learn: Window,
    /// How many events of it must be known.
    pub min_events: u64,
    /// A value not seen for so long is new again.
    pub forget: Window,
    /// The most new values an event, of the thirty days before, that an entity may have for one more to be news.
    pub max_new_rate: f64,
    /// The column that says who an entity's peers are: what is usual among them is no news.
    pub peers: Option<String>,
}

/// The keys of a value that is rare.
#[derive(Debug, Clone, PartialEq)]
pub struct Rare {
    pub value: Vec<String>,
    /// The column that says which population an entity belongs to.
    pub population: String,
    /// The share of events below which a value is rare.
    pub p_below: f64,
    /// After so long an event counts half.
    pub half_life: HalfLife,
}

/// How long it takes until an event counts half.
#[derive(Debug, Clone, PartialEq)]
pub struct HalfLife {
    length: Window,
    /// What an event counts after so many days: asked of every day of an entity's history, whenever it is judged.
    weights: Arc<[f64]>,
}

impl HalfLife {
    /// After this length of time.
    pub fn new(length: Window) -> Self {
        HalfLife { length, weights: (0..=LONGEST_HISTORY_DAYS).map(|days| weight(length, days)).collect() }
    }

    /// Its length in µs.
    pub fn micros(&self) -> i64 {
        self.length.micros()
    }

    /// What an event counts after so many days.
    pub(crate) fn weight(&self, days: i64) -> f64 {
        let told = usize::try_from(days).ok().and_then(|days| self.weights.get(days));
        told.copied().unwrap_or_else(|| weight(self.length, days))
    }
}

impl fmt::Display for HalfLife {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.length.fmt(out)
    }
}

fn weight(half_life: Window, days: i64) -> f64 {
    let half_life_days = half_life.micros() as f64 / DAY as f64;
    libm::exp2(-(days as f64) / half_life_days)
}

/// The keys of a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Query {
    /// The length of a slot; slots are aligned like windows.
    pub every: Window,
    /// From `$from` to `$to`, the end of the slot.
    pub over: Window,
}

/// The keys of a spike.
#[derive(Debug, Clone, PartialEq)]
pub struct Spike {
    pub bucket: Window,
    pub measure: Measure,
    /// Whether the hours of the week are told apart.
    pub seasonal: bool,
    pub history: Window,
    pub p_below: f64,
    pub at_least: u64,
    /// How many times what is expected, at least.
    pub ratio: f64,
}

/// The keys of impossible travel.
#[derive(Debug, Clone, PartialEq)]
pub struct Travel {
    /// The columns of latitude and longitude, in degrees.
    pub place: [String; 2],
    pub speed_kmh: f64,
    pub distance_km: f64,
}

impl Judgement {
    /// The columns of the SELECT that the keys name, each with its key.
    pub fn columns(&self) -> Vec<(&'static str, &str)> {
        match self {
            Judgement::Match { .. } | Judgement::Query(_) => Vec::new(),
            Judgement::Threshold { having, .. } => {
                having.iter().filter_map(|h| h.measure.column()).map(|c| ("having", c)).collect()
            }
            Judgement::Sequence(s) => {
                std::iter::once(("steps", "step")).chain(s.same.iter().map(|c| ("same", c.as_str()))).collect()
            }
            Judgement::FirstSeen(f) => {
                let peers = f.peers.iter().map(|c| ("peers", c.as_str()));
                f.value.iter().map(|c| ("value", c.as_str())).chain(peers).collect()
            }
            Judgement::Rare(r) => {
                let population = std::iter::once(("population", r.population.as_str()));
                r.value.iter().map(|c| ("value", c.as_str())).chain(population).collect()
            }
            Judgement::Spike(s) => s.measure.column().map(|c| ("measure", c)).into_iter().collect(),
            Judgement::Travel(t) => t.place.iter().map(|c| ("place", c.as_str())).collect(),
        }
    }

    /// How long after a finding's last event others can still undo it, in µs: 0 where only events before it can, `None`
    /// where none can, since more events only add to it. People are told when all of them have most likely come.
    pub fn open_for(&self) -> Option<i64> {
        match self {
            Judgement::Match { .. } | Judgement::Threshold { .. } => None,
            Judgement::Sequence(s) => s.unless.as_ref().map(|_| s.within.micros()),
            // What peers turn out to have had later on the day can undo a new value; that is not waited for.
            Judgement::FirstSeen(_) | Judgement::Rare(_) | Judgement::Spike(_) | Judgement::Travel(_) => Some(0),
            // Its last event is the end of the slot.
            Judgement::Query(_) => Some(0),
        }
    }
}

impl Measure {
    /// Reads `count`, `distinct(column)` or `sum(column)`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("`{text}` is not one of `count`, `distinct(column)`, `sum(column)`");
        if text == "count" {
            return Ok(Measure::Count);
        }
        let (word, rest) = text.split_once('(').ok_or_else(wrong)?;
        let column = rest.strip_suffix(')').map(str::trim).filter(|c| !c.is_empty()).ok_or_else(wrong)?;
        match word.trim() {
            "distinct" => Ok(Measure::Distinct(column.to_owned())),
            "sum" => Ok(Measure::Sum(column.to_owned())),
            _ => Err(wrong()),
        }
    }

    /// The column that it looks at.
    pub fn column(&self) -> Option<&str> {
        match self {
            Measure::Count => None,
            Measure::Distinct(column) | Measure::Sum(column) => Some(column),
        }
    }

    /// A number of it, as people read it: `12 events`, `3 different target_user`.
    pub fn told(&self, number: u64) -> String {
        match self {
            Measure::Count if number == 1 => "1 event".into(),
            Measure::Count => format!("{number} events"),
            Measure::Distinct(column) => format!("{number} different {column}"),
            Measure::Sum(column) => format!("{number} {column} in sum"),
        }
    }
}

impl Having {
    /// Reads `count >= 12`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no bound; write it like \"count >= 12\" or \"distinct(target_user) >= 3\"");
        let (measure, number) = text.split_once(">=").ok_or_else(wrong)?;
        let at_least: u64 = number.trim().parse().map_err(|_| wrong())?;
        if at_least == 0 {
            return Err(format!("`{text}` always holds"));
        }
        Ok(Having { measure: Measure::parse(measure)?, at_least })
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Count => f.write_str("count"),
            Measure::Distinct(column) => write!(f, "distinct({column})"),
            Measure::Sum(column) => write!(f, "sum({column})"),
        }
    }
}

impl fmt::Display for Having {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} >= {}", self.measure, self.at_least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_can_be_undone_only_by_what_must_not_follow() {
        let mut sequence = Sequence {
            steps: vec!["a".into(), "b".into()],
            within: Window::parse("10m").unwrap(),
            ordered: true,
            same: Vec::new(),
            unless: None,
            optional: None,
        };
        assert_eq!(Judgement::Sequence(sequence.clone()).open_for(), None);
        sequence.unless = Some("c".into());
        assert_eq!(Judgement::Sequence(sequence).open_for(), Some(600_000_000));
    }

    #[test]
    fn bounds_are_read_and_written() {
        for text in ["count >= 12", "distinct(target_user) >= 3", "sum(bytes) >= 1000000"] {
            assert_eq!(Having::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "count", "count > 3", "count >= 0", "count >= x", "max(a) >= 3", "distinct() >= 1"] {
            assert!(Having::parse(text).is_err(), "{text}");
        }
    }
}
