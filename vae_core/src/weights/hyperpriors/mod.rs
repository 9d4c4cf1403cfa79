//! The prior of the weights, p_α(θ), one a file.

mod learned_normal;
mod normal;
mod scale_mixture;

use serde::{Deserialize, Serialize};

use super::Planes;
use super::form::Form;
use crate::Result;
use crate::choices::choices;
use crate::numeric::Real;

/// A prior of independent weights, the same for all weights and biases of a layer.
pub trait Hyperprior<F: Real>: std::fmt::Debug + Send + Sync {
    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) naming the number.
    fn validate(&self) -> Result<()>;

    /// Whether it is N(0, s²), whose divergence has a closed form. If not, it is sampled.
    fn is_gaussian(&self) -> bool {
        true
    }

    /// s² of a layer whose weights have this mean of μ² + σ² under q, if it is Gaussian.
    fn variance(&self, second_moment: f64) -> Option<f64>;

    /// Σ log p(θ) of some weights. Not called of a Gaussian.
    fn log_prob(&self, _theta: &[F]) -> f64 {
        f64::NAN
    }

    /// The part of [`finish`](super::WeightPosterior::finish) that the prior determines: with θ̃ = μ + σ ζ of the planes, `g` ← g + c ∂log p/∂θ̃ and
    /// `g_rho` ← (g_rho + c (ζ ∂log p/∂θ̃ + 1/σ)) dσ/dρ. Not called of a Gaussian.
    fn finish(&self, _form: Form, _planes: Planes<'_, F>, _g: &mut [F], _g_rho: &mut [F], _c: F) {}
}

choices! {
    /// Choice of p_α(θ).
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    HyperpriorConfig: Hyperprior<F> {
        normal::Normal(Normal),
        learned_normal::LearnedNormal,
        scale_mixture::ScaleMixture(ScaleMixture),
    }
}

impl Default for HyperpriorConfig {
    /// N(0, 1).
    fn default() -> Self {
        Normal::default().into()
    }
}
