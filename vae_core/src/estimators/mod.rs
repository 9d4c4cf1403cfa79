//! Estimators of the lower bound and of the marginal likelihood, and the step up its gradient.

pub mod ascent;
pub mod marginal;
pub mod sgvb;
pub mod workspace;

pub use ascent::{Ascent, Scaling};
pub use sgvb::{Bound, Estimator, Form};
pub use workspace::Workspace;
