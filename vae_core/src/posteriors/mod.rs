//! What the recognition model says of z: q(z | x).

mod diagonal_gaussian;

pub use diagonal_gaussian::DiagonalGaussian;
