//! Rules and what they find.
//!
//! Rule files (a header and a SELECT) come in and are compiled together into a [`RuleSet`]; batches of `events` come
//! in and [`Finding`]s go out, into the ledger. What is found is a function of the kept events and of the rules' texts
//! alone: not of the order of arrival, of batches or of the clock.
//!
//! ```text
//! files ─► load ─► Rule ─► RuleSet ─┐
//!                                   ▼
//! batches (commits of the table) ─► evaluate ─► Sighting ─► fold ──────────────────────► Finding ─► ledger
//!                                                  └─► memory ─► State ─► Claim ─► revise ──┘
//! ```
//! Rules that look at each event alone go the upper way; those that count, order or compare with what was usual keep a
//! [`State`](state::State) for each entity, and what they claim is compared with the findings that are there. Rules of kind
//! `query` ask the table itself, slot by slot ([`query`]).

mod backtest;
pub mod cases;
pub mod check;
mod compiled;
pub mod detector;
pub mod error;
pub mod evaluate;
mod evidence;
pub mod explain;
mod fault;
pub mod finding;
pub mod follow;
pub mod header;
pub mod judgement;
pub mod ledger;
pub mod lineage;
mod memory;
mod mutate;
pub mod names;
mod needs;
#[cfg(test)]
mod oracle;
pub mod pattern;
mod place;
mod problem;
mod query;
mod remembered;
mod repeat;
mod revise;
pub mod rule;
pub mod ruleset;
pub mod select;
pub mod severity;
pub mod skeleton;
pub mod sql;
mod state;
mod statistics;
pub mod template;
#[cfg(test)]
mod testing;
pub mod usage;
mod value;
pub mod window;

pub use backtest::backtest;
pub use check::{Checked, Tested, check, test};
pub use detector::{Detector, Spent};
pub use error::DetectError;
pub use evaluate::{Cost, Failure, Seen, Sighting};
pub use explain::{ExplainError, Explanation, explain};
pub use finding::Finding;
pub use follow::{Change, ChangeCounts, ChangeKey, ChangeKind, Follower, RuleFacts};
pub use ledger::{Changes, FindingsLedger};
pub use problem::{Problem, Problems};
pub use rule::{File, Rule, load, read_folder};
pub use ruleset::RuleSet;
pub use select::Planner;
pub use severity::{Kind, Severity, Status};
