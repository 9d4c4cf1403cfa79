//! Adam, Kingma & Ba (2015), algorithm 1: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
//! θ ← θ + step · m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).

use serde::{Deserialize, Serialize};

use super::rule::{Rule, State, StepAt, in_range, positive};
use crate::Result;
use crate::numeric::{Real, vmath};

/// Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// Step size.
    pub step: f64,
    /// β₁, decay of the mean of the gradient.
    pub beta1: f64,
    /// β₂, decay of the mean of its square.
    pub beta2: f64,
    /// ε, outside the root.
    pub epsilon: f64,
}

impl Default for Adam {
    /// The paper's: 0.001, β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
    fn default() -> Self {
        Self { step: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl<F: Real> Rule<F> for Adam {
    fn validate(&self) -> Result<()> {
        positive("step", self.step)?;
        in_range("beta1", self.beta1, 1.0)?;
        in_range("beta2", self.beta2, 1.0)?;
        positive("epsilon", self.epsilon)
    }

    fn slots(&self) -> &'static [&'static str] {
        &["first_moment", "second_moment"]
    }

    fn apply(&self, params: &mut [F], gradient: &[F], State([m, v]): State<'_, F>, at: StepAt) {
        let t = at.t.min(i32::MAX as u64) as i32;
        let (correct1, correct2) = (1.0 - self.beta1.powi(t), 1.0 - self.beta2.powi(t));
        let (beta1, beta2, epsilon) = (F::of(self.beta1), F::of(self.beta2), F::of(self.epsilon));
        let (rest1, rest2) = (F::of(1.0 - self.beta1), F::of(1.0 - self.beta2));
        let (size, root2) = (F::of(self.step * at.factor / correct1), F::of(1.0 / correct2.sqrt()));
        vmath::zip3(params, m, v, gradient, |p, m, v, g| {
            let (m, v) = (beta1 * m + rest1 * g, beta2 * v + rest2 * g * g);
            (p + size * m / (v.sqrt_v() * root2 + epsilon), m, v)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_step_size() {
        let rule = Adam { step: 0.1, epsilon: 0.0, ..Adam::default() };
        let (mut p, mut m, mut v) = ([0.0f64; 2], [0.0; 2], [0.0; 2]);
        rule.apply(&mut p, &[1e-3, -50.0], State([&mut m, &mut v]), StepAt { factor: 1.0, t: 1 });
        assert!((p[0] - 0.1).abs() < 1e-12 && (p[1] + 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_second_step_by_hand() {
        let rule = Adam { step: 0.01, beta1: 0.5, beta2: 0.75, epsilon: 1e-3 };
        let (mut p, mut m, mut v) = ([0.0f64], [0.0], [0.0]);
        rule.apply(&mut p, &[1.0], State([&mut m, &mut v]), StepAt { factor: 1.0, t: 1 });
        let first = p[0];
        rule.apply(&mut p, &[3.0], State([&mut m, &mut v]), StepAt { factor: 1.0, t: 2 });
        let (m2, v2) = (0.5 * 0.5 + 0.5 * 3.0, 0.75 * 0.25 + 0.25 * 9.0);
        let expected = first + 0.01 * (m2 / 0.75) / ((v2 / (1.0 - 0.75f64 * 0.75)).sqrt() + 1e-3);
        assert!((p[0] - expected).abs() < 1e-14);
    }
}
