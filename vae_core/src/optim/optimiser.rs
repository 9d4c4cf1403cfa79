//! A rule with its state.

use super::{OptimiserConfig, State, StepAt};
use crate::numeric::Real;
use crate::{Error, Result};

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
    /// [`Error::Config`](crate::Error::Config) if the configuration makes no sense.
    pub fn init(config: OptimiserConfig, n: usize) -> Result<Self> {
        config.get::<F>().validate()?;
        let names = config.get::<F>().slots();
        if names.len() > 2 {
            return Err(Error::config(
                "optimiser",
                format!("{} has {} slots; a rule has two at most", config.name(), names.len()),
            ));
        }
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
        self.again(factor)
    }

    /// The present step once more, for parameters to which it was not applied.
    pub fn again(&mut self, factor: f64) -> (Step, State<'_, F>) {
        let mut slots = self.slots.iter_mut().map(|slot| slot.1.as_mut_slice());
        let state = State([slots.next().unwrap_or_default(), slots.next().unwrap_or_default()]);
        (Step { config: self.config, at: StepAt { factor, t: self.updates } }, state)
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

/// One step of an optimiser, the same for all parameters.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    config: OptimiserConfig,
    at: StepAt,
}

impl Step {
    /// The same with a step size so many times as large.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        self.at.factor *= factor;
        self
    }

    /// Moves some parameters up their gradient; the three have the same length.
    pub fn apply<F: Real>(&self, params: &mut [F], gradient: &[F], state: State<'_, F>) {
        self.config.get().apply(params, gradient, state, self.at);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Adagrad, Adam, EpsilonPlace, Rmsprop, Sgd};
    use super::*;

    /// Ascends f(θ) = −½ (θ − 3)² from θ = 0, with ever shorter steps.
    fn ascend(config: OptimiserConfig, updates: usize) -> f64 {
        let mut o = Optimiser::init(config, 1).unwrap();
        let mut theta = [0.0f64];
        for k in 0..updates {
            let g = [3.0 - theta[0]];
            o.update(&mut theta, &g, 100.0 / (1.0 + 0.01 * k as f64));
        }
        theta[0]
    }

    #[test]
    fn every_optimiser_finds_the_maximum() {
        for config in OptimiserConfig::all() {
            assert!((ascend(config, 20_000) - 3.0).abs() < 1e-2, "{config:?}: {}", ascend(config, 20_000));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for config in [
            OptimiserConfig::adam(0.0),
            OptimiserConfig::adam(f64::NAN),
            Sgd { step: 0.1, momentum: 1.0 }.into(),
            Adam { beta2: 1.0, ..Adam::default() }.into(),
            Adam { epsilon: 0.0, ..Adam::default() }.into(),
            Adagrad { epsilon: -1.0, place: EpsilonPlace::InsideRoot, ..Adagrad::default() }.into(),
            Rmsprop { decay: 1.0, ..Rmsprop::default() }.into(),
        ] {
            assert!(Optimiser::<f32>::init(config, 1).is_err(), "{config:?}");
        }
        assert!(OptimiserConfig::all().iter().all(|config| Optimiser::<f32>::init(*config, 1).is_ok()));
    }
}
