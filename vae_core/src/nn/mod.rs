//! Multi-layer perceptrons over one flat parameter vector.

pub mod activation;
pub mod dense;
pub mod init;
pub mod mlp;
pub mod params;

pub use activation::Activation;
pub use init::Init;
pub use mlp::{Mlp, Trace};
pub use params::{Layout, Tensor};
