//! Numbers: the two precisions, matrix products, vectorised elementary functions.

pub mod bf16;
pub mod block_sparse;
pub mod gemm;
pub mod isa;
mod log_mean_exp;
mod matrix;
mod moments;
mod packed;
mod product;
pub mod real;
mod registers;
pub mod vmath;

pub use bf16::Precision;
pub use log_mean_exp::LogMeanExp;
pub use moments::{RunningMoments, column_means};
pub use real::Real;
