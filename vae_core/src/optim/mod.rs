//! Stochastic gradient ascent: an optimiser is its state (`init`) and its step (`update`).

mod adagrad;
mod adam;
mod schedule;
mod sgd;

pub use schedule::Schedule;

use serde::{Deserialize, Serialize};

use crate::numeric::Real;
use crate::{Error, Result};

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

/// Choice of the optimiser. Step sizes are multiplied by the [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimiserConfig {
    /// Stochastic gradient ascent with momentum.
    Sgd {
        /// Step size.
        step: f64,
        /// Momentum in \[0, 1).
        momentum: f64,
    },
    /// AdaGrad, Duchi et al. (2011): the report's optimiser.
    Adagrad {
        /// Step size.
        step: f64,
        /// ε.
        epsilon: f64,
        /// Where ε stands.
        place: EpsilonPlace,
    },
    /// Adam, Kingma & Ba (2015).
    Adam {
        /// Step size.
        step: f64,
        /// Decay of the mean of the gradient.
        beta1: f64,
        /// Decay of the mean of its square.
        beta2: f64,
        /// ε, outside the root.
        epsilon: f64,
    },
}

impl Default for OptimiserConfig {
    /// The authors' AdaGrad: 0.01, ε = 10⁻⁶ outside the root.
    fn default() -> Self {
        Self::adagrad(0.01)
    }
}

impl OptimiserConfig {
    /// The authors' AdaGrad with this step size.
    pub fn adagrad(step: f64) -> Self {
        Self::Adagrad { step, epsilon: 1e-6, place: EpsilonPlace::OutsideRoot }
    }

    /// Adam with the usual β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
    pub fn adam(step: f64) -> Self {
        Self::Adam { step, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }

    /// Checks all numbers.
    ///
    /// # Errors
    /// [`Error::Config`] naming the number.
    pub fn validate(&self) -> Result<()> {
        let (step, others) = match *self {
            Self::Sgd { step, momentum } => (step, [("momentum", momentum, 1.0), ("momentum", momentum, 1.0)]),
            Self::Adagrad { step, epsilon, .. } => {
                (step, [("epsilon", epsilon, f64::INFINITY), ("epsilon", epsilon, 1.0)])
            }
            Self::Adam { step, beta1, beta2, .. } => (step, [("beta1", beta1, 1.0), ("beta2", beta2, 1.0)]),
        };
        if !(step.is_finite() && step > 0.0) {
            return Err(Error::config("optimiser.step", format!("must be a positive number, not {step}")));
        }
        for (name, value, below) in others {
            if !(value >= 0.0 && value < below) {
                return Err(Error::config(
                    format!("optimiser.{name}"),
                    format!("must be in [0, {below}), not {value}"),
                ));
            }
        }
        match *self {
            Self::Adam { epsilon, .. } if !(epsilon.is_finite() && epsilon > 0.0) => {
                Err(Error::config("optimiser.epsilon", format!("must be a positive number, not {epsilon}")))
            }
            _ => Ok(()),
        }
    }
}

/// An optimiser and its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimiser<F> {
    config: OptimiserConfig,
    slots: Vec<(&'static str, Vec<F>)>,
    updates: u64,
}

impl<F: Real> Optimiser<F> {
    /// The initial state for `n` parameters: all zero.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration makes no sense.
    pub fn init(config: OptimiserConfig, n: usize) -> Result<Self> {
        config.validate()?;
        let names: &[&str] = match config {
            OptimiserConfig::Sgd { .. } => &["velocity"],
            OptimiserConfig::Adagrad { .. } => &["sum_of_squares"],
            OptimiserConfig::Adam { .. } => &["first_moment", "second_moment"],
        };
        let slots = names.iter().map(|name| (*name, vec![F::zero(); n])).collect();
        Ok(Self { config, slots, updates: 0 })
    }

