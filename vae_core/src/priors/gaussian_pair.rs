//! Section 7: p(z) = Π_j ½ N(z_j; 0, s²) + ½ N(z_j; 1, s²), a code of nearly binary digits on all of ℝ.
//!
//! With the log odds o = (2z − 1)/(2s²) of the mode at 1: log p = −½ log 2πs² − ½ z²/s² + log ½(1 + e^o), ∂log p/∂z = (σ(o) − z)/s².
//! A start with a wide s and a schedule towards the narrow one keeps dimensions from freezing in one mode early.

use rand::Rng as _;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::prior::{Prior, add_slopes, sum_log_prob};
use super::{PriorConfig, anneal};
use crate::Result;
use crate::choices::positive;
use crate::numeric::Real;
use crate::numeric::real::{LOG_2PI, sigmoid, softplus};
use crate::rng::Rng;

/// Two Gaussians a dimension, about 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianPair {
    /// s.
    pub sd: f64,
    /// s at the start of training, from which it goes to [`sd`](Self::sd) by equal ratios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Training samples over which it does.
    #[serde(default, skip_serializing_if = "crate::choices::is_default")]
    pub over: u64,
}

impl Default for GaussianPair {
    /// s = 0.1, without a schedule.
    fn default() -> Self {
        Self { sd: 0.1, start: None, over: 0 }
    }
}

impl<F: Real> Prior<F> for GaussianPair {
    fn validate(&self) -> Result<()> {
        positive("model.prior.sd", self.sd)?;
        anneal::check(self.start, self.over)
    }

    fn at(&self, samples: u64) -> Option<PriorConfig> {
        let start = self.start?;
        let sd = anneal::at(start, self.sd, self.over, samples);
        Some(Self { sd, start: None, over: 0 }.into())
    }

    fn log_prob(&self, z: &[F], n_z: usize, log_p: &mut [F]) {
        let (half, precision) = (F::of(0.5), F::of(self.sd.powi(-2)));
        let constant = F::of(-0.5 * (LOG_2PI + 2.0 * self.sd.ln()) - std::f64::consts::LN_2);
        sum_log_prob(z, n_z, log_p, |z| constant - half * precision * z * z + softplus(precision * (z - half)));
    }

    fn add_gradient(&self, z: &[F], n_z: usize, weights: &[F], dz: &mut [F]) {
        let (half, precision) = (F::of(0.5), F::of(self.sd.powi(-2)));
        add_slopes(z, n_z, weights, dz, |z| precision * (sigmoid(precision * (z - half)) - z));
    }

    fn draw(&self, _n_z: usize, rng: &mut Rng, z: &mut [F]) {
        for z in z {
            let mode = f64::from(u8::from(rng.random::<bool>()));
            let e: f64 = StandardNormal.sample(rng);
            *z = F::of(mode + self.sd * e);
        }
    }

    /// By bisection of the distribution function.
    fn quantile(&self, p: f64) -> Option<f64> {
        let normal = Normal::new(0.0, self.sd).ok()?;
        let below = |z: f64| 0.5 * (normal.cdf(z) + normal.cdf(z - 1.0));
        let (mut low, mut high) = (-40.0 * self.sd, 1.0 + 40.0 * self.sd);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if below(middle) < p { low = middle } else { high = middle }
        }
        Some(0.5 * (low + high))
    }
}
