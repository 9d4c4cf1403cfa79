//! What is ascended: the scale of the bound, and a prior on the weights.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The scale of what is ascended. It matters where the optimiser has an ε.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Mean over the minibatch: the bound per datapoint (the authors' V0).
    #[default]
    PerDatapoint,
    /// Sum over the minibatch (the authors' V1).
    Minibatch,
    /// Eqs. 8–9 as printed: N/M times the sum, the estimate for the whole data set.
    Dataset,
}

impl Objective {
    /// The factor on the gradient of the bound per datapoint.
    pub fn scale(self, n: usize, m: usize) -> f64 {
        match self {
            Self::PerDatapoint => 1.0,
            Self::Minibatch => m as f64,
            Self::Dataset => n as f64,
        }
    }
}

/// A Gaussian prior on all weights and biases θ, added to the objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightPrior {
    /// None.
    #[default]
    None,
    /// θ ~ N(0, 1/λ), at its right weight: −λ‖θ‖² / (2N) per datapoint.
    Gaussian {
        /// λ.
        precision: f64,
    },
    /// What the authors' later code (V1) did: −½‖θ‖² against the sum over one minibatch, so −‖θ‖² / (2M) per datapoint:
    /// N/M times too strong (500 times on MNIST, 15 times on Frey Face).
    AuthorsMisscaled,
}

impl WeightPrior {
    /// Checks λ.
    ///
    /// # Errors
    /// [`Error::Config`] if it is negative or not finite.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Gaussian { precision } if !(precision.is_finite() && precision >= 0.0) => {
                Err(Error::config("weight_prior.precision", format!("must be ≥ 0, not {precision}")))
            }
            _ => Ok(()),
        }
    }

    /// c in −c‖θ‖²/2 per datapoint.
    pub fn per_datapoint(self, n: usize, m: usize) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Gaussian { precision } => precision / n as f64,
            Self::AuthorsMisscaled => 1.0 / m as f64,
        }
    }
}
