//! The models of the report.

pub mod vae;

pub use vae::{ModelConfig, Vae};
