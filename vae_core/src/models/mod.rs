//! The models of the report.

mod learned;
mod pca;
pub mod vae;

pub use learned::Learned;
pub use pca::pca;
pub(crate) use vae::RHO;
pub use vae::{GaussianPlane, ModelConfig, Vae};
