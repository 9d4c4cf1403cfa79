//! A code of bits, z_j = 1 where a_j > 0 and else 0, of the encoder's head a: a point without a density, as [`Point`](super::Point). A step has no
//! derivative; on the way back it is taken for the clipped line between −1 and 1 (straight-through, Hinton 2012; Bengio et al. 2013), which is not
//! the derivative of anything.

use super::posterior::{Head, Posterior, Shape};
use crate::numeric::{Real, vmath};
use crate::priors::Support;

/// Bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StraightThrough;

fn bits<F: Real>(head: &[F], z: &mut [F]) {
    vmath::zip(z, head, |_, a| if a > F::zero() { F::one() } else { F::zero() });
}

impl<F: Real> Posterior<F> for StraightThrough {
    fn head(&self, n_z: usize) -> Head {
        Head::plain(n_z, n_z, 0)
    }

    fn lives_on(&self, support: Support) -> bool {
        support == Support::Real
    }

    fn has_density(&self) -> bool {
        false
    }

    fn has_derivative(&self) -> bool {
        false
    }

    fn draw(&self, _: &mut crate::rng::Rng, _: &mut [F]) {}

    fn sample(&self, head: &[F], Shape { l, n_z, .. }: Shape, _noise: &[F], z: &mut [F]) {
        for (head, z) in head.chunks_exact(n_z).zip(z.chunks_exact_mut(l * n_z)) {
            z.chunks_exact_mut(n_z).for_each(|z| bits(head, z));
        }
    }

    fn log_prob(&self, _: &[F], _: Shape, _: &[F], _: &[F], log_q: &mut [F]) {
        log_q.fill(F::nan());
    }

    fn add_path(&self, _: &[F], _: Shape, _: &[F], _: &[F], _: &[F], dz: &mut [F]) {
        dz.fill(F::nan());
    }

    fn backward(&self, head: &[F], at: Shape, _: &[F], dz: &[F], _: Option<&[F]>, d_head: &mut [F]) {
        let Shape { l, n_z, .. } = at;
        let rows = head.chunks_exact(n_z).zip(d_head.chunks_exact_mut(n_z)).zip(dz.chunks_exact(l * n_z));
        for ((head, d_head), dz) in rows {
            d_head.fill(F::zero());
            vmath::add_columns(d_head, dz);
            vmath::zip(d_head, head, |d, a| if a.abs() <= F::one() { d * F::of(0.5) } else { F::zero() });
        }
    }

    fn add_log_prob_gradient(&self, _: &[F], _: Shape, _: &[F], _: &[F], d_head: &mut [F]) {
        d_head.fill(F::nan());
    }

    fn centre(&self, head: &[F], _n_z: usize, centre: &mut [F]) {
        bits(head, centre);
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
        let (mut z, mut d_head) = ([f64::NAN; 8], [f64::NAN; 4]);
        StraightThrough.sample(&head, at, &[], &mut z);
        assert_eq!(z, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        StraightThrough.backward(&head, at, &[], &[1.0, 2.0, 3.0, 4.0, 0.0, 2.0, -1.0, 0.0], None, &mut d_head);
        assert_eq!(d_head, [0.0, 2.0, 1.0, 0.0]);
    }
}
