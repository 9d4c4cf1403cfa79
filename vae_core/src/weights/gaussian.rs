//! Section 6, eqs. 17–20: q(θ) = N(θ; μ, diag σ²) with σ = softplus(ρ), or the report's σ² = exp(ρ), and θ̃ = μ + σ ζ, ζ ~ N(0, I).
//!
//! Per datapoint the bound is E_q(θ)[L(θ)] − D_KL(q(θ) ‖ p_α(θ)) / N: the divergence of the weights counts once for all N datapoints.
//!
//! ```text
//! one sample a minibatch:  ∂L/∂μ = g                  ∂L/∂σ = g ζ,              g = ∂L/∂θ̃
//! local (Kingma et al. 2015):  a = m + √v ζ of each row, m = x μ, v = x² σ²;     ∂L/∂σ = 2 σ ∂L/∂σ²
//! p = N(0, s²):  KL = Σ log(s/σ) + (μ² + σ²)/(2s²) − ½,   ∂/∂μ = μ/s²,           ∂/∂σ = σ/s² − 1/σ
//! any other p:   KL ≈ log q(θ̃) − log p(θ̃),               ∂/∂μ = −∂log p/∂θ,     ∂/∂σ = −ζ ∂log p/∂θ − 1/σ
//! ```

use serde::{Deserialize, Serialize};

use super::form::Form;
use super::hyperpriors::HyperpriorConfig;
use super::{Planes, Scaling, WeightPosterior};
use crate::choices::positive;
use crate::numeric::{Real, vmath};
use crate::{Error, Result};

/// Which networks have such weights; those of the others are a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Networks {
    /// θ, the decoder's.
    #[default]
    Decoder,
    /// θ and ϕ.
    Both,
}

/// How the expectation over q(θ) is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Each row of a minibatch has weights of its own, of which only the sums a are drawn: local reparameterisation.
    #[default]
    Local,
    /// One θ̃ for all of a minibatch.
    Minibatch,
    /// What the report's authors ran: the networks keep the weights that the seed drew, whatever q(θ) becomes, so that the data have no
    /// gradient with respect to q(θ). For their figure only; it cannot learn.
    AuthorsNever,
}

/// A Gaussian for each weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaussian {
    /// Which networks.
    pub networks: Networks,
    /// How it is sampled while training.
    pub sampling: Sampling,
    /// What ρ stands for.
    pub form: Form,
    /// σ of all weights at the start.
    pub start: f64,
    /// Factor on the optimiser's step size for ρ, which moves in other units than μ.
    pub step: f64,
    /// p_α(θ).
    pub prior: HyperpriorConfig,
    /// The weight of the divergence in what is ascended; bounds that are reported have weight 1.
    pub kl_weight: f64,
    /// Training samples over which that weight rises from 0; 0 for none.
    pub kl_warm_up: u64,
}

impl Default for Gaussian {
    /// The decoder's weights, sampled locally, σ = softplus(ρ) = 0.01 at the start, N(0, 1) as prior.
    fn default() -> Self {
        Self {
            networks: Networks::default(),
            sampling: Sampling::default(),
            form: Form::default(),
            start: 0.01,
            step: 1.0,
            prior: HyperpriorConfig::default(),
            kl_weight: 1.0,
            kl_warm_up: 0,
        }
    }
}

impl Gaussian {
    /// Whether a step needs ζ for each weight.
    pub fn needs_zeta(&self) -> bool {
        self.sampling == Sampling::Minibatch || !self.prior.get::<f64>().is_gaussian()
    }

    /// The weight of the divergence after `samples` training samples.
    pub fn kl_weight_at(&self, samples: u64) -> f64 {
        let share = if samples >= self.kl_warm_up { 1.0 } else { samples as f64 / self.kl_warm_up as f64 };
        self.kl_weight * share
    }
}

impl<F: Real> WeightPosterior<F> for Gaussian {
    fn validate(&self) -> Result<()> {
        if !(1e-8..=10.0).contains(&self.start) {
            let reason = format!("must be between 1e-8 and 10, not {}", self.start);
            return Err(Error::config("model.weights.start", reason));
        }
        positive("model.weights.step", self.step)?;
        if !(self.kl_weight.is_finite() && self.kl_weight >= 0.0) {
            let reason = format!("must be a number ≥ 0, not {}", self.kl_weight);
            return Err(Error::config("model.weights.kl_weight", reason));
        }
        self.prior.get::<F>().validate()
    }

    fn finish(&self, planes: Planes<'_, F>, g: &mut [F], g_rho: &mut [F], scaling: Scaling) {
        let Planes { centre, rho, zeta, prior } = planes;
        let (one, form, c, scale) = (F::one(), self.form, F::of(scaling.kl), F::of(scaling.scale));
        // ∂ data term / ∂σ is g_rho times 2σ, or 1
        let (of_variance, of_sd) = match self.sampling {
            Sampling::Local => (F::of(2.0), F::zero()),
            Sampling::Minibatch => {
                g_rho.copy_from_slice(g);
                vmath::zip(g_rho, zeta, |g, zeta| g * zeta);
                (F::zero(), one)
            }
            Sampling::AuthorsNever => {
                g.fill(F::zero());
                (F::zero(), F::zero())
            }
        };
        let Some(variance) = prior else {
            form.zip(
                g_rho,
                rho,
                #[inline(always)]
                move |g, sd, _| g * (of_variance * sd + of_sd),
            );
            self.prior.get().finish(form, planes, g, g_rho, c);
            vmath::map(g, move |g| scale * g);
            vmath::map(g_rho, move |g| scale * g);
            return;
        };
        let precision = F::of(1.0 / variance);
        vmath::zip(g, centre, move |g, mu| scale * (g - c * precision * mu));
        form.zip(
            g_rho,
            rho,
            #[inline(always)]
            move |g, sd, slope| scale * ((g * (of_variance * sd + of_sd) - c * (precision * sd - one / sd)) * slope),
        );
    }
}
