//! What is believed of the weights: q(θ), one posterior a file, and their prior p_α(θ), one a file in [`hyperpriors`].

mod form;
mod gaussian;
pub mod hyperpriors;
mod point;

pub use form::Form;
pub use gaussian::{Networks, Sampling};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::choices::choices;
use crate::numeric::Real;

/// What the gradient of the bound becomes before the optimiser sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// 1 for the bound per datapoint, N for that of the whole data set.
    pub scale: f64,
    /// The precision of a Gaussian prior on the weights, per datapoint: λ/N.
    pub decay: f64,
    /// What a nat of D_KL(q(θ) ‖ p(θ)) counts, per datapoint: 1/N, or less while it warms up.
    pub kl: f64,
}

/// Some neighbouring weights of a layer, of the same length: μ or θ, and for a Gaussian ρ, the noise ζ if there is any, and the variance s² of
/// their prior, if that is Gaussian. What is not there is empty.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a, F> {
    /// θ, or μ.
    pub centre: &'a [F],
    /// ρ.
    pub rho: &'a [F],
    /// ζ of θ̃ = μ + σ ζ.
    pub zeta: &'a [F],
    /// s².
    pub prior: Option<f64>,
}

/// A posterior over the weights.
pub trait WeightPosterior<F: Real>: std::fmt::Debug + Send + Sync {
    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) naming the number.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// From derivatives of the data's term, nats per datapoint, to what is ascended, in place: those of the prior join, and the scale. `g`:
    /// ∂/∂θ on entry, ∂/∂μ on leaving; `g_rho`: ∂/∂σ² on entry, if the sampling takes it, ∂/∂ρ on leaving.
    fn finish(&self, planes: Planes<'_, F>, g: &mut [F], g_rho: &mut [F], scaling: Scaling);
}

choices! {
    /// Choice of q(θ).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    WeightsConfig: WeightPosterior<F> {
        #[default] point::Point,
        gaussian::Gaussian(Gaussian),
    }
}

impl WeightsConfig {
    /// The Gaussian, if it is one.
    pub fn gaussian(&self) -> Option<Gaussian> {
        match self {
            Self::Point => None,
            Self::Gaussian(gaussian) => Some(*gaussian),
        }
    }
}
