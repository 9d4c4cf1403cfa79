//! Section 7: p(z) = Π_j Beta(z_j; α, β) on (0, 1)ᴺᶻ; with α = β < 1 most of the mass is near 0 and 1, with α = β = 1 it is uniform.
//!
//! It is carried by y = logit z, where nothing has to be clamped: log p(y) = α log σ(y) + β log σ(−y) − log B(α, β), the factor z(1 − z) of
//! dz/dy included; ∂/∂y = α − (α + β) σ(y).

use rand_distr::{Distribution, Gamma};
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta as StatrsBeta, ContinuousCDF};
use statrs::function::beta::ln_beta;

use super::prior::{Prior, Support, add_slopes, sum_log_prob};
use super::{PriorConfig, anneal};
use crate::Result;
use crate::choices::positive;
use crate::numeric::Real;
use crate::numeric::real::{sigmoid, softplus};
use crate::rng::Rng;

/// Independent Beta coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beta {
    /// α.
    pub alpha: f64,
    /// β.
    pub beta: f64,
    /// α = β at the start of training, from which both go to their values by equal ratios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Training samples over which they do.
    #[serde(default, skip_serializing_if = "crate::choices::is_default")]
    pub over: u64,
}

impl Default for Beta {
    /// Uniform.
    fn default() -> Self {
        Self::symmetric(1.0)
    }
}

impl Beta {
    /// α = β, without a schedule.
    pub fn symmetric(alpha: f64) -> Self {
        Self { alpha, beta: alpha, start: None, over: 0 }
    }
}

/// log G, G ~ Gamma(shape): of a small shape G itself would underflow, so that G(a) = G(a + 1) U^(1/a) is taken by logarithms.
fn log_gamma_draw(shape: f64, rng: &mut Rng) -> f64 {
    let uniform: f64 = rand_distr::Open01.sample(rng);
    Gamma::new(shape + 1.0, 1.0).map_or(f64::NAN, |gamma| gamma.sample(rng).ln()) + uniform.ln() / shape
}

impl<F: Real> Prior<F> for Beta {
    fn validate(&self) -> Result<()> {
        positive("model.prior.alpha", self.alpha)?;
        positive("model.prior.beta", self.beta)?;
        anneal::check(self.start, self.over)
    }

    fn support(&self) -> Support {
        Support::Unit
    }

    fn at(&self, samples: u64) -> Option<PriorConfig> {
        let start = self.start?;
        let of = |end: f64| anneal::at(start, end, self.over, samples);
        Some(Self { alpha: of(self.alpha), beta: of(self.beta), start: None, over: 0 }.into())
    }

    fn log_prob(&self, y: &[F], n_z: usize, log_p: &mut [F]) {
        let (alpha, beta) = (F::of(self.alpha), F::of(self.beta));
        let constant = F::of(-ln_beta(self.alpha, self.beta));
        sum_log_prob(y, n_z, log_p, |y| constant - alpha * softplus(-y) - beta * softplus(y));
    }

    fn add_gradient(&self, y: &[F], n_z: usize, weights: &[F], dy: &mut [F]) {
        let (alpha, sum) = (F::of(self.alpha), F::of(self.alpha + self.beta));
        add_slopes(y, n_z, weights, dy, |y| alpha - sum * sigmoid(y));
    }

    fn draw(&self, _n_z: usize, rng: &mut Rng, y: &mut [F]) {
        for y in y {
            *y = F::of(log_gamma_draw(self.alpha, rng) - log_gamma_draw(self.beta, rng));
        }
    }

    fn quantile(&self, p: f64) -> Option<f64> {
        if self.alpha == 1.0 && self.beta == 1.0 {
            return Some((p / (1.0 - p)).ln());
        }
        let z = StatrsBeta::new(self.alpha, self.beta).ok()?.inverse_cdf(p);
        Some((z / (1.0 - z)).ln())
    }
}
