//! From messages to objects to Arrow batches.
//!
//! In come messages of a queue that announce objects, and objects of a folder or a bucket, in any form in which people
//! keep CloudTrail logs; out come [`Batch`]es of one schema with the outcome of every object, and the right to
//! acknowledge. Promised: no input makes it panic, a bad record costs its neighbours nothing, every object and record is
//! accounted for, and memory stays within [`Limits`].

pub mod agent;
pub mod aws;
pub mod batch;
mod column;
pub mod decode;
mod facts;
pub mod geo;
pub mod identity;
mod inflate;
pub mod json;
pub mod key;
pub mod limits;
pub mod metrics;
pub mod network;
pub mod notification;
pub mod object;
pub mod outcome;
pub mod queue;
pub mod record;
mod rederive;
mod row;
pub mod schema;
pub mod source;
pub mod time;

pub use aws::Aws;
pub use batch::Batch;
pub use decode::{Content, Decoder};
pub use geo::Geo;
pub use limits::Limits;
pub use metrics::Metrics;
pub use notification::{Announced, Notification};
pub use object::{ObjectId, ObjectOutcome, ObjectReport, ParkedRecord};
pub use queue::{Lease, Message, Queue, QueueConfig};
pub use rederive::{RederiveError, Rederiver};
pub use row::unversioned;
