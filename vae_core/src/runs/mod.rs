//! Runs: configuration, result, store, provenance.

pub mod config;
pub mod profile;
pub mod provenance;
pub mod store;
pub mod summary;

pub use config::{Budget, EarlyStop, Objective, RunConfig, WeightPrior};
pub use profile::{Profile, param};
pub use provenance::Provenance;
pub use store::{Run, RunResult, RunStore};
pub use summary::Quantity;
