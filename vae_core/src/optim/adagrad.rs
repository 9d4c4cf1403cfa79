//! AdaGrad, Duchi, Hazan & Singer (2011), the paper's and the report's optimiser: G ← G + g², θ ← θ + step · g / (√G + ε).
//!
//! With ε inside the root, θ ← θ + step · g / √(G + ε). The two differ where gradients are tiny: see Fig. 4, where the
//! first layer's gradients (rms 9·10⁻⁸) are below ε = 10⁻⁶.

use super::EpsilonPlace;
use crate::numeric::{Real, vmath};

pub(super) fn update<F: Real>(
    params: &mut [F],
    gradient: &[F],
    sum: &mut [F],
    step: f64,
    epsilon: f64,
    place: EpsilonPlace,
) {
    let (step, epsilon) = (F::of(step), F::of(epsilon));
    match place {
        EpsilonPlace::OutsideRoot => vmath::zip2(params, sum, gradient, |p, s, g| {
            let s = s + g * g;
            (p + step * g / positive(s.sqrt_v() + epsilon), s)
        }),
        EpsilonPlace::InsideRoot => vmath::zip2(params, sum, gradient, |p, s, g| {
            let s = s + g * g;
            (p + step * g / positive((s + epsilon).sqrt_v()), s)
        }),
    }
}

/// 1 for 0: a weight that never had a gradient takes no step, even with ε = 0, where 0/0 would be NaN.
#[inline(always)]
fn positive<F: Real>(root: F) -> F {
    if root > F::zero() { root } else { F::one() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let (mut p, mut s) = ([0.0f64, 0.0], [0.0, 0.0]);
        update(&mut p, &[3.0, 0.0], &mut s, 0.1, 1e-6, EpsilonPlace::OutsideRoot);
        update(&mut p, &[4.0, 0.0], &mut s, 0.1, 1e-6, EpsilonPlace::OutsideRoot);
        assert_eq!(s, [25.0, 0.0]);
        assert!((p[0] - 0.1 * (3.0 / (3.0 + 1e-6) + 4.0 / (5.0 + 1e-6))).abs() < 1e-15);
        assert_eq!(p[1], 0.0);
        let (mut p, mut s) = ([0.0f64], [0.0]);
        update(&mut p, &[1e-4], &mut s, 0.1, 1e-6, EpsilonPlace::InsideRoot);
        assert!((p[0] - 0.1 * 1e-4 / (1e-8f64 + 1e-6).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn no_gradient_and_no_epsilon_is_no_step() {
        let (mut p, mut s) = ([1.0f32], [0.0]);
        update(&mut p, &[0.0], &mut s, 0.1, 0.0, EpsilonPlace::OutsideRoot);
        assert_eq!(p, [1.0]);
    }
}
