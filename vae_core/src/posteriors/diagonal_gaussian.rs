//! Eqs. 13–14: q(z | x) = N(z; μ, diag σ²), and its reparameterisation z = μ + σ ⊙ ε with ε ~ N(0, I).
//!
//! The encoder's head `[M, 2 N_z]` holds μ, then log σ², and σ = exp(½ log σ²). The L samples of a datapoint lie in
//! consecutive rows: row r of z and ε belongs to row r / L of the head.

use crate::numeric::real::LOG_2PI;
use crate::numeric::{Real, vmath};

/// A diagonal Gaussian over N_z latent dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiagonalGaussian {
    /// N_z.
    pub n_z: usize,
}

impl DiagonalGaussian {
    /// Width of the encoder's head.
    pub fn head_width(self) -> usize {
        2 * self.n_z
    }

    /// Eq. 14: `z ← μ + σ ⊙ ε`, z and ε `[M·L, N_z]`.
    pub fn sample<F: Real>(self, head: &[F], l: usize, eps: &[F], z: &mut [F]) {
        let n = self.n_z;
        for (head, (eps, z)) in self.per_datapoint(head).zip(eps.chunks_exact(l * n).zip(z.chunks_exact_mut(l * n))) {
            let (mu, log_var) = head.split_at(n);
            for (eps, z) in eps.chunks_exact(n).zip(z.chunks_exact_mut(n)) {
                for j in 0..n {
                    z[j] = mu[j] + (F::of(0.5) * log_var[j]).exp_v() * eps[j];
                }
            }
        }
    }

    /// log q(z | x) `[M·L]` at the samples, through ε: −½ Σ_j (log 2π + log σ_j² + ε_j²).
    pub fn log_prob<F: Real>(self, head: &[F], l: usize, eps: &[F], log_q: &mut [F]) {
        let n = self.n_z;
        let constant = F::of(LOG_2PI * n as f64);
        for (head, (eps, log_q)) in self.per_datapoint(head).zip(eps.chunks_exact(l * n).zip(log_q.chunks_exact_mut(l)))
        {
            let log_det: F = head[n..].iter().copied().sum();
            for (eps, log_q) in eps.chunks_exact(n).zip(log_q) {
                *log_q = F::of(-0.5) * (constant + log_det + vmath::sum2(eps, eps, |a, b| a * b));
            }
        }
    }

    /// D_KL(q(z | x) ‖ N(0, I)) `[M]` = ½ Σ_j (μ_j² + σ_j² − 1 − log σ_j²), Kingma & Welling appendix B.
    pub fn kl<F: Real>(self, head: &[F], kl: &mut [F]) {
        for (head, kl) in self.per_datapoint(head).zip(kl) {
            let (mu, log_var) = head.split_at(self.n_z);
            *kl = vmath::sum2(mu, log_var, kl_term);
        }
    }

    /// Adds the KL of each datapoint to `per_dimension` `[N_z]`.
    pub fn add_kl_per_dimension<F: Real>(self, head: &[F], per_dimension: &mut [f64]) {
        for head in self.per_datapoint(head) {
            let (mu, log_var) = head.split_at(self.n_z);
            for ((sum, &mu), &log_var) in per_dimension.iter_mut().zip(mu).zip(log_var) {
                *sum += kl_term(mu, log_var).f64();
            }
        }
    }

    /// The way back through eq. 14: from ∂/∂z `[M·L, N_z]` to `d_head` `[M, 2 N_z]` (overwritten).
    /// ∂z/∂μ = 1 and ∂z/∂log σ² = ½ σ ε.
    pub fn backward<F: Real>(self, head: &[F], l: usize, eps: &[F], dz: &[F], d_head: &mut [F]) {
        let n = self.n_z;
        let samples = eps.chunks_exact(l * n).zip(dz.chunks_exact(l * n));
        for ((head, d_head), (eps, dz)) in self.per_datapoint(head).zip(d_head.chunks_exact_mut(2 * n)).zip(samples) {
            d_head.fill(F::zero());
            let (d_mu, d_log_var) = d_head.split_at_mut(n);
            for (eps, dz) in eps.chunks_exact(n).zip(dz.chunks_exact(n)) {
                for j in 0..n {
                    d_mu[j] += dz[j];
                    d_log_var[j] += dz[j] * eps[j];
                }
            }
            for (d, &log_var) in d_log_var.iter_mut().zip(&head[n..]) {
                *d *= F::of(0.5) * (F::of(0.5) * log_var).exp_v();
            }
        }
    }

    /// `d_head ← d_head − weight · ∂KL/∂head`: ∂KL/∂μ = μ, ∂KL/∂log σ² = ½ (σ² − 1).
    pub fn subtract_kl_gradient<F: Real>(self, head: &[F], weight: F, d_head: &mut [F]) {
        let n = self.n_z;
        for (head, d_head) in self.per_datapoint(head).zip(d_head.chunks_exact_mut(2 * n)) {
            let (d_mu, d_log_var) = d_head.split_at_mut(n);
            vmath::zip(d_mu, &head[..n], |d, mu| d - weight * mu);
            vmath::zip(d_log_var, &head[n..], |d, s| d - weight * F::of(0.5) * (s.exp_v() - F::one()));
        }
    }

    /// `d_head ← d_head − weight · ∂ Σ_l log q(z_l | x) / ∂head` with ε held fixed: only −½ log σ² depends on the head.
    pub fn subtract_log_prob_gradient<F: Real>(self, l: usize, weight: F, d_head: &mut [F]) {
        let step = weight * F::of(0.5 * l as f64);
        for d_head in d_head.chunks_exact_mut(2 * self.n_z) {
            for d in &mut d_head[self.n_z..] {
                *d += step;
            }
        }
    }

    fn per_datapoint<F>(self, head: &[F]) -> std::slice::ChunksExact<'_, F> {
        head.chunks_exact(2 * self.n_z)
    }
}

/// ½ (μ² + σ² − 1 − log σ²).
#[inline(always)]
fn kl_term<F: Real>(mu: F, log_var: F) -> F {
    F::of(0.5) * (mu * mu + log_var.exp_v() - F::one() - log_var)
}
