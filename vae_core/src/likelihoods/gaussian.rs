//! Eqs. 10–11: x ~ N(μ, σ²), with μ = h W_μ + b_μ and log σ² = h W_σ + b_σ.
//!
//! log p(x | z) = −½ Σ_d [log 2π + log σ_d² + (x_d − μ_d)² / σ_d²]. The report writes the mean linear; its authors' code (and
//! Kingma & Welling's) sends it through a logistic function, since intensities lie in \[0, 1\]: [`PixelMean`]. A pixel that never
//! changes draws log σ² to −∞ and the density with it, which ends in an overflow after thousands of steps. So [`Variance::PerPixel`] has a
//! floor, [`Variance::FLOOR`], below which a log variance counts as the floor and has no gradient; or choose a variance that cannot run away.

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::likelihood::{Likelihood, PixelMean, Pixels, floored, rows};
use crate::choices::is_default;
use crate::numeric::real::LOG_2PI;
use crate::numeric::{Real, vmath};
use crate::rng::Rng;
use crate::{Error, Result};

/// Where σ² comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variance {
    /// Eq. 11: the network says log σ² for each pixel and z, at least [`FLOOR`](Self::FLOOR).
    #[default]
    PerPixel,
    /// One log σ² for all pixels and datapoints, a parameter that is learned (`likelihood.shared`); it begins at 0.
    Shared,
    /// σ is given. The objective is then the squared error over 2σ², but for a constant.
    Fixed {
        /// σ > 0.
        sd: f64,
    },
}

impl Variance {
    /// The least log σ² of a pixel: σ is at least 1.2·10⁻⁴, a thirtieth of a grey value of 256.
    pub const FLOOR: f64 = -18.0;
}

/// Independent Gaussian pixels. The head holds D means, and then, with [`Variance::PerPixel`], D log variances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaussian {
    /// How the mean leaves the network.
    pub mean: PixelMean,
    /// Where σ² comes from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub variance: Variance,
}

impl Gaussian {
    /// log σ² of all pixels; `None` if the network says it.
    fn log_var<F: Real>(&self, shared: F) -> Option<F> {
        match self.variance {
            Variance::PerPixel => None,
            Variance::Shared => Some(shared),
            Variance::Fixed { sd } => Some(F::of(2.0 * sd.ln())),
        }
    }

    /// Width of the head, in D.
    fn parts(&self) -> usize {
        if self.variance == Variance::PerPixel { 2 } else { 1 }
    }
}

impl<F: Real> Likelihood<F> for Gaussian {
    fn validate(&self) -> Result<()> {
        match self.variance {
            Variance::Fixed { sd } if !(1e-4..=1e4).contains(&sd) => {
                let reason = format!("must be between 0.0001 and 10000, not {sd}; its square is the variance");
                Err(Error::config("model.likelihood.variance.sd", reason))
            }
            _ => Ok(()),
        }
    }

    fn head_width(&self, d: usize) -> usize {
        self.parts() * d
    }

    fn shared(&self) -> Option<f64> {
        (self.variance == Variance::Shared).then_some(0.0)
    }

    fn log_prob(&self, x: &[F], head: &[F], at: Pixels<F>, log_p: &mut [F]) {
        let (half, log_2pi, mean) = (F::of(0.5), F::of(LOG_2PI), self.mean);
        if let Some(s) = self.log_var(at.shared) {
            let (constant, precision) = (F::of(at.d as f64) * (log_2pi + s), (-s).exp_v());
            for (a, (x, log_p)) in head.chunks_exact(at.d).zip(rows(x, at, log_p)) {
                *log_p = -half * (constant + precision * sum_squares(a, x, mean));
            }
            return;
        }
        for (head, (x, log_p)) in head.chunks_exact(2 * at.d).zip(rows(x, at, log_p)) {
            let (a, log_var) = head.split_at(at.d);
            *log_p = vmath::sum3(x, a, log_var, |x, a, s| {
                let (s, residual) = (floored(s, Variance::FLOOR), x - mean.of(a).0);
                -half * (log_2pi + s + residual * residual * (-s).exp_v())
            });
        }
    }

    fn log_prob_and_gradient(&self, x: &[F], head: &mut [F], at: Pixels<F>, log_p: &mut [F], d_shared: &mut [F]) {
        let (half, log_2pi, mean) = (F::of(0.5), F::of(LOG_2PI), self.mean);
        if let Some(s) = self.log_var(at.shared) {
            let (constant, precision, d) = (F::of(at.d as f64) * (log_2pi + s), (-s).exp_v(), F::of(at.d as f64));
            let mut d_shared = d_shared.iter_mut();
            for (a, (x, log_p)) in head.chunks_exact_mut(at.d).zip(rows(x, at, log_p)) {
                let squares = precision * sum_squares(a, x, mean);
                vmath::zip(a, x, |a, x| {
                    let (mu, slope) = mean.of(a);
                    (x - mu) * precision * slope
                });
                *log_p = -half * (constant + squares);
                if let Some(d_shared) = d_shared.next() {
                    *d_shared = half * (squares - d);
                }
            }
            return;
        }
        for (head, (x, log_p)) in head.chunks_exact_mut(2 * at.d).zip(rows(x, at, log_p)) {
            let (a, log_var) = head.split_at_mut(at.d);
            *log_p = vmath::zip2_sum(a, log_var, x, |a, log_var, x| {
                let (s, (mu, slope)) = (floored(*log_var, Variance::FLOOR), mean.of(*a));
                let precision = (-s).exp_v();
                let residual = x - mu;
                let square = residual * residual * precision;
                let log_p = -half * (log_2pi + s + square);
                *a = residual * precision * slope;
                *log_var = if *log_var < F::of(Variance::FLOOR) { F::zero() } else { half * (square - F::one()) };
                log_p
            });
        }
    }

    fn mean(&self, head: &[F], d: usize, mean: &mut [F]) {
        for (head, mean) in head.chunks_exact(self.parts() * d).zip(mean.chunks_exact_mut(d)) {
            mean.copy_from_slice(&head[..d]);
        }
        let form = self.mean;
        vmath::map(mean, |a| form.of(a).0);
    }

    fn sample(&self, head: &[F], at: Pixels<F>, rng: &mut Rng, x: &mut [F]) {
        self.mean(head, at.d, x);
        let all = self.log_var(at.shared);
        for (head, x) in head.chunks_exact(self.parts() * at.d).zip(x.chunks_exact_mut(at.d)) {
            for (j, x) in x.iter_mut().enumerate() {
                let log_var = all.unwrap_or_else(|| floored(head[at.d + j], Variance::FLOOR));
                let e: f64 = StandardNormal.sample(rng);
                *x += F::of((0.5 * log_var.f64()).exp() * e);
            }
        }
    }
}

/// Σ_d (x_d − μ_d)².
fn sum_squares<F: Real>(a: &[F], x: &[F], mean: PixelMean) -> F {
    vmath::sum2(a, x, |a, x| {
        let residual = x - mean.of(a).0;
        residual * residual
    })
}
