//! All of q(z | x) in one point: the code of a plain autoencoder (section 5). z = a, z = tanh a, or bits, of the encoder's head a.
//!
//! It has no density, so only L^B fits it, whose KL term is left out: the divergence of a point from any prior is infinite, whatever the
//! encoder does. With a Gaussian likelihood of fixed variance the objective is the squared error. What is reported is then no bound.

use serde::{Deserialize, Serialize};

use super::posterior::{Drawn, Head, Posterior, Shape};
use crate::numeric::{Real, vmath};
use crate::priors::Support;

/// How the code leaves the encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// As it is.
    #[default]
    Linear,
    /// Through tanh, as the report's authors ran it.
    Tanh,
    /// Bits: 1 where it is positive, else 0. A step has no derivative; on the way back it is taken for the clipped line between −1 and 1
    /// (straight-through, Hinton 2012; Bengio et al. 2013), which is not the derivative of anything.
    Bits,
}

/// A point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// How the code leaves the encoder.
    pub code: Code,
}

impl Code {
    /// The code of the head a, both of one datapoint or of many.
    pub(super) fn of<F: Real>(self, head: &[F], code: &mut [F]) {
        code.copy_from_slice(head);
        match self {
            Self::Linear => {}
            Self::Tanh => vmath::map(code, |a| a.tanh_v()),
            Self::Bits => vmath::map(code, |a| if a > F::zero() { F::one() } else { F::zero() }),
        }
    }

    /// From ∂/∂code to ∂/∂a, in place.
    pub(super) fn back<F: Real>(self, head: &[F], d: &mut [F]) {
        match self {
            Self::Linear => {}
            Self::Tanh => vmath::zip(d, head, |d, a| {
                let c = a.tanh_v();
                d * (F::one() - c * c)
            }),
            Self::Bits => vmath::zip(d, head, |d, a| if a.abs() <= F::one() { d * F::of(0.5) } else { F::zero() }),
        }
    }

    /// Whether it can be a code that lives there: bits are no logits.
    pub(super) fn lives_on(self, support: Support) -> bool {
        self != Self::Bits || support == Support::Real
    }

    /// Whether it is differentiable in the head.
    pub(super) fn has_derivative(self) -> bool {
        self != Self::Bits
    }
}

impl<F: Real> Posterior<F> for Point {
    fn head(&self, n_z: usize) -> Head {
        Head::plain(n_z, n_z, 0)
    }

    fn lives_on(&self, support: Support) -> bool {
        self.code.lives_on(support)
    }

    fn has_density(&self) -> bool {
        false
    }

    fn has_derivative(&self) -> bool {
        self.code.has_derivative()
    }

    fn draw(&self, _: &mut crate::rng::Rng, _: &mut [F]) {}

    fn sample(&self, head: &[F], Shape { l, n_z, .. }: Shape, _noise: &[F], z: &mut [F]) {
        for (head, z) in head.chunks_exact(n_z).zip(z.chunks_exact_mut(l * n_z)) {
            z.chunks_exact_mut(n_z).for_each(|z| self.code.of(head, z));
        }
    }

    fn log_prob(&self, _: &[F], _: Shape, _: Drawn<'_, F>, log_q: &mut [F]) {
        log_q.fill(F::nan());
    }

    fn add_path(&self, _: &[F], _: Shape, _: Drawn<'_, F>, _: &[F], dz: &mut [F]) {
        dz.fill(F::nan());
    }

    fn backward(&self, head: &[F], at: Shape, _: Drawn<'_, F>, dz: &[F], _: Option<&[F]>, d_head: &mut [F]) {
        let Shape { l, n_z, .. } = at;
        for ((head, d_head), dz) in
            head.chunks_exact(n_z).zip(d_head.chunks_exact_mut(n_z)).zip(dz.chunks_exact(l * n_z))
        {
            d_head.fill(F::zero());
            vmath::add_columns(d_head, dz);
            self.code.back(head, d_head);
        }
    }

    fn add_log_prob_gradient(&self, _: &[F], _: Shape, _: Drawn<'_, F>, _: &[F], d_head: &mut [F]) {
        d_head.fill(F::nan());
    }

    fn centre(&self, head: &[F], _n_z: usize, centre: &mut [F]) {
        self.code.of(head, centre);
    }

    fn log_variance(&self, _: &[F], _: usize, log_variance: &mut [F]) {
        log_variance.fill(F::neg_infinity());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_pass_the_gradient_near_their_threshold() {
        let (head, at) = ([-2.0f64, -0.5, 0.5, 2.0], Shape { m: 1, l: 2, n_z: 4 });
        let bits = Point { code: Code::Bits };
        let (mut z, mut d_head) = ([f64::NAN; 8], [f64::NAN; 4]);
        bits.sample(&head, at, &[], &mut z);
        assert_eq!(z, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        bits.backward(
            &head,
            at,
            Drawn { noise: &[], z: &[] },
            &[1.0, 2.0, 3.0, 4.0, 0.0, 2.0, -1.0, 0.0],
            None,
            &mut d_head,
        );
        assert_eq!(d_head, [0.0, 2.0, 1.0, 0.0]);
    }
}
