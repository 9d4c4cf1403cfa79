//! A lower bound and its parts.

use serde::{Deserialize, Serialize};

use crate::choices::is_default;

/// A bound and its parts, nats per datapoint: `bound = reconstruction − kl − weights`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The lower bound.
    pub bound: f64,
    /// E[log p(x | z)].
    pub reconstruction: f64,
    /// D_KL(q(z | x) ‖ p(z)): exact in L^B, estimated in the others. With importance weights it is reconstruction − bound, which is no
    /// divergence.
    pub kl: f64,
    /// D_KL(q(θ) ‖ p(θ)) / N of Bayesian weights; 0 for a point.
    #[serde(default, skip_serializing_if = "is_default")]
    pub weights: f64,
}

impl Bound {
    /// From the two parts of a model whose weights are a point.
    pub fn new(reconstruction: f64, kl: f64) -> Self {
        Self { bound: reconstruction - kl, reconstruction, kl, weights: 0.0 }
    }

    /// The same with a divergence of the weights.
    #[must_use]
    pub fn with_weights(self, weights: f64) -> Self {
        Self { bound: self.reconstruction - self.kl - weights, weights, ..self }
    }
}
