//! Using a trained model: encode, decode, reconstruct, sample, interpolate, score; and reading its latent space.

mod bounds;
mod generate;
mod gradient;
pub mod latent;
pub mod marginal;

pub use generate::Decode;
pub use gradient::{GradientMoments, TensorMoments};
