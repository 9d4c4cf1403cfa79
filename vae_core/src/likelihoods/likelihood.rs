//! What the decoder says of a datapoint: p(x | z).

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::numeric::Real;
use crate::numeric::real::sigmoid;
use crate::rng::Rng;

/// The extents of some datapoints' pixels, and the likelihood's parameter of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pixels<F> {
    /// D, pixels of a datapoint.
    pub d: usize,
    /// L, samples of z for each: row r of the head belongs to row r / L of x.
    pub l: usize,
    /// The parameter that all pixels and datapoints share; 0 for a likelihood without one.
    pub shared: F,
}

/// A factorised density over D pixels whose parameters are the decoder's head. x is `[M, D]`, the head `[M·L, head_width(D)]`,
/// log-densities `[M·L]`, in nats.
pub trait Likelihood<F: Real>: std::fmt::Debug + Send + Sync {
    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) naming the number.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether x must lie in \[0, 1\].
    fn needs_unit_interval(&self) -> bool {
        false
    }

    /// Width of the head for D pixels.
    fn head_width(&self, d: usize) -> usize;

    /// The initial value of a parameter that all pixels and datapoints share, if the likelihood has one.
    fn shared(&self) -> Option<f64> {
        None
    }

    /// log p(x | z).
    fn log_prob(&self, x: &[F], head: &[F], at: Pixels<F>, log_p: &mut [F]);

    /// The same, ∂ log p / ∂head in the place of the head, and `d_shared` `[M·L]` ← ∂ log p / ∂shared, if there is such a parameter (it is
    /// empty otherwise). A NaN in the head must come out, where it is noticed.
    fn log_prob_and_gradient(&self, x: &[F], head: &mut [F], at: Pixels<F>, log_p: &mut [F], d_shared: &mut [F]);

    /// E[x | z] `[rows, D]` from the head.
    fn mean(&self, head: &[F], d: usize, mean: &mut [F]);

    /// A draw of x `[rows, D]` from the head.
    fn sample(&self, head: &[F], at: Pixels<F>, rng: &mut Rng, x: &mut [F]);
}

/// The rows of x that belong to those of the head, with their log-density.
pub(super) fn rows<'a, F>(x: &'a [F], at: Pixels<F>, log_p: &'a mut [F]) -> impl Iterator<Item = (&'a [F], &'a mut F)> {
    x.chunks_exact(at.d).flat_map(move |x| std::iter::repeat_n(x, at.l)).zip(log_p)
}

/// A logarithm of a spread, at least the floor; NaN stays NaN. Below the floor it has no gradient.
#[inline(always)]
pub(super) fn floored<F: Real>(log_spread: F, floor: f64) -> F {
    let floor = F::of(floor);
    if log_spread < floor { floor } else { log_spread }
}

/// How the mean (or another centre) of a real pixel leaves the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelMean {
    /// Eq. 10 as printed.
    #[default]
    Linear,
    /// Through 1 / (1 + e⁻ᵃ), as the authors ran it.
    Sigmoid,
}

impl PixelMean {
    /// The mean of the network's a, and its slope.
    #[inline(always)]
    pub(super) fn of<F: Real>(self, a: F) -> (F, F) {
        match self {
            Self::Linear => (a, F::one()),
            Self::Sigmoid => {
                let mu = sigmoid(a);
                (mu, mu * (F::one() - mu))
            }
        }
    }
}
