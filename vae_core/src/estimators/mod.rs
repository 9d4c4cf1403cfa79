//! Estimators of the lower bound and of the marginal likelihood.

pub mod marginal;
pub mod sgvb;

pub use sgvb::{Bound, Estimator, Form, Workspace};
