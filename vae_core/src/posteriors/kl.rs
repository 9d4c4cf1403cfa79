//! D_KL(q(z | x) ‖ p(z)) in closed form: one line of [`closed_kl`] a pair. Only pairs that stand there fit L^B (eq. 9).

use std::sync::Arc;

use statrs::function::erf::erf;

use super::{NoisyPoint, PosteriorConfig};
use crate::numeric::{Real, vmath};
use crate::priors::PriorConfig;

/// The divergence of a pair, from the encoder's head `[M, width]`, in nats.
pub trait ClosedKl<F: Real>: std::fmt::Debug + Send + Sync {
    /// D_KL `[M]`.
    fn kl(&self, head: &[F], n_z: usize, kl: &mut [F]);

    /// `d_head ← d_head − weight · ∂KL/∂head`.
    fn subtract_gradient(&self, head: &[F], n_z: usize, weight: F, d_head: &mut [F]);

    /// Adds the divergence of each dimension, summed over the datapoints, to `sums` `[N_z]`.
    fn add_per_dimension(&self, head: &[F], n_z: usize, sums: &mut [f64]);
}

/// The closed form for a pair, if there is one.
pub fn closed_kl<F: Real>(q: &PosteriorConfig, p: &PriorConfig) -> Option<Arc<dyn ClosedKl<F>>> {
    match (q, p) {
        (PosteriorConfig::DiagonalGaussian, PriorConfig::StandardNormal) => Some(Arc::new(GaussianNormal)),
        (PosteriorConfig::DiagonalGaussian, PriorConfig::Laplace(p)) => {
            Some(Arc::new(GaussianLaplace { scale: p.scale }))
        }
        (PosteriorConfig::NoisyPoint(q), PriorConfig::StandardNormal) => Some(Arc::new(NoisyPointNormal(*q))),
        (PosteriorConfig::Point(_), _) => Some(Arc::new(LeftOut)),
        #[allow(unreachable_patterns)] // as long as there are few
        _ => None,
    }
}

/// N(μ, σ²) and N(0, I): ½ Σ_j (μ_j² + σ_j² − 1 − log σ_j²), Kingma & Welling appendix B. ∂/∂μ = μ, ∂/∂log σ² = ½ (σ² − 1).
#[derive(Debug)]
struct GaussianNormal;

impl<F: Real> ClosedKl<F> for GaussianNormal {
    fn kl(&self, head: &[F], n_z: usize, kl: &mut [F]) {
        for (head, kl) in head.chunks_exact(2 * n_z).zip(kl) {
            let (mu, log_var) = head.split_at(n_z);
            *kl = vmath::sum2(mu, log_var, gaussian_normal);
        }
    }

    fn subtract_gradient(&self, head: &[F], n: usize, weight: F, d_head: &mut [F]) {
        for (head, d_head) in head.chunks_exact(2 * n).zip(d_head.chunks_exact_mut(2 * n)) {
            let (d_mu, d_log_var) = d_head.split_at_mut(n);
            vmath::zip(d_mu, &head[..n], |d, mu| d - weight * mu);
            vmath::zip(d_log_var, &head[n..], |d, s| d - weight * F::of(0.5) * (s.exp_v() - F::one()));
        }
    }

    fn add_per_dimension(&self, head: &[F], n_z: usize, sums: &mut [f64]) {
        add_terms(head, n_z, sums, |mu, log_var| gaussian_normal(mu, log_var).f64());
    }
}

#[inline(always)]
fn gaussian_normal<F: Real>(mu: F, log_var: F) -> F {
    F::of(0.5) * (mu * mu + log_var.exp_v() - F::one() - log_var)
}

/// N(μ, σ²) and Laplace(0, b): Σ_j log 2b + E|z_j| / b − ½ log(2πe σ_j²), where with r = μ/(σ√2)
/// E|z| = σ √(2/π) e^(−r²) + μ erf r, ∂E|z|/∂μ = erf r, ∂E|z|/∂σ = √(2/π) e^(−r²). In f64 throughout.
#[derive(Debug)]
struct GaussianLaplace {
    scale: f64,
}

