//! What the decoder says of a datapoint: p(x | z).

mod bernoulli;
mod gaussian;

pub use bernoulli::Bernoulli;
pub use gaussian::{Gaussian, GaussianMean};

use serde::{Deserialize, Serialize};

use crate::numeric::Real;
use crate::rng::Rng;

/// A factorised density over D pixels whose parameters are the decoder's head.
///
/// The L samples of a datapoint lie in consecutive rows: row r of the head belongs to row r / L of x.
pub trait Likelihood<F: Real>: std::fmt::Debug + Send + Sync {
    /// Width of the head for D pixels.
    fn head_width(&self, d: usize) -> usize;

    /// log p(x | z) `[M·L]`, nats, of x `[M, D]` under `head` `[M·L, head_width(D)]`.
    fn log_prob(&self, x: &[F], head: &[F], d: usize, l: usize, log_p: &mut [F]);

    /// The same, and ∂ log p / ∂ head in the place of the head.
    fn log_prob_and_gradient(&self, x: &[F], head: &mut [F], d: usize, l: usize, log_p: &mut [F]);

    /// E[x | z] `[rows, D]` from the head.
    fn mean(&self, head: &[F], d: usize, mean: &mut [F]);

    /// A draw of x `[rows, D]` from the head.
    fn sample(&self, head: &[F], d: usize, rng: &mut Rng, x: &mut [F]);
}

/// Choice of the likelihood in a configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LikelihoodConfig {
    /// Eq. 12, on logits.
    #[default]
    Bernoulli,
    /// Eqs. 10–11.
    Gaussian {
        /// How the mean leaves the network.
        mean: GaussianMean,
    },
}

impl<F: Real> Likelihood<F> for LikelihoodConfig {
    fn head_width(&self, d: usize) -> usize {
        match self {
            Self::Bernoulli => Likelihood::<F>::head_width(&Bernoulli, d),
            Self::Gaussian { mean } => Likelihood::<F>::head_width(&Gaussian { mean: *mean }, d),
        }
    }

    fn log_prob(&self, x: &[F], head: &[F], d: usize, l: usize, log_p: &mut [F]) {
        match self {
            Self::Bernoulli => Bernoulli.log_prob(x, head, d, l, log_p),
            Self::Gaussian { mean } => Gaussian { mean: *mean }.log_prob(x, head, d, l, log_p),
        }
    }

    fn log_prob_and_gradient(&self, x: &[F], head: &mut [F], d: usize, l: usize, log_p: &mut [F]) {
        match self {
            Self::Bernoulli => Bernoulli.log_prob_and_gradient(x, head, d, l, log_p),
            Self::Gaussian { mean } => Gaussian { mean: *mean }.log_prob_and_gradient(x, head, d, l, log_p),
        }
    }

    fn mean(&self, head: &[F], d: usize, mean: &mut [F]) {
        match self {
            Self::Bernoulli => Bernoulli.mean(head, d, mean),
            Self::Gaussian { mean: form } => Gaussian { mean: *form }.mean(head, d, mean),
        }
    }

    fn sample(&self, head: &[F], d: usize, rng: &mut Rng, x: &mut [F]) {
        match self {
            Self::Bernoulli => Bernoulli.sample(head, d, rng, x),
            Self::Gaussian { mean } => Gaussian { mean: *mean }.sample(head, d, rng, x),
        }
    }
}

/// The rows of x that belong to those of the head, with their log-density.
fn rows<'a, F>(x: &'a [F], d: usize, l: usize, log_p: &'a mut [F]) -> impl Iterator<Item = (&'a [F], &'a mut F)> {
    x.chunks_exact(d).flat_map(move |x| std::iter::repeat_n(x, l)).zip(log_p)
}
