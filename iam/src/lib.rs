//! IAM's language, purely: text of policies comes in, what they grant and to whom goes out.
//!
//! Nothing here knows SQL, tables or AWS accounts beyond what a document or an event itself says. A [`Document`] is
//! read leniently, because it comes from whoever called the API: what cannot be read is told beside what can.
//! [`grants_admin`], [`public`] and [`foreign_accounts`] are what rules call, on a document or on the request parameters that hold one.
//! [`Catalogue`] is the list of all actions; [`event_actions`] tells which of them an event of CloudTrail needed and
//! [`Observability`] what silence about one means; [`policy`] writes policies that allow what was used.
//!
//! [`Inventory`] reads who there is in the accounts and what was granted to them; [`Evaluator`] tells what a principal may do.
//!
//! [`Usages`] is what principals did, [`Coverage`] how far the logs would show it; [`Judge`] puts both beside what is granted:
//! used, unused, or not to be told. [`Trial`] tells what other policies would have denied, [`Judgement::proposal`] makes them.

pub mod catalogue;
pub mod condition;
mod coverage;
pub mod document;
pub mod evaluate;
mod event;
mod grants;
pub mod inventory;
mod observability;
pub mod pattern;
pub mod policy;
pub mod principal;
mod proposal;
mod reach;
pub mod replay;
mod request;
mod text;
pub mod usage;
pub mod verdict;

pub use catalogue::{Access, Action, ActionId, Catalogue, ResourceType};
pub use coverage::{Blind, Confidence, Coverage};
pub use document::{Document, Effect, ReadError, Selection, Statement};
pub use evaluate::{Compiled, Context, Decision, Evaluator, PolicySet};
pub use event::{Event, Mapped, Used, event_actions, partition};
pub use inventory::{Inventory, InventoryError};
pub use observability::{Observability, Unlogged};
pub use principal::Principal;
pub use replay::Trial;
pub use request::document_in;
pub use text::{foreign_accounts, grants_admin, public};
pub use usage::{Usages, Window};
pub use verdict::{Judge, Judgement, Subject, Verdict};
