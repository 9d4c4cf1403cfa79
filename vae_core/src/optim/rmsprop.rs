//! RMSprop, Tieleman & Hinton (2012, lecture 6.5): v ← ρ v + (1 − ρ) g², θ ← θ + step · g / (√v + ε).

use serde::{Deserialize, Serialize};

use super::rule::{Rule, State, StepAt, in_range, positive};
use crate::Result;
use crate::numeric::{Real, vmath};

/// RMSprop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rmsprop {
    /// Step size.
    pub step: f64,
    /// ρ, decay of the mean of the squared gradient.
    pub decay: f64,
    /// ε, outside the root.
    pub epsilon: f64,
}

impl Default for Rmsprop {
    /// The lecture's ρ = 0.9, with a step of 0.001 and ε = 10⁻⁸.
    fn default() -> Self {
        Self { step: 1e-3, decay: 0.9, epsilon: 1e-8 }
    }
}

impl<F: Real> Rule<F> for Rmsprop {
    fn validate(&self) -> Result<()> {
        positive("step", self.step)?;
        in_range("decay", self.decay, 1.0)?;
        positive("epsilon", self.epsilon)
    }

    fn slots(&self) -> &'static [&'static str] {
        &["mean_of_squares"]
    }

    fn apply(&self, params: &mut [F], gradient: &[F], State([squares, _]): State<'_, F>, at: StepAt) {
        let (step, epsilon) = (F::of(self.step * at.factor), F::of(self.epsilon));
        let (decay, rest) = (F::of(self.decay), F::of(1.0 - self.decay));
        vmath::zip2(params, squares, gradient, |p, v, g| {
            let v = decay * v + rest * g * g;
            (p + step * g / (v.sqrt_v() + epsilon), v)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let rule = Rmsprop { step: 0.1, decay: 0.75, epsilon: 1e-3 };
        let (mut p, mut v) = ([0.0f64], [0.0]);
        for g in [2.0, -4.0] {
            rule.apply(&mut p, &[g], State([&mut v, &mut []]), StepAt { factor: 0.5, t: 1 });
        }
        let (v1, v2) = (0.25 * 4.0f64, 0.75 * 0.25 * 4.0 + 0.25 * 16.0f64);
        let expected = 0.05 * (2.0 / (v1.sqrt() + 1e-3) - 4.0 / (v2.sqrt() + 1e-3));
        assert!((p[0] - expected).abs() < 1e-15 && (v[0] - v2).abs() < 1e-15);
    }
}
