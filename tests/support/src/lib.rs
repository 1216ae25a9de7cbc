//! What tests and benchmarks stand on: an AWS of our own, and what others take for the work that ours is compared with.
//!
//! A crate of its own because of how it is compiled: at full optimisation, as libraries that are compared with ours are
//! in programs that use them, where the packages of the benchmarks are wiring that is hardly optimised at all.

pub mod fake_aws;
pub mod reference;
