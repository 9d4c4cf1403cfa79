//! Eqs. 10–11: x ~ N(μ, σ²), with μ = h W_μ + b_μ and log σ² = h W_σ + b_σ.
//!
//! log p(x | z) = −½ Σ_d [log 2π + log σ_d² + (x_d − μ_d)² / σ_d²]. The head holds D means, then D log variances. The
//! report writes the mean linear; its authors' code (and Kingma & Welling's) sends it through a logistic function,
//! since intensities lie in \[0, 1\]: [`GaussianMean`].

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::{Likelihood, rows};
use crate::numeric::real::{LOG_2PI, sigmoid};
use crate::numeric::{Real, vmath};
use crate::rng::Rng;

/// How the mean leaves the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GaussianMean {
    /// Eq. 10 as printed.
    #[default]
    Linear,
    /// Through 1 / (1 + e⁻ᵃ), as the authors ran it.
    Sigmoid,
}

/// Independent Gaussian pixels; the head holds D means and D log variances.
#[derive(Clone, Copy, Debug)]
pub struct Gaussian {
    /// How the mean leaves the network.
    pub mean: GaussianMean,
}

impl<F: Real> Likelihood<F> for Gaussian {
    fn head_width(&self, d: usize) -> usize {
        2 * d
    }

    fn log_prob(&self, x: &[F], head: &[F], d: usize, l: usize, log_p: &mut [F]) {
        let (half, log_2pi) = (F::of(0.5), F::of(LOG_2PI));
        let sigmoid_mean = self.mean == GaussianMean::Sigmoid;
        for (head, (x, log_p)) in head.chunks_exact(2 * d).zip(rows(x, d, l, log_p)) {
            let (mu, log_var) = head.split_at(d);
            *log_p = vmath::sum3(x, mu, log_var, |x, a, s| {
                let mu = if sigmoid_mean { sigmoid(a) } else { a };
                let residual = x - mu;
                -half * (log_2pi + s + residual * residual * (-s).exp_v())
            });
        }
    }

    fn log_prob_and_gradient(&self, x: &[F], head: &mut [F], d: usize, l: usize, log_p: &mut [F]) {
        let (half, log_2pi) = (F::of(0.5), F::of(LOG_2PI));
        let sigmoid_mean = self.mean == GaussianMean::Sigmoid;
        for (head, (x, log_p)) in head.chunks_exact_mut(2 * d).zip(rows(x, d, l, log_p)) {
            let (mu, log_var) = head.split_at_mut(d);
            *log_p = vmath::zip2_sum(mu, log_var, x, |a, s, x| {
                let mu = if sigmoid_mean { sigmoid(*a) } else { *a };
                let precision = (-*s).exp_v();
                let residual = x - mu;
                let square = residual * residual * precision;
                let log_p = -half * (log_2pi + *s + square);
                let slope = if sigmoid_mean { mu * (F::one() - mu) } else { F::one() };
                *a = residual * precision * slope;
                *s = half * (square - F::one());
                log_p
            });
        }
    }

    fn mean(&self, head: &[F], d: usize, mean: &mut [F]) {
        for (head, mean) in head.chunks_exact(2 * d).zip(mean.chunks_exact_mut(d)) {
            mean.copy_from_slice(&head[..d]);
        }
        if self.mean == GaussianMean::Sigmoid {
            vmath::map(mean, sigmoid);
        }
    }

    fn sample(&self, head: &[F], d: usize, rng: &mut Rng, x: &mut [F]) {
        self.mean(head, d, x);
        for (head, x) in head.chunks_exact(2 * d).zip(x.chunks_exact_mut(d)) {
            for (x, log_var) in x.iter_mut().zip(&head[d..]) {
                let e: f64 = StandardNormal.sample(rng);
                *x += F::of((0.5 * log_var.f64()).exp() * e);
            }
        }
    }
}
