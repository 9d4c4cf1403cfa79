//! Numbers: the two precisions, matrix products, vectorised elementary functions.

pub mod block_sparse;
pub mod gemm;
pub mod isa;
mod product;
pub mod real;
pub mod vmath;

pub use real::Real;
