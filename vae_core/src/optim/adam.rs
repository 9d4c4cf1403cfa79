//! Adam, Kingma & Ba (2015), algorithm 1: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
//! θ ← θ + step · m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).

use crate::numeric::{Real, vmath};

/// The numbers of one step.
pub(super) struct Step {
    pub size: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    /// Updates made, this one included.
    pub t: u64,
}

pub(super) fn update<F: Real>(params: &mut [F], gradient: &[F], m: &mut [F], v: &mut [F], s: Step) {
    let t = s.t.min(i32::MAX as u64) as i32;
    let (correct1, correct2) = (1.0 - s.beta1.powi(t), 1.0 - s.beta2.powi(t));
    let (beta1, beta2, epsilon) = (F::of(s.beta1), F::of(s.beta2), F::of(s.epsilon));
    let (rest1, rest2) = (F::of(1.0 - s.beta1), F::of(1.0 - s.beta2));
    let (size, root2) = (F::of(s.size / correct1), F::of(1.0 / correct2.sqrt()));
    vmath::zip3(params, m, v, gradient, |p, m, v, g| {
        let (m, v) = (beta1 * m + rest1 * g, beta2 * v + rest2 * g * g);
        (p + size * m / (v.sqrt_v() * root2 + epsilon), m, v)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_step_size() {
        let (mut p, mut m, mut v) = ([0.0f64; 2], [0.0; 2], [0.0; 2]);
        update(
            &mut p,
            &[1e-3, -50.0],
            &mut m,
            &mut v,
            Step { size: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 0.0, t: 1 },
        );
        assert!((p[0] - 0.1).abs() < 1e-12 && (p[1] + 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_second_step_by_hand() {
        let (mut p, mut m, mut v) = ([0.0f64], [0.0], [0.0]);
        let s = |t| Step { size: 0.01, beta1: 0.5, beta2: 0.75, epsilon: 1e-3, t };
        update(&mut p, &[1.0], &mut m, &mut v, s(1));
        let first = p[0];
        update(&mut p, &[3.0], &mut m, &mut v, s(2));
        let (m2, v2) = (0.5 * 0.5 + 0.5 * 3.0, 0.75 * 0.25 + 0.25 * 9.0);
        let expected = first + 0.01 * (m2 / 0.75) / ((v2 / (1.0 - 0.75f64 * 0.75)).sqrt() + 1e-3);
        assert!((p[0] - expected).abs() < 1e-14);
    }
}
