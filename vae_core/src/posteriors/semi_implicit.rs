//! Section 7: q(z | x) = ∫ N(z; μ(x, ψ), diag σ²(x, ψ)) p(ψ) dψ with noise ψ ~ N(0, I) that is fed to the encoder: z = g(x, ε) with a density that
//! is estimated "sampling multiple g(x, ε_i)". A semi-implicit posterior (Yin & Zhou 2018).
//!
//! For each of the L samples of z the encoder runs on a ψ of its own, and on K more that all samples of the datapoint share: its head is
//! `[M·(L + K), 2 N_z]`, the rows of a datapoint adjacent, those with a sample first. The mixture of a sample is over its own component and the K others,
//!
//! ```text
//! log q̂(z) = log 1/(K + 1) Σ_k N(z; μ_k, σ_k²),    r_k = N(z; μ_k, σ_k²) / Σ N
//! ∂log q̂/∂z = −Σ r_k (z − μ_k)/σ_k²    ∂/∂μ_k = r_k (z − μ_k)/σ_k²    ∂/∂log σ_k² = r_k ½ ((z − μ_k)²/σ_k² − 1)
//! ```
//!
//! which makes L^A a bound for every K that rises with it, in expectation; K = 0 is the bound that treats ψ as a further latent variable whose
//! posterior is its prior.

use serde::{Deserialize, Serialize};

use super::diagonal_gaussian::{DiagonalGaussian, sigma};
use super::posterior::{Drawn, Head, Posterior, Shape};
use crate::numeric::real::LOG_2PI;
use crate::numeric::{LogMeanExp, Real, vmath};
use crate::{Error, Result};

/// A Gaussian whose parameters are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SemiImplicit {
    /// Width of ψ.
    pub noise: usize,
    /// K.
    pub inner: usize,
}

impl Default for SemiImplicit {
    fn default() -> Self {
        Self { noise: 10, inner: 5 }
    }
}

/// More would not fit the buffers of a step.
const MOST: usize = 10_000;

/// Log-densities of a sample under its components: its own, number `own` of a datapoint's rows of the head, and the shared ones.
struct Mixture<'a, F> {
    z: &'a [F],
    /// The datapoint's rows `[P, 2 N_z]`.
    head: &'a [F],
    own: usize,
    shared: std::ops::Range<usize>,
}

impl<'a, F: Real> Mixture<'a, F> {
    fn components(&self) -> impl Iterator<Item = usize> + use<F> {
        std::iter::once(self.own).chain(self.shared.clone())
    }

    fn parameters(&self, row: usize) -> (&'a [F], &'a [F]) {
        let n = self.z.len();
        self.head[row * 2 * n..(row + 1) * 2 * n].split_at(n)
    }

    fn log_component(&self, row: usize) -> f64 {
        let (mu, log_var) = self.parameters(row);
        let sum = vmath::sum3(self.z, mu, log_var, |z, mu, s| s + (z - mu) * (z - mu) * (-s).exp_v());
        -0.5 * (LOG_2PI * self.z.len() as f64 + sum.f64())
    }

    fn log_q(&self) -> f64 {
        let mut mean = LogMeanExp::default();
        self.components().for_each(|row| mean.push(self.log_component(row)));
        mean.value()
    }

    /// Rows with their shares r_k.
    fn shares(&self) -> impl Iterator<Item = (usize, F)> {
        let log_sum = self.log_q() + ((self.shared.len() + 1) as f64).ln();
        self.components().map(move |row| (row, F::of((self.log_component(row) - log_sum).exp())))
    }

    /// Calls `f(j, term)` with terms whose sums are ∂log q̂/∂z_j.
    fn slopes(&self, mut f: impl FnMut(usize, F)) {
        for (row, share) in self.shares() {
            let (mu, log_var) = self.parameters(row);
            for (j, z) in self.z.iter().enumerate() {
                f(j, -share * (*z - mu[j]) * (-log_var[j]).exp_v());
            }
        }
    }

    /// The datapoint's rows of `d_head` ← d_head + w ∂log q̂/∂head at fixed z.
    fn add_score(&self, w: F, d_head: &mut [F]) {
        let n = self.z.len();
        for (row, share) in self.shares() {
            let (mu, log_var) = self.parameters(row);
            let (d_mu, d_log_var) = d_head[row * 2 * n..(row + 1) * 2 * n].split_at_mut(n);
            for j in 0..n {
                let (offset, precision) = (self.z[j] - mu[j], (-log_var[j]).exp_v());
                d_mu[j] += w * share * offset * precision;
                d_log_var[j] += w * share * F::of(0.5) * (offset * offset * precision - F::one());
            }
        }
    }
}

/// Rows of the head a datapoint.
fn rows_each<F>(head: &[F], at: Shape) -> usize {
    head.len() / (at.m * 2 * at.n_z)
}

