//! Data sets, their preprocessing and their minibatches.
pub mod dataset;
