//! What is believed of the weights θ, one posterior q(θ) a file.

mod point;

use serde::{Deserialize, Serialize};

use crate::choices::choices;
use crate::numeric::Real;

/// What the gradient of the bound becomes before the optimiser sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// 1 for the bound per datapoint, N for that of the whole data set.
    pub scale: f64,
    /// The precision of a Gaussian prior on the weights, per datapoint: λ/N.
    pub decay: f64,
}

/// A posterior over the weights.
pub trait WeightPosterior<F: Real>: std::fmt::Debug + Send + Sync {
    /// From ∂ bound / ∂θ of some neighbouring weights, nats per datapoint, to what is ascended, in place: the prior joins, and the scale.
    fn finish(&self, theta: &[F], gradient: &mut [F], scaling: Scaling);
}

choices! {
    /// Choice of q(θ).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    WeightsConfig: WeightPosterior<F> {
        #[default] point::Point,
    }
}
