//! p(z) = N(0, I), section 3: log p(z) = −½ Σ_j (log 2π + z_j²).

use super::Prior;
use crate::numeric::real::LOG_2PI;
use crate::numeric::{Real, vmath};

/// N(0, I).
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardNormalPrior;

impl<F: Real> Prior<F> for StandardNormalPrior {
    fn log_prob(&self, z: &[F], n_z: usize, log_p: &mut [F]) {
        let constant = F::of(-0.5 * LOG_2PI * n_z as f64);
        for (z, log_p) in z.chunks_exact(n_z).zip(log_p) {
            *log_p = constant - F::of(0.5) * vmath::sum2(z, z, |a, b| a * b);
        }
    }

    fn add_gradient(&self, z: &[F], weight: F, dz: &mut [F]) {
        vmath::zip(dz, z, |dz, z| dz - weight * z);
    }
}
