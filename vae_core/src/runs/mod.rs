//! Runs: configuration, result, store, provenance.
pub mod provenance;
