//! Stochastic gradient ascent, one rule a file: an [`Optimiser`] is a rule and its state.

mod adagrad;
mod adam;
mod optimiser;
mod rmsprop;
mod rule;
mod schedule;
mod sgd;

pub use adagrad::EpsilonPlace;
pub use optimiser::{Optimiser, Step};
pub use rule::{Rule, State, StepAt};
pub use schedule::Schedule;

use serde::{Deserialize, Serialize};

use crate::choices::choices;

choices! {
    /// Choice of the optimiser. Step sizes are multiplied by the [`Schedule`].
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    OptimiserConfig: Rule<F> {
        sgd::Sgd(Sgd),
        adagrad::Adagrad(Adagrad),
        adam::Adam(Adam),
        rmsprop::Rmsprop(Rmsprop),
    }
}

impl Default for OptimiserConfig {
    /// The authors' AdaGrad: 0.01, ε = 10⁻⁶ outside the root.
    fn default() -> Self {
        Adagrad::default().into()
    }
}

impl OptimiserConfig {
    /// The authors' AdaGrad with this step size.
    pub fn adagrad(step: f64) -> Self {
        Adagrad { step, ..Adagrad::default() }.into()
    }

    /// Adam with the usual β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
    pub fn adam(step: f64) -> Self {
        Adam { step, ..Adam::default() }.into()
    }
}
