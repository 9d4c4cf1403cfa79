//! Eq. 12: x ~ Bernoulli(f), f = 1 / (1 + exp(−h W − b)).
//!
//! With the logit a = h W + b, log p(x | z) = Σ_d x_d a_d − log(1 + exp a_d), and ∂/∂a = x − f. The formula is used for
//! grey x ∈ \[0, 1\] too (the report does); it is then the negative cross-entropy, not a normalised density. It is summed as
//! Σ_d [x_d a_d − max(a_d, 0)] − log Π_d (1 + exp −|a_d|): one logarithm for hundreds of pixels.

use rand::Rng as _;

use super::likelihood::{Likelihood, Pixels, rows};
use crate::numeric::real::{decay_sigmoid, relu, sigmoid};
use crate::numeric::{Real, vmath};
use crate::rng::Rng;

/// Independent Bernoulli pixels; the head holds D logits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bernoulli;

impl<F: Real> Likelihood<F> for Bernoulli {
    fn needs_unit_interval(&self) -> bool {
        true
    }

    fn head_width(&self, d: usize) -> usize {
        d
    }

    fn log_prob(&self, x: &[F], head: &[F], at: Pixels<F>, log_p: &mut [F]) {
        for (a, (x, log_p)) in head.chunks_exact(at.d).zip(rows(x, at, log_p)) {
            *log_p = vmath::sum_log(x, a, |x, a| (x * a - relu(a), F::one() + (-a.abs()).exp_negative_v()));
        }
    }

    fn log_prob_and_gradient(&self, x: &[F], head: &mut [F], at: Pixels<F>, log_p: &mut [F], _: &mut [F]) {
        for (a, (x, log_p)) in head.chunks_exact_mut(at.d).zip(rows(x, at, log_p)) {
            *log_p = vmath::zip_sum_log(a, x, |a, x| {
                let (t, f) = decay_sigmoid(*a);
                let term = x * *a - relu(*a);
                *a = x - f;
                (term, F::one() + t)
            });
        }
    }

    fn mean(&self, head: &[F], _d: usize, mean: &mut [F]) {
        mean.copy_from_slice(head);
        vmath::map(mean, sigmoid);
    }

    fn sample(&self, head: &[F], at: Pixels<F>, rng: &mut Rng, x: &mut [F]) {
        self.mean(head, at.d, x);
        for p in x {
            let u: f64 = rng.random();
            *p = if u < p.f64() { F::one() } else { F::zero() };
        }
    }
}
