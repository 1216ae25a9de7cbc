//! IAM's language, purely: text of policies comes in, what they grant and to whom goes out.
//!
//! Nothing here knows CloudTrail records, SQL or AWS accounts beyond what a document itself says. A [`Document`] is
//! read leniently, because it comes from whoever called the API: what cannot be read is told beside what can.
//! [`grants_admin`], [`public`] and [`foreign_accounts`] are what rules call, on a document or on the request parameters that hold one.
//! [`Catalogue`] is the list of all actions.
//!
//! [`Inventory`] reads who there is in the accounts and what was granted to them; [`Evaluator`] tells what a principal may do.

pub mod catalogue;
pub mod condition;
pub mod document;
pub mod evaluate;
mod grants;
pub mod inventory;
pub mod pattern;
pub mod principal;
mod reach;
mod request;
mod text;

pub use catalogue::{Access, Catalogue};
pub use document::{Document, Effect, ReadError, Selection, Statement};
pub use evaluate::{Compiled, Context, Decision, Evaluator, PolicySet};
pub use inventory::{Inventory, InventoryError};
pub use principal::Principal;
pub use request::document_in;
pub use text::{foreign_accounts, grants_admin, public};
