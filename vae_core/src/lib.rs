//! Auto-Encoding Variational Bayes in Rust.
pub mod data;
pub mod error;
pub mod figures;
pub mod rng;
pub mod runs;

pub use error::{Error, Result};
