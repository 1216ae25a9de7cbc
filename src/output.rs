//! Answers on standard output: rows of a query, findings, accounts.
//!
//! For people (tables) everything is cleaned of what could steer a terminal, and cut where a line would not fit. For
//! programs (CSV, JSON, Parquet) values stay whole.

mod csv;
mod findings;
mod layout;
mod report;
mod rows;
mod table;

pub use findings::{account, findings, severities, severity_rank};
pub use layout::{Head, grid};
pub use report::Report;
pub use rows::{Rows, Target, cells, refuse_parquet};
