//! Auto-Encoding Variational Bayes in Rust.
pub mod data;
pub mod error;
pub mod estimators;
pub mod figures;
pub mod files;
pub mod likelihoods;
pub mod models;
pub mod nn;
pub mod numeric;
pub mod optim;
pub mod posteriors;
pub mod priors;
pub mod rng;
pub mod runs;
pub mod train;

pub use error::{Error, Result};
