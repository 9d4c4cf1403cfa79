//! The models of the report.

mod pca;
pub mod vae;

pub use pca::pca;
pub(crate) use vae::RHO;
pub use vae::{GaussianPlane, ModelConfig, Vae};
