//! p(z) = Π_j exp(−|z_j| / b) / (2b): sparser codes than N(0, I). Its variance is 2 b².

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use super::prior::{Prior, add_slopes, sum_log_prob};
use crate::Result;
use crate::choices::positive;
use crate::numeric::Real;
use crate::rng::Rng;

/// Independent Laplace coordinates of mean 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Laplace {
    /// b > 0.
    pub scale: f64,
}

impl Default for Laplace {
    fn default() -> Self {
        Self { scale: 1.0 }
    }
}

impl<F: Real> Prior<F> for Laplace {
    fn validate(&self) -> Result<()> {
        positive("model.prior.scale", self.scale)
    }

    fn log_prob(&self, z: &[F], n_z: usize, log_p: &mut [F]) {
        let (constant, rate) = (F::of(-(2.0 * self.scale).ln()), F::of(1.0 / self.scale));
        sum_log_prob(z, n_z, log_p, |z| constant - rate * z.abs());
    }

    fn add_gradient(&self, z: &[F], n_z: usize, weights: &[F], dz: &mut [F]) {
        let rate = F::of(1.0 / self.scale);
        add_slopes(z, n_z, weights, dz, |z| if z < F::zero() { rate } else { -rate });
    }

    fn draw(&self, _n_z: usize, rng: &mut Rng, z: &mut [F]) {
        for z in z {
            *z = F::of(quantile(self.scale, rng.random_range(f64::MIN_POSITIVE..1.0)));
        }
    }

    fn quantile(&self, p: f64) -> Option<f64> {
        Some(quantile(self.scale, p))
    }
}

fn quantile(scale: f64, p: f64) -> f64 {
    if p < 0.5 { scale * (2.0 * p).ln() } else { -scale * (2.0 * (1.0 - p)).ln() }
}
