//! Stochastic gradient ascent with momentum: v ← m v + g, θ ← θ + step · v.

use crate::numeric::{Real, vmath};

pub(super) fn update<F: Real>(params: &mut [F], gradient: &[F], velocity: &mut [F], step: f64, momentum: f64) {
    let (step, momentum) = (F::of(step), F::of(momentum));
    vmath::zip2(params, velocity, gradient, |p, v, g| {
        let v = momentum * v + g;
        (p + step * v, v)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let (mut p, mut v) = ([1.0f64], [0.0]);
        update(&mut p, &[2.0], &mut v, 0.1, 0.5);
        update(&mut p, &[1.0], &mut v, 0.1, 0.5);
        assert_eq!((p[0], v[0]), (1.0 + 0.1 * 2.0 + 0.1 * 2.0, 2.0));
    }
}
