//! x ~ Laplace(μ, b): log p(x | z) = −Σ_d [log 2b_d + |x_d − μ_d| / b_d], for pixels with heavier tails than a Gaussian's.
//!
//! The head holds D centres a (μ = a, or a logistic function of it: [`PixelMean`]), then D values of log b. As with the Gaussian, a pixel
//! that never changes would draw log b to −∞: below [`FLOOR`](Laplace::FLOOR) it counts as the floor and has no gradient.

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use super::likelihood::{Likelihood, PixelMean, Pixels, floored, rows};
use crate::numeric::{Real, vmath};
use crate::rng::Rng;

/// Independent Laplace pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Laplace {
    /// How the centre μ leaves the network.
    pub mean: PixelMean,
}

impl Laplace {
    /// The least log b.
    pub const FLOOR: f64 = -9.0;
}

impl<F: Real> Likelihood<F> for Laplace {
    fn head_width(&self, d: usize) -> usize {
        2 * d
    }

    fn log_prob(&self, x: &[F], head: &[F], at: Pixels<F>, log_p: &mut [F]) {
        let (log_2, mean) = (F::of(std::f64::consts::LN_2), self.mean);
        for (head, (x, log_p)) in head.chunks_exact(2 * at.d).zip(rows(x, at, log_p)) {
            let (a, log_b) = head.split_at(at.d);
            *log_p = vmath::sum3(x, a, log_b, |x, a, log_b| {
                let log_b = floored(log_b, Self::FLOOR);
                -(log_2 + log_b + (x - mean.of(a).0).abs() * (-log_b).exp_v())
            });
        }
    }

    fn log_prob_and_gradient(&self, x: &[F], head: &mut [F], at: Pixels<F>, log_p: &mut [F], _: &mut [F]) {
        let (log_2, mean) = (F::of(std::f64::consts::LN_2), self.mean);
        for (head, (x, log_p)) in head.chunks_exact_mut(2 * at.d).zip(rows(x, at, log_p)) {
            let (a, log_b) = head.split_at_mut(at.d);
            *log_p = vmath::zip2_sum(a, log_b, x, |a, log_b, x| {
                let (s, (mu, slope)) = (floored(*log_b, Self::FLOOR), mean.of(*a));
                let (rate, residual) = ((-s).exp_v(), x - mu);
                let distance = residual.abs() * rate;
                *a = if residual < F::zero() { -rate } else { rate } * slope;
                *log_b = if *log_b < F::of(Self::FLOOR) { F::zero() } else { distance - F::one() };
                -(log_2 + s + distance)
            });
        }
    }

    fn mean(&self, head: &[F], d: usize, mean: &mut [F]) {
        for (head, mean) in head.chunks_exact(2 * d).zip(mean.chunks_exact_mut(d)) {
            mean.copy_from_slice(&head[..d]);
        }
        let form = self.mean;
        vmath::map(mean, |a| form.of(a).0);
    }

    fn sample(&self, head: &[F], at: Pixels<F>, rng: &mut Rng, x: &mut [F]) {
        self.mean(head, at.d, x);
        for (head, x) in head.chunks_exact(2 * at.d).zip(x.chunks_exact_mut(at.d)) {
            for (x, log_b) in x.iter_mut().zip(&head[at.d..]) {
                let u: f64 = rng.random_range(f64::MIN_POSITIVE..1.0) - 0.5;
                let deviate = -u.signum() * (-2.0 * u.abs()).ln_1p();
                *x += F::of(floored(*log_b, Self::FLOOR).f64().exp() * deviate);
            }
        }
    }
}
