//! One step of algorithm 1: the two passes through the model, and the update up the gradient.
//!
//! ```text
//! x ─ corruption ─ encoder ─ noise ─ z ─ log p(z), log q(z | x) or KL
//!                                    └ in parts: decoder, log p(x | z), the estimator's weights      (passes, score)
//! back: decoder ─ prior and posterior join ∂/∂z ─ path and score ─ encoder                           (passes)
//! strips of the parameters: product ─ posterior of the weights ─ optimiser, never written down       (ascent, strips)
//! ```

mod ascent;
mod batch;
mod dream;
mod em;
mod joint;
mod passes;
mod score;
mod strips;
mod theta;
mod tuning;
mod workspace;

pub use ascent::{Ascent, StepSettings};
pub use batch::Batch;
pub use em::LatentChains;
pub use joint::{Joint, JointRoom};
pub use theta::weights_divergence;
pub use workspace::Workspace;