    /// One step up the gradient; `factor` is the schedule's.
    pub fn update(&mut self, params: &mut [F], gradient: &[F], factor: f64) {
        let (step, state) = self.begin(factor);
        step.apply(params, gradient, state);
    }

    /// The next step, to be applied to all parameters, in parts and in any order.
    pub fn begin(&mut self, factor: f64) -> (Step, State<'_, F>) {
        self.updates += 1;
        let mut slots = self.slots.iter_mut().map(|slot| slot.1.as_mut_slice());
        let state = State([slots.next().unwrap_or_default(), slots.next().unwrap_or_default()]);
        (Step { config: self.config, factor, t: self.updates }, state)
    }

    /// Names and values of the state, each as long as the parameters.
    pub fn slots(&self) -> &[(&'static str, Vec<F>)] {
        &self.slots
    }

    /// The state, to be restored.
    pub fn slots_mut(&mut self) -> &mut [(&'static str, Vec<F>)] {
        &mut self.slots
    }

    /// Updates made.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Restores the number of updates.
    pub fn set_updates(&mut self, updates: u64) {
        self.updates = updates;
    }
}

/// The state of some neighbouring parameters: up to two numbers for each.
#[derive(Debug, Default)]
pub struct State<'a, F>([&'a mut [F]; 2]);

impl<'a, F> State<'a, F> {
    /// That of the first `n` parameters, and that of the rest.
    pub fn split_at(self, n: usize) -> (Self, Self) {
        let [(a, a_rest), (b, b_rest)] = self.0.map(|slot| slot.split_at_mut(n.min(slot.len())));
        (Self([a, b]), Self([a_rest, b_rest]))
    }
}

/// One step of an optimiser, the same for all parameters.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    config: OptimiserConfig,
    factor: f64,
    t: u64,
}

impl Step {
    /// Moves some parameters up their gradient; the three have the same length.
    pub fn apply<F: Real>(&self, params: &mut [F], gradient: &[F], state: State<'_, F>) {
        let [first, second] = state.0;
        match self.config {
            OptimiserConfig::Sgd { step, momentum } => {
                sgd::update(params, gradient, first, step * self.factor, momentum);
            }
            OptimiserConfig::Adagrad { step, epsilon, place } => {
                adagrad::update(params, gradient, first, step * self.factor, epsilon, place);
            }
            OptimiserConfig::Adam { step, beta1, beta2, epsilon } => {
                let step = adam::Step { size: step * self.factor, beta1, beta2, epsilon, t: self.t };
                adam::update(params, gradient, first, second, step);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Ascends f(θ) = −½ (θ − 3)² from θ = 0.
    fn ascend(config: OptimiserConfig, updates: usize) -> f64 {
        let mut o = Optimiser::init(config, 1).unwrap();
        let mut theta = [0.0f64];
        for _ in 0..updates {
            let g = [3.0 - theta[0]];
            o.update(&mut theta, &g, 1.0);
        }
        theta[0]
    }

    #[test]
    fn every_optimiser_finds_the_maximum() {
        for config in [
            OptimiserConfig::Sgd { step: 0.1, momentum: 0.5 },
            OptimiserConfig::adagrad(0.5),
            OptimiserConfig::adam(0.05),
        ] {
            assert!((ascend(config, 2000) - 3.0).abs() < 1e-3, "{config:?}: {}", ascend(config, 2000));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for config in [
            OptimiserConfig::adam(0.0),
            OptimiserConfig::adam(f64::NAN),
            OptimiserConfig::Sgd { step: 0.1, momentum: 1.0 },
            OptimiserConfig::Adam { step: 0.1, beta1: 0.9, beta2: 1.0, epsilon: 1e-8 },
            OptimiserConfig::Adagrad { step: 0.1, epsilon: -1.0, place: EpsilonPlace::InsideRoot },
        ] {
            assert!(Optimiser::<f32>::init(config, 1).is_err(), "{config:?}");
        }
    }
}
