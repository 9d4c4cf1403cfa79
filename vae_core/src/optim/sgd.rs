//! Stochastic gradient ascent with momentum: v ← m v + g, θ ← θ + step · v.

use serde::{Deserialize, Serialize};

use super::rule::{Rule, State, StepAt, in_range, positive};
use crate::Result;
use crate::numeric::{Real, vmath};

/// Stochastic gradient ascent with momentum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Step size.
    pub step: f64,
    /// Momentum m in \[0, 1).
    pub momentum: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { step: 1e-4, momentum: 0.9 }
    }
}

impl<F: Real> Rule<F> for Sgd {
    fn validate(&self) -> Result<()> {
        positive("step", self.step)?;
        in_range("momentum", self.momentum, 1.0)
    }

    fn slots(&self) -> &'static [&'static str] {
        &["velocity"]
    }

    fn apply(&self, params: &mut [F], gradient: &[F], State([velocity, _]): State<'_, F>, at: StepAt) {
        let (step, momentum) = (F::of(self.step * at.factor), F::of(self.momentum));
        vmath::zip2(params, velocity, gradient, |p, v, g| {
            let v = momentum * v + g;
            (p + step * v, v)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let rule = Sgd { step: 0.1, momentum: 0.5 };
        let (mut p, mut v) = ([1.0f64], [0.0]);
        for g in [2.0, 1.0] {
            rule.apply(&mut p, &[g], State([&mut v, &mut []]), StepAt { factor: 1.0, t: 1 });
        }
        assert_eq!((p[0], v[0]), (1.0 + 0.1 * 2.0 + 0.1 * 2.0, 2.0));
    }
}