impl GaussianLaplace {
    /// The divergence of one dimension and its derivatives by μ and log σ².
    fn term(&self, mu: f64, log_var: f64) -> [f64; 3] {
        let (b, sigma) = (self.scale, (0.5 * log_var).exp());
        let r = mu / (sigma * std::f64::consts::SQRT_2);
        let (slope, bell) = (erf(r), (2.0 / std::f64::consts::PI).sqrt() * (-r * r).exp());
        let entropy = 0.5 * ((2.0 * std::f64::consts::PI).ln() + 1.0 + log_var);
        let kl = (2.0 * b).ln() + (sigma * bell + mu * slope) / b - entropy;
        [kl, slope / b, 0.5 * (sigma * bell / b - 1.0)]
    }
}

impl<F: Real> ClosedKl<F> for GaussianLaplace {
    fn kl(&self, head: &[F], n_z: usize, kl: &mut [F]) {
        for (head, kl) in head.chunks_exact(2 * n_z).zip(kl) {
            let (mu, log_var) = head.split_at(n_z);
            *kl = F::of(mu.iter().zip(log_var).map(|(mu, s)| self.term(mu.f64(), s.f64())[0]).sum());
        }
    }

    fn subtract_gradient(&self, head: &[F], n: usize, weight: F, d_head: &mut [F]) {
        for (head, d_head) in head.chunks_exact(2 * n).zip(d_head.chunks_exact_mut(2 * n)) {
            for j in 0..n {
                let [_, d_mu, d_log_var] = self.term(head[j].f64(), head[n + j].f64());
                d_head[j] -= weight * F::of(d_mu);
                d_head[n + j] -= weight * F::of(d_log_var);
            }
        }
    }

    fn add_per_dimension(&self, head: &[F], n_z: usize, sums: &mut [f64]) {
        add_terms(head, n_z, sums, |mu, log_var| self.term(mu.f64(), log_var.f64())[0]);
    }
}

fn add_terms<F: Real>(head: &[F], n_z: usize, sums: &mut [f64], term: impl Fn(F, F) -> f64) {
    for head in head.chunks_exact(2 * n_z) {
        let (mu, log_var) = head.split_at(n_z);
        for ((sum, &mu), &log_var) in sums.iter_mut().zip(mu).zip(log_var) {
            *sum += term(mu, log_var);
        }
    }
}

/// N(c, s²) with fixed s, and N(0, I): ½ Σ_j (c_j² + s² − 1 − log s²). ∂/∂c = c.
#[derive(Debug)]
struct NoisyPointNormal(NoisyPoint);

impl NoisyPointNormal {
    fn constant(&self) -> f64 {
        0.5 * (self.0.sd * self.0.sd - 1.0) - self.0.sd.ln()
    }
}

impl<F: Real> ClosedKl<F> for NoisyPointNormal {
    fn kl(&self, head: &[F], n_z: usize, kl: &mut [F]) {
        let mut code = vec![F::zero(); n_z];
        for (head, kl) in head.chunks_exact(n_z).zip(kl) {
            self.0.code.of(head, &mut code);
            *kl = F::of(0.5) * vmath::sum2(&code, &code, |a, b| a * b) + F::of(n_z as f64 * self.constant());
        }
    }

    fn subtract_gradient(&self, head: &[F], n: usize, weight: F, d_head: &mut [F]) {
        let mut d = vec![F::zero(); n];
        for (head, d_head) in head.chunks_exact(n).zip(d_head.chunks_exact_mut(n)) {
            self.0.code.of(head, &mut d);
            self.0.code.back(head, &mut d);
            vmath::zip(d_head, &d, |d_head, d| d_head - weight * d);
        }
    }

    fn add_per_dimension(&self, head: &[F], n_z: usize, sums: &mut [f64]) {
        let mut code = vec![F::zero(); n_z];
        for head in head.chunks_exact(n_z) {
            self.0.code.of(head, &mut code);
            sums.iter_mut().zip(&code).for_each(|(sum, c)| *sum += 0.5 * c.f64().powi(2) + self.constant());
        }
    }
}

/// A point and any prior: no term at all (see [`Point`](super::Point)).
#[derive(Debug)]
struct LeftOut;

impl<F: Real> ClosedKl<F> for LeftOut {
    fn kl(&self, _: &[F], _: usize, kl: &mut [F]) {
        kl.fill(F::zero());
    }

    fn subtract_gradient(&self, _: &[F], _: usize, _: F, _: &mut [F]) {}

    fn add_per_dimension(&self, _: &[F], _: usize, _: &mut [f64]) {}
}
