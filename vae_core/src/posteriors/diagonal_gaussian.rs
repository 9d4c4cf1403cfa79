//! Eqs. 13–14: q(z | x) = N(z; μ, diag σ²), and its reparameterisation z = μ + σ ⊙ ε with ε ~ N(0, I).
//!
//! The encoder's head `[M, 2 N_z]` holds μ, then log σ², and σ = exp(½ log σ²). With ε = (z − μ) / σ:
//!
//! ```text
//! ∂z/∂μ = 1                    ∂z/∂log σ² = ½ σ ε
//! ∂log q/∂z = −ε / σ           ∂log q/∂μ = ε / σ          ∂log q/∂log σ² = ½ (ε² − 1)    (at fixed z)
//! d log q/dμ = 0               d log q/d log σ² = −½                                     (at fixed ε)
//! ```

use super::posterior::{Drawn, Head, Posterior, Shape};
use crate::numeric::real::LOG_2PI;
use crate::numeric::{Real, vmath};

/// A diagonal Gaussian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiagonalGaussian;

impl<F: Real> Posterior<F> for DiagonalGaussian {
    fn head(&self, n_z: usize) -> Head {
        Head::plain(2 * n_z, n_z, n_z)
    }

    fn log_variance_places(&self, n_z: usize) -> Option<std::ops::Range<usize>> {
        Some(n_z..2 * n_z)
    }

    fn sample(&self, head: &[F], Shape { l, n_z: n, .. }: Shape, eps: &[F], z: &mut [F]) {
        for (head, (eps, z)) in head.chunks_exact(2 * n).zip(eps.chunks_exact(l * n).zip(z.chunks_exact_mut(l * n))) {
            let (mu, log_var) = head.split_at(n);
            for (eps, z) in eps.chunks_exact(n).zip(z.chunks_exact_mut(n)) {
                for j in 0..n {
                    z[j] = mu[j] + sigma(log_var[j]) * eps[j];
                }
            }
        }
    }

    /// Through ε: −½ Σ_j (log 2π + log σ_j² + ε_j²).
    fn has_inverse(&self) -> bool {
        true
    }

    fn noise_of(&self, head: &[F], Shape { l, n_z: n, .. }: Shape, z: &[F], noise: &mut [F]) {
        for (row, (z, noise)) in z.chunks_exact(n).zip(noise.chunks_exact_mut(n)).enumerate() {
            let (mu, log_var) = head[row / l * 2 * n..][..2 * n].split_at(n);
            for j in 0..n {
                noise[j] = (z[j] - mu[j]) / sigma(log_var[j]);
            }
        }
    }

    fn log_prob(
        &self,
        head: &[F],
        Shape { l, n_z: n, .. }: Shape,
        Drawn { noise: eps, .. }: Drawn<'_, F>,
        log_q: &mut [F],
    ) {
        let constant = F::of(LOG_2PI * n as f64);
        for (head, (eps, log_q)) in head.chunks_exact(2 * n).zip(eps.chunks_exact(l * n).zip(log_q.chunks_exact_mut(l)))
        {
            let log_det: F = head[n..].iter().copied().sum();
            for (eps, log_q) in eps.chunks_exact(n).zip(log_q) {
                *log_q = F::of(-0.5) * (constant + log_det + vmath::sum2(eps, eps, |a, b| a * b));
            }
        }
    }

    fn add_path(
        &self,
        head: &[F],
        Shape { l, n_z: n, .. }: Shape,
        Drawn { noise: eps, .. }: Drawn<'_, F>,
        weights: &[F],
        dz: &mut [F],
    ) {
        let samples = eps.chunks_exact(n).zip(dz.chunks_exact_mut(n)).zip(weights).enumerate();
        for (row, ((eps, dz), &w)) in samples {
            let log_var = &head[row / l * 2 * n + n..][..n];
            for j in 0..n {
                dz[j] -= w * eps[j] / sigma(log_var[j]);
            }
        }
    }

    fn backward(
        &self,
        head: &[F],
        at: Shape,
        Drawn { noise: eps, .. }: Drawn<'_, F>,
        dz: &[F],
        score: Option<&[F]>,
        d_head: &mut [F],
    ) {
        let Shape { l, n_z: n, .. } = at;
        let samples = eps.chunks_exact(l * n).zip(dz.chunks_exact(l * n));
        for ((head, d_head), (eps, dz)) in head.chunks_exact(2 * n).zip(d_head.chunks_exact_mut(2 * n)).zip(samples) {
            d_head.fill(F::zero());
            let (d_mu, d_log_var) = d_head.split_at_mut(n);
            for (eps, dz) in eps.chunks_exact(n).zip(dz.chunks_exact(n)) {
                for j in 0..n {
                    d_mu[j] += dz[j];
                    d_log_var[j] += dz[j] * eps[j];
                }
            }
            for (d, &log_var) in d_log_var.iter_mut().zip(&head[n..]) {
                *d *= F::of(0.5) * sigma(log_var);
            }
        }
        let Some(score) = score else { return };
        for (row, (eps, &w)) in eps.chunks_exact(n).zip(score).enumerate() {
            let (first, log_var) = (row / l * 2 * n, &head[row / l * 2 * n + n..][..n]);
            let (d_mu, d_log_var) = d_head[first..first + 2 * n].split_at_mut(n);
            for j in 0..n {
                d_mu[j] += w * eps[j] / sigma(log_var[j]);
                d_log_var[j] += w * F::of(0.5) * (eps[j] * eps[j] - F::one());
            }
        }
    }

    fn add_log_prob_gradient(
        &self,
        _: &[F],
        Shape { l, n_z: n, .. }: Shape,
        _: Drawn<'_, F>,
        weights: &[F],
        d_head: &mut [F],
    ) {
        for (d_head, weights) in d_head.chunks_exact_mut(2 * n).zip(weights.chunks_exact(l)) {
            let step = F::of(0.5 * weights.iter().map(|w| w.f64()).sum::<f64>());
            for d in &mut d_head[n..] {
                *d -= step;
            }
        }
    }

    fn centre(&self, head: &[F], n_z: usize, centre: &mut [F]) {
        for (head, centre) in head.chunks_exact(2 * n_z).zip(centre.chunks_exact_mut(n_z)) {
            centre.copy_from_slice(&head[..n_z]);
        }
    }

    fn log_variance(&self, head: &[F], n_z: usize, log_variance: &mut [F]) {
        for (head, log_variance) in head.chunks_exact(2 * n_z).zip(log_variance.chunks_exact_mut(n_z)) {
            log_variance.copy_from_slice(&head[n_z..]);
        }
    }
}

/// σ = exp(½ log σ²).
#[inline(always)]
pub(super) fn sigma<F: Real>(log_var: F) -> F {
    (F::of(0.5) * log_var).exp_v()
}
