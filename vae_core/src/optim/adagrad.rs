//! AdaGrad, Duchi, Hazan & Singer (2011), the paper's and the report's optimiser: G ← G + g², θ ← θ + step · g / (√G + ε).
//!
//! With ε inside the root, θ ← θ + step · g / √(G + ε). The two differ where gradients are tiny: see Fig. 4, where the
//! first layer's gradients (rms 9·10⁻⁸) are below ε = 10⁻⁶.

use serde::{Deserialize, Serialize};

use super::rule::{Rule, State, StepAt, in_range, positive, positive_or_one};
use crate::Result;
use crate::numeric::{Real, vmath};

/// Where AdaGrad's ε stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpsilonPlace {
    /// g / √(G + ε).
    InsideRoot,
    /// g / (√G + ε), as the authors' code.
    #[default]
    OutsideRoot,
}

/// AdaGrad.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adagrad {
    /// Step size.
    pub step: f64,
    /// ε.
    pub epsilon: f64,
    /// Where ε stands.
    pub place: EpsilonPlace,
}

impl Default for Adagrad {
    /// The authors': 0.01, ε = 10⁻⁶ outside the root.
    fn default() -> Self {
        Self { step: 0.01, epsilon: 1e-6, place: EpsilonPlace::OutsideRoot }
    }
}

impl<F: Real> Rule<F> for Adagrad {
    fn validate(&self) -> Result<()> {
        positive("step", self.step)?;
        in_range("epsilon", self.epsilon, f64::INFINITY)
    }

    fn slots(&self) -> &'static [&'static str] {
        &["sum_of_squares"]
    }

    fn apply(&self, params: &mut [F], gradient: &[F], State([sum, _]): State<'_, F>, at: StepAt) {
        let (step, epsilon) = (F::of(self.step * at.factor), F::of(self.epsilon));
        match self.place {
            EpsilonPlace::OutsideRoot => vmath::zip2(params, sum, gradient, |p, s, g| {
                let s = s + g * g;
                (p + step * g / positive_or_one(s.sqrt_v() + epsilon), s)
            }),
            EpsilonPlace::InsideRoot => vmath::zip2(params, sum, gradient, |p, s, g| {
                let s = s + g * g;
                (p + step * g / positive_or_one((s + epsilon).sqrt_v()), s)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step<F: Real>(rule: Adagrad, p: &mut [F], gradient: &[F], sum: &mut [F]) {
        rule.apply(p, gradient, State([sum, &mut []]), StepAt { factor: 1.0, t: 1 });
    }

    #[test]
    fn two_steps_by_hand() {
        let rule = Adagrad { step: 0.1, ..Adagrad::default() };
        let (mut p, mut s) = ([0.0f64, 0.0], [0.0, 0.0]);
        step(rule, &mut p, &[3.0, 0.0], &mut s);
        step(rule, &mut p, &[4.0, 0.0], &mut s);
        assert_eq!(s, [25.0, 0.0]);
        assert!((p[0] - 0.1 * (3.0 / (3.0 + 1e-6) + 4.0 / (5.0 + 1e-6))).abs() < 1e-15);
        assert_eq!(p[1], 0.0);
        let (mut p, mut s) = ([0.0f64], [0.0]);
        step(Adagrad { place: EpsilonPlace::InsideRoot, ..rule }, &mut p, &[1e-4], &mut s);
        assert!((p[0] - 0.1 * 1e-4 / (1e-8f64 + 1e-6).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn no_gradient_and_no_epsilon_is_no_step() {
        let (mut p, mut s) = ([1.0f32], [0.0]);
        step(Adagrad { epsilon: 0.0, ..Adagrad::default() }, &mut p, &[0.0], &mut s);
        assert_eq!(p, [1.0]);
    }
}
