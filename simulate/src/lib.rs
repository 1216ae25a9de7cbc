//! A made-up organisation whose logs look as CloudTrail delivers them, with labelled attacks in them.
//!
//! In: [`Options`] with a seed. Out: a folder with the tree `AWSLogs/…` of gzipped log objects, the labels of the attacks planted in it
//! (`labels.ndjson`), benign look-alikes (`lookalikes.ndjson`), every long-term key and whether it is shared (`keys.ndjson`), who may do what
//! as AWS would tell it (`iam/`) and which of it was used (`permissions.ndjson`), what the organisation's operator would know
//! (`organisation.json`), site facts for a first day (`site.toml`) and geography files for its networks (`geo-city.mmdb`, `geo-asn.mmdb`).
//!
//! It promises: the same options make the same bytes on every machine and with any number of threads; memory does not grow with the
//! number of days; every event id is used for one event; every label names events that are in the tree.
//!
//! Why made-up data? Nobody can publish an organisation's real logs, and no published sample has both months of ordinary life and attacks
//! whose every event is known. Ratios, sizes, delays and shapes follow measurements of real logs; names, tools and accounts are drawn by
//! seed, so that nothing can be found by a name. Nothing stands still, either: people, programs, networks and rights change at the rates of
//! `calendar.rs` and `attack/chores.rs`, since a detector that is quiet where nothing changes has shown nothing.

mod atlas;
pub mod attack;
mod calendar;
mod catalogue;
mod delivery;
mod generate;
mod human;
mod identity;
mod ids;
mod job;
mod key;
mod mmdb;
mod names;
mod noise;
mod options;
mod organisation;
mod permission;
mod person;
mod profile;
mod record;
mod repertoire;
mod rng;
mod stage;
mod workload;

#[cfg(test)]
mod tests;

pub use attack::{AttackKind, Strength};
pub use generate::{Progress, Summary, generate};
pub use options::{Options, SimulateError};
