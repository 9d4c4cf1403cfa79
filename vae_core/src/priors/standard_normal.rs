//! p(z) = N(0, I), section 3: log p(z) = −½ Σ_j (log 2π + z_j²).

use statrs::distribution::{ContinuousCDF, Normal};

use super::prior::{Prior, add_slopes};
use crate::numeric::real::{LOG_2PI, fill_normals};
use crate::numeric::{Real, vmath};
use crate::rng::Rng;

/// N(0, I).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StandardNormal;

impl<F: Real> Prior<F> for StandardNormal {
    fn log_prob(&self, z: &[F], n_z: usize, log_p: &mut [F]) {
        let constant = F::of(-0.5 * LOG_2PI * n_z as f64);
        for (z, log_p) in z.chunks_exact(n_z).zip(log_p) {
            *log_p = constant - F::of(0.5) * vmath::sum2(z, z, |a, b| a * b);
        }
    }

    fn add_gradient(&self, z: &[F], n_z: usize, weights: &[F], dz: &mut [F]) {
        add_slopes(z, n_z, weights, dz, |z| -z);
    }

    fn draw(&self, _n_z: usize, rng: &mut Rng, z: &mut [F]) {
        fill_normals(z, rng);
    }

    fn quantile(&self, p: f64) -> Option<f64> {
        Normal::new(0.0, 1.0).ok().map(|normal| normal.inverse_cdf(p))
    }
}
