//! What the model believes of z before it sees x: p(z).

use super::PriorConfig;
use crate::Result;
use crate::numeric::{Real, vmath};
use crate::rng::Rng;

/// Where a latent variable lives. A prior and a posterior must agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All real numbers.
    Real,
    /// (0, 1). Prior, posterior and their gradients are then over y = logit z ∈ ℝ, whose density has the factor z(1 − z); the decoder sees z.
    Unit,
}

/// A prior over the latent vector. z is `[rows, N_z]`; log-densities are in nats.
pub trait Prior<F: Real>: std::fmt::Debug + Send + Sync {
    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) naming the number.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Where z lives.
    fn support(&self) -> Support {
        Support::Real
    }

    /// The prior after so many training samples, if it has a schedule; it ends at the prior itself.
    fn at(&self, _samples: u64) -> Option<PriorConfig> {
        None
    }

    /// log p(z) `[rows]`.
    fn log_prob(&self, z: &[F], n_z: usize, log_p: &mut [F]);

    /// `dz ← dz + w_r ∂ log p / ∂z` with a weight w `[rows]` for each row.
    fn add_gradient(&self, z: &[F], n_z: usize, weights: &[F], dz: &mut [F]);

    /// Draws z `[rows, N_z]`, whole rows.
    fn draw(&self, n_z: usize, rng: &mut Rng, z: &mut [F]);

    /// The p-quantile of one coordinate, 0 < p < 1, for manifold grids; `None` where the coordinates are not alike and independent.
    fn quantile(&self, p: f64) -> Option<f64>;
}

/// log p(z) `[rows]` = Σ_j log p(z_j), of independent and equal coordinates.
#[inline(always)]
pub(super) fn sum_log_prob<F: Real>(z: &[F], n_z: usize, log_p: &mut [F], log_prob: impl Fn(F) -> F) {
    for (z, log_p) in z.chunks_exact(n_z).zip(log_p) {
        *log_p = vmath::sum2(z, z, |z, _| log_prob(z));
    }
}

/// `dz ← dz + w_r slope(z)`.
#[inline(always)]
pub(super) fn add_slopes<F: Real>(z: &[F], n_z: usize, weights: &[F], dz: &mut [F], slope: impl Fn(F) -> F) {
    for ((z, dz), &w) in z.chunks_exact(n_z).zip(dz.chunks_exact_mut(n_z)).zip(weights) {
        vmath::zip(dz, z, |dz, z| dz + w * slope(z));
    }
}
