//! A point with noise of fixed spread: q(z | x) = N(z; c, s² I) with the code c = a, or c = tanh a, of the encoder's head a, and z = c + s ε.
//!
//! Between a plain autoencoder and a variational one: with β = 0 it is the former with noise in its code, which tells what sampling alone
//! contributes to the latter. A linear code can then grow until the noise is of no account; one through tanh cannot.
//!
//! ```text
//! ∂z/∂a = c′    ∂log q/∂z = −ε/s    ∂log q/∂a = c′ ε/s (at fixed z), 0 (at fixed ε)    c′ = 1, or 1 − c²
//! ```

use serde::{Deserialize, Serialize};

use super::point::Code;
use super::posterior::{Drawn, Head, Posterior, Shape};
use crate::Result;
use crate::choices::positive;
use crate::numeric::real::LOG_2PI;
use crate::numeric::{Real, vmath};
use crate::priors::Support;

/// A Gaussian of fixed spread about a code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisyPoint {
    /// How the code leaves the encoder.
    pub code: Code,
    /// s.
    pub sd: f64,
}

impl Default for NoisyPoint {
    /// A code through tanh, and s = 0.1.
    fn default() -> Self {
        Self { code: Code::Tanh, sd: 0.1 }
    }
}

impl<F: Real> Posterior<F> for NoisyPoint {
    fn validate(&self) -> Result<()> {
        positive("model.posterior.sd", self.sd)
    }

    fn head(&self, n_z: usize) -> Head {
        Head::plain(n_z, n_z, n_z)
    }

    fn lives_on(&self, support: Support) -> bool {
        self.code.lives_on(support)
    }

    fn has_derivative(&self) -> bool {
        self.code.has_derivative()
    }

    fn sample(&self, head: &[F], Shape { l, n_z: n, .. }: Shape, eps: &[F], z: &mut [F]) {
        let sd = F::of(self.sd);
        for (head, (eps, z)) in head.chunks_exact(n).zip(eps.chunks_exact(l * n).zip(z.chunks_exact_mut(l * n))) {
            for (eps, z) in eps.chunks_exact(n).zip(z.chunks_exact_mut(n)) {
                self.code.of(head, z);
                vmath::zip(z, eps, |c, eps| c + sd * eps);
            }
        }
    }

    fn log_prob(&self, _: &[F], Shape { n_z: n, .. }: Shape, Drawn { noise: eps, .. }: Drawn<'_, F>, log_q: &mut [F]) {
        let constant = F::of((LOG_2PI + 2.0 * self.sd.ln()) * n as f64);
        for (eps, log_q) in eps.chunks_exact(n).zip(log_q) {
            *log_q = F::of(-0.5) * (constant + vmath::sum2(eps, eps, |a, b| a * b));
        }
    }

    fn add_path(
        &self,
        _: &[F],
        Shape { n_z: n, .. }: Shape,
        Drawn { noise: eps, .. }: Drawn<'_, F>,
        weights: &[F],
        dz: &mut [F],
    ) {
        let precision = F::of(1.0 / self.sd);
        for ((eps, dz), &w) in eps.chunks_exact(n).zip(dz.chunks_exact_mut(n)).zip(weights) {
            vmath::zip(dz, eps, |dz, eps| dz - w * precision * eps);
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
        let precision = F::of(1.0 / self.sd);
        for (i, (head, d_head)) in head.chunks_exact(n).zip(d_head.chunks_exact_mut(n)).enumerate() {
            d_head.fill(F::zero());
            vmath::add_columns(d_head, &dz[i * l * n..(i + 1) * l * n]);
            if let Some(score) = score {
                for row in i * l..(i + 1) * l {
                    let w = score[row] * precision;
                    vmath::zip(d_head, &eps[row * n..(row + 1) * n], |d, eps| d + w * eps);
                }
            }
            self.code.back(head, d_head);
        }
    }

    /// Nothing: at fixed ε the density of z does not depend on the head.
    fn add_log_prob_gradient(&self, _: &[F], _: Shape, _: Drawn<'_, F>, _: &[F], _: &mut [F]) {}

    fn centre(&self, head: &[F], _n_z: usize, centre: &mut [F]) {
        self.code.of(head, centre);
    }

    fn log_variance(&self, _: &[F], _: usize, log_variance: &mut [F]) {
        log_variance.fill(F::of(2.0 * self.sd.ln()));
    }
}
