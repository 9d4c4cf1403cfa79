//! Initial weights. Biases start at zero.

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::numeric::Real;
use crate::rng::Rng;
use crate::{Error, Result};

/// The distribution of the initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// N(0, s²); the paper and the report use s = 0.01.
    Normal {
        /// Standard deviation s.
        std: f64,
    },
    /// N(0, 2 / (inputs + outputs)), Glorot & Bengio (2010).
    Xavier,
    /// N(0, 2 / inputs), He et al. (2015).
    He,
}

impl Init {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Config`] if s is not a finite, non-negative number.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Normal { std } if !(std.is_finite() && std >= 0.0) => {
                Err(Error::config("model.init.std", format!("must be finite and ≥ 0, not {std}")))
            }
            _ => Ok(()),
        }
    }

    /// The standard deviation for a layer with so many inputs and outputs.
    pub fn std(self, inputs: usize, outputs: usize) -> f64 {
        match self {
            Self::Normal { std } => std,
            Self::Xavier => (2.0 / (inputs + outputs) as f64).sqrt(),
            Self::He => (2.0 / inputs as f64).sqrt(),
        }
    }

    /// Fills a weight tensor; the same draws in both precisions.
    pub fn fill<F: Real>(self, weights: &mut [F], inputs: usize, outputs: usize, rng: &mut Rng) {
        let std = self.std(inputs, outputs);
        for w in weights {
            let normal: f64 = StandardNormal.sample(rng);
            *w = F::of(std * normal);
        }
    }
}
