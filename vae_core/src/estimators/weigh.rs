//! An estimator is a rule from a datapoint's L log weights to three weights a sample.

use crate::Result;

/// How D_KL(q(z | x) ‖ p(z)) enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kl {
    /// In closed form ([`ClosedKl`](crate::posteriors::ClosedKl)), with its own gradient; no log q.
    Closed,
    /// As log q − log p(z) at the samples. Log q has its whole derivative, along the path and by the score, weighted −model: taken
    /// together, since the two cancel in part.
    Sampled,
    /// As log q − log p(z) at the samples. Log q is differentiated along the path only, and its score has the weights of [`Weigh::weigh`].
    Path,
}

/// Weights of a datapoint's samples `[L]`, to be written.
#[derive(Debug)]
pub struct Weights<'a> {
    /// On ∂ log p(x | z) / ∂head of the decoder, and so on ∂ log p / ∂θ, and on ∂ log p(x, z) / ∂z.
    pub model: &'a mut [f64],
    /// On ∂/∂z before it goes back through the reparameterisation.
    pub path: &'a mut [f64],
    /// On ∂ log q(z | x) / ∂φ at fixed z.
    pub score: &'a mut [f64],
}

impl Weights<'_> {
    /// The same three for all samples.
    pub fn fill(self, model: f64, path: f64, score: f64) {
        self.model.fill(model);
        self.path.fill(path);
        self.score.fill(score);
    }
}

/// A rule. The log weights are log w_l = log p(x | z_l) + log p(z_l) − log q(z_l | x), in nats; those of [`Kl::Closed`] lack the last two.
pub trait Weigh: std::fmt::Debug + Send + Sync {
    /// As in captions: "Lᴬ", ….
    fn label(&self) -> &'static str;

    /// How the divergence enters.
    fn kl(&self) -> Kl;

    /// Checks the number of samples.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the rule needs more.
    fn validate(&self, _samples: usize) -> Result<()> {
        Ok(())
    }

    /// The weights of the samples.
    fn weigh(&self, log_w: &[f64], weights: Weights<'_>);

    /// Whether the bound is log 1/L Σ_l w_l instead of 1/L Σ_l log w_l.
    fn is_importance_weighted(&self) -> bool {
        false
    }
}

/// w̃ `[L]`: the weights, normalised to a sum of 1.
pub(super) fn normalised(log_w: &[f64], weights: &mut [f64]) {
    let max = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for (w, &log_w) in weights.iter_mut().zip(log_w) {
        *w = (log_w - max).exp();
        sum += *w;
    }
    weights.iter_mut().for_each(|w| *w /= sum);
}
