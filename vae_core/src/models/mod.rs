//! The models of the report.

mod pca;
pub mod vae;

pub use pca::pca;
pub use vae::{ModelConfig, Vae};
