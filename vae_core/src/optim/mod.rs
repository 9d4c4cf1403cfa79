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
        self.updates += 1;
        match (self.config, self.slots.as_mut_slice()) {
            (OptimiserConfig::Sgd { step, momentum }, [(_, v)]) => {
                sgd::update(params, gradient, v, step * factor, momentum)
            }
            (OptimiserConfig::Adagrad { step, epsilon, place }, [(_, sum)]) => {
                adagrad::update(params, gradient, sum, step * factor, epsilon, place);
            }
            (OptimiserConfig::Adam { step, beta1, beta2, epsilon }, [(_, m), (_, v)]) => {
                adam::update(
                    params,
                    gradient,
                    m,
                    v,
                    adam::Step { size: step * factor, beta1, beta2, epsilon, t: self.updates },
                );
            }
            _ => {}
        }
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
