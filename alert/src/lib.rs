//! Findings → incidents → messages to people.
//!
//! Changes of findings come in through [`Follower`](trailhound_detect::Follower), in the transaction that writes them;
//! incidents and what has to be told of them go into the ledger in that same transaction; a worker for each sink tells
//! it, as often as it takes, and notes what became of it.
//!
//! ```text
//! Change ─► incident ─► outbox ─► worker ─► Message ─► Slack, PagerDuty, webhook, NDJSON
//!   │      one for findings   one row for      ▲              │
//!   │      that belong        incident and     └── retry, dead letter, replay
//!   │  ▲   together           sink
//!   └──┘ held while later events may undo it and are likely to come
//! ```
//! What is promised: nothing that has to be told is forgotten, whatever is killed when; one incident is one open item
//! where the sink takes a key; elsewhere it is told at least once, under the same id, and no more than once more for each
//! attempt whose outcome nobody knows.

mod alerts;
mod clock;
mod completeness;
mod config;
mod error;
mod incident;
mod message;
mod metrics;
mod outbox;
mod route;
mod secret;
mod setup;
mod sink;
mod tables;

pub use alerts::{Alerts, check_secrets, test_sink};
pub use clock::Clock;
pub use completeness::{Completeness, Unheard};
pub use config::{Alerting, AlertsConfig, RouteConfig, SinkConfig, problems};
pub use error::{AlertError, Result};
pub use incident::{State, Watch};
pub use message::{Account, Line, Message};
pub use metrics::Told;
pub use secret::{Address, Hidden, NoSecrets, Secret, Secrets};
pub use sink::{Verdict, webhook};
pub use tables::register;
