//! Eq. 12: x ~ Bernoulli(f), f = 1 / (1 + exp(−h W − b)).
//!
//! With the logit a = h W + b, log p(x | z) = Σ_d x_d a_d − log(1 + exp a_d), and ∂/∂a = x − f. The formula is used for
//! grey x ∈ \[0, 1\] too (the report does); it is then the negative cross-entropy, not a normalised density.

use rand::Rng as _;

use super::{Likelihood, rows};
use crate::numeric::real::{sigmoid, softplus_sigmoid};
use crate::numeric::{Real, vmath};
use crate::rng::Rng;

/// Independent Bernoulli pixels; the head holds D logits.
#[derive(Clone, Copy, Debug)]
pub struct Bernoulli;

impl<F: Real> Likelihood<F> for Bernoulli {
    fn head_width(&self, d: usize) -> usize {
        d
    }

    fn log_prob(&self, x: &[F], head: &[F], d: usize, l: usize, log_p: &mut [F], grad: Option<&mut [F]>) {
        match grad {
            Some(grad) => {
                grad[..head.len()].copy_from_slice(head);
                for ((x, _, log_p), a) in rows(x, head, d, d, l, log_p).zip(grad.chunks_exact_mut(d)) {
                    *log_p = vmath::zip_sum(a, x, |a, x| {
                        let (softplus, f) = softplus_sigmoid(*a);
                        let log_p = x * *a - softplus;
                        *a = x - f;
                        log_p
                    });
                }
            }
            None => {
                for (x, a, log_p) in rows(x, head, d, d, l, log_p) {
                    *log_p = vmath::sum2(x, a, |x, a| x * a - softplus_sigmoid(a).0);
                }
            }
        }
    }

    fn mean(&self, head: &[F], _d: usize, mean: &mut [F]) {
        mean.copy_from_slice(head);
        vmath::map(mean, sigmoid);
    }

    fn sample(&self, head: &[F], d: usize, rng: &mut Rng, x: &mut [F]) {
        self.mean(head, d, x);
        for p in x {
            let u: f64 = rng.random();
            *p = if u < p.f64() { F::one() } else { F::zero() };
        }
    }
}
