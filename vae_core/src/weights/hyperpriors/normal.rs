//! N(0, s²) with s given; the report's has s = 1.

use serde::{Deserialize, Serialize};

use super::Hyperprior;
use crate::Result;
use crate::choices::positive;
use crate::numeric::Real;

/// A Gaussian.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normal {
    /// s.
    pub sd: f64,
}

impl Default for Normal {
    /// N(0, 1).
    fn default() -> Self {
        Self { sd: 1.0 }
    }
}

impl<F: Real> Hyperprior<F> for Normal {
    fn validate(&self) -> Result<()> {
        positive("model.weights.prior.sd", self.sd)
    }

    fn variance(&self, _: f64) -> Option<f64> {
        Some(self.sd * self.sd)
    }
}
