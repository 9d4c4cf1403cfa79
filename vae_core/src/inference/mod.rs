//! Using a trained model: encode, decode, reconstruct, sample, interpolate, score; and reading its latent space.

mod alignment;
pub mod bits;
mod bounds;
mod by_hmc;
pub mod coders;
mod constant;
mod denoising;
mod filters;
mod generate;
mod gradient;
mod grid;
pub mod latent;
pub mod marginal;
mod nearest_gaussian;
mod weights;

pub use alignment::{Alignment, align};
pub use constant::constant_pixels_bound;
pub use filters::spectral_centroid;
pub use generate::Decode;
pub use gradient::{GradientMoments, TensorMoments};
pub use grid::GridPosteriors;
pub use weights::WEIGHT_SAMPLES;
