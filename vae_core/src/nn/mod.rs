//! Multi-layer perceptrons over one flat parameter vector.

pub mod activation;
pub mod dense;
pub mod init;
mod injection;
mod local;
pub mod mlp;
pub mod params;
mod trace;

pub use activation::Activation;
pub use init::Init;
pub use mlp::Mlp;
pub use params::{Layout, Tensor};
pub use trace::Trace;
