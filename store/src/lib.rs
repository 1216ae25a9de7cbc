//! `Batch` in, durable out: the Delta table `events`, exact deduplication, the ledger, repair after a crash; and a
//! DataFusion session in which all of it is asked.
//!
//! - [`Store::append`] and [`Store::flush`] keep what is new; [`Store::changes`] follows the commits;
//! - [`Store::session`] and [`Store::query`] answer SQL that reads;
//! - [`Upkeep`] brings small files together and deletes what nobody needs, while all of that goes on;
//! - [`activity`] counts who did what from where by the hour, exactly, and outlives the events;
//! - [`Granted`] holds who was granted what, and since when;
//! - [`Store::accounting`] proves that nothing is missing;
//! - [`Ledger`] holds the tables of the crates behind this one, too.

mod account;
mod accounting;
pub mod activity;
mod changes;
mod checkpoint;
mod clock;
mod commits;
mod compare;
pub mod crash;
mod datafile;
mod dedup;
mod derivation;
mod error;
mod expired;
pub mod functions;
pub mod granted;
mod ledger;
mod location;
mod pending;
mod session;
mod site;
mod store;
mod sums;
mod table;
#[cfg(test)]
mod testing;
mod upkeep;
mod views;

pub use account::{ByObject, ObjectAccount, PARKED_ADDRESSES_MAX};
pub use accounting::{Account, Accounting};
pub use changes::Change;
pub use derivation::Derivation;
pub use error::{Result, StoreError};
pub use expired::Expired;
pub use granted::Granted;
pub use ledger::{KnownObject, Ledger, ParkedEntry, ParkedMessage, storable};
pub use session::{ROLE_SWITCHES, query};
pub use site::{Site, SiteError, name_accounts};
pub use store::{Commit, Kept, Store, StoreOptions};
pub use upkeep::{Compacted, Rederived, TableSize, Upkeep};
