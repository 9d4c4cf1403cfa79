//! A rule of stochastic gradient ascent: its state, and its step.

use crate::choices;
use crate::numeric::Real;
use crate::{Error, Result};

/// What is the same for all parameters of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepAt {
    /// The schedule's factor on the step size.
    pub factor: f64,
    /// Updates made, this one included.
    pub t: u64,
}

/// A rule. It moves parameters up their gradient, element by element, so that it can be applied to parts in any order.
pub trait Rule<F: Real>: std::fmt::Debug + Send + Sync {
    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Config`] naming the number.
    fn validate(&self) -> Result<()>;

    /// Names of its state, at most two, each as long as the parameters and at first zero.
    fn slots(&self) -> &'static [&'static str];

    /// Moves some parameters up their gradient; parameters, gradient and each slot have the same length. Derivatives that are exactly 0
    /// occur (a pixel that is always black), and a NaN must pass into the parameters, where it is noticed.
    fn apply(&self, params: &mut [F], gradient: &[F], state: State<'_, F>, at: StepAt);
}

/// The state of some neighbouring parameters, in the order of [`Rule::slots`]; slots that the rule does not have are empty.
#[derive(Debug, Default)]
pub struct State<'a, F>(pub [&'a mut [F]; 2]);

impl<'a, F> State<'a, F> {
    /// That of the first `n` parameters, and that of the rest.
    pub fn split_at(self, n: usize) -> (Self, Self) {
        let [(a, a_rest), (b, b_rest)] = self.0.map(|slot| slot.split_at_mut(n.min(slot.len())));
        (Self([a, b]), Self([a_rest, b_rest]))
    }
}

/// Checks a number that must be positive.
pub(super) fn positive(name: &str, value: f64) -> Result<()> {
    choices::positive(&format!("optimiser.{name}"), value)
}

/// 1 for 0: a weight that never had a gradient takes no step, even with ε = 0, where 0/0 would be NaN.
#[inline(always)]
pub(super) fn positive_or_one<F: Real>(root: F) -> F {
    if root > F::zero() { root } else { F::one() }
}

/// Checks a number of \[0, `below`).
pub(super) fn in_range(name: &str, value: f64, below: f64) -> Result<()> {
    if value >= 0.0 && value < below {
        return Ok(());
    }
    Err(Error::config(format!("optimiser.{name}"), format!("must be in [0, {below}), not {value}")))
}
