//! The models of the report.

pub mod inference;
pub mod latent;
pub mod vae;

pub use inference::Decode;
pub use vae::{ModelConfig, Vae};