/// The mixture of each sample, with its number and that of its datapoint.
fn mixtures<'a, F: Real>(
    head: &'a [F],
    at: Shape,
    z: &'a [F],
) -> impl Iterator<Item = (usize, usize, Mixture<'a, F>)> + 'a {
    let (each, n) = (rows_each(head, at), at.n_z);
    z.chunks_exact(n).enumerate().map(move |(row, z)| {
        let (i, own) = (row / at.l, row % at.l);
        let head = &head[i * each * 2 * n..(i + 1) * each * 2 * n];
        (row, i, Mixture { z, head, own, shared: at.l.min(each)..each })
    })
}

/// The number of the row of the head that z `row` is drawn from.
fn own_row(row: usize, each: usize, l: usize) -> usize {
    row / l * each + row % l
}

impl<F: Real> Posterior<F> for SemiImplicit {
    fn validate(&self) -> Result<()> {
        if self.noise == 0 || self.noise > MOST || self.inner > MOST {
            let reason = format!("needs noise of width 1 to {MOST} and at most {MOST} inner samples, not {self:?}");
            return Err(Error::config("model.posterior", reason));
        }
        Ok(())
    }

    fn head(&self, n_z: usize) -> Head {
        Head { injected: self.noise, inner: self.inner, ..Head::plain(2 * n_z, n_z, n_z) }
    }

    fn log_variance_places(&self, n_z: usize) -> Option<std::ops::Range<usize>> {
        Some(n_z..2 * n_z)
    }

    fn sample(&self, head: &[F], at: Shape, eps: &[F], z: &mut [F]) {
        let (each, n) = (rows_each(head, at), at.n_z);
        for (row, (z, eps)) in z.chunks_exact_mut(n).zip(eps.chunks_exact(n)).enumerate() {
            let first = own_row(row, each, at.l) * 2 * n;
            let (mu, log_var) = head[first..first + 2 * n].split_at(n);
            for j in 0..n {
                z[j] = mu[j] + sigma(log_var[j]) * eps[j];
            }
        }
    }

    fn log_prob(&self, head: &[F], at: Shape, Drawn { z, .. }: Drawn<'_, F>, log_q: &mut [F]) {
        mixtures(head, at, z).for_each(|(row, _, mixture)| log_q[row] = F::of(mixture.log_q()));
    }

    fn add_path(&self, head: &[F], at: Shape, Drawn { z, .. }: Drawn<'_, F>, weights: &[F], dz: &mut [F]) {
        mixtures(head, at, z)
            .for_each(|(row, _, mixture)| mixture.slopes(|j, slope| dz[row * at.n_z + j] += weights[row] * slope));
    }

    fn backward(
        &self,
        head: &[F],
        at: Shape,
        Drawn { noise: eps, z }: Drawn<'_, F>,
        dz: &[F],
        score: Option<&[F]>,
        d_head: &mut [F],
    ) {
        let (each, n) = (rows_each(head, at), at.n_z);
        d_head.fill(F::zero());
        for (row, (dz, eps)) in dz.chunks_exact(n).zip(eps.chunks_exact(n)).enumerate() {
            let first = own_row(row, each, at.l) * 2 * n;
            let log_var = &head[first + n..first + 2 * n];
            let (d_mu, d_log_var) = d_head[first..first + 2 * n].split_at_mut(n);
            for j in 0..n {
                d_mu[j] += dz[j];
                d_log_var[j] += dz[j] * F::of(0.5) * sigma(log_var[j]) * eps[j];
            }
        }
        let Some(score) = score else { return };
        for (row, i, mixture) in mixtures(head, at, z) {
            mixture.add_score(score[row], &mut d_head[i * each * 2 * n..(i + 1) * each * 2 * n]);
        }
    }

    fn add_log_prob_gradient(
        &self,
        head: &[F],
        at: Shape,
        Drawn { noise: eps, z }: Drawn<'_, F>,
        weights: &[F],
        d_head: &mut [F],
    ) {
        let (each, n) = (rows_each(head, at), at.n_z);
        for (row, i, mixture) in mixtures(head, at, z) {
            let (w, first) = (weights[row], own_row(row, each, at.l) * 2 * n);
            mixture.add_score(w, &mut d_head[i * each * 2 * n..(i + 1) * each * 2 * n]);
            mixture.slopes(|j, slope| {
                d_head[first + j] += w * slope;
                d_head[first + n + j] += w * slope * F::of(0.5) * sigma(head[first + n + j]) * eps[row * n + j];
            });
        }
    }

    /// The mean at ψ = 0.
    fn centre(&self, head: &[F], n_z: usize, centre: &mut [F]) {
        DiagonalGaussian.centre(head, n_z, centre);
    }

    /// Of the component at ψ = 0.
    fn log_variance(&self, head: &[F], n_z: usize, log_variance: &mut [F]) {
        DiagonalGaussian.log_variance(head, n_z, log_variance);
    }
}
