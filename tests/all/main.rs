//! The real program, run on real parts: what the README promises, seen from outside.
//!
//! One binary for all of it, since each would link the whole program's libraries again. Tests need no network; what
//! they need beside Rust is installed by `tests/run`. Every world is made anew from seeds and literals.

mod logs;
mod world;

mod crash;
mod credentials;
mod fetch;
mod hostile;
mod late;
mod lineage;
mod order;
mod permissions;
mod postgres;
mod python;
mod readers;
mod receiver;
mod rederive;
mod replay;
mod root;
mod rules;
mod s3;
mod samples;
mod secrets;
mod serve;
mod service_faults;
mod simulate;
mod site;
mod sql;
mod stage;
