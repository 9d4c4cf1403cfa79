//! π N(0, s₁²) + (1 − π) N(0, s₂²) with s₂ ≪ s₁ (Blundell et al. 2015, eq. 7): most weights are pulled to 0, few are let go. Its divergence
//! has no closed form and is sampled.
//!
//! With the log odds o = log(π/s₁) − log((1 − π)/s₂) − ½ θ² (1/s₁² − 1/s₂²) and the share r = 1/(1 + e^−o) of the first:
//! log p = log((1 − π)/s₂) − ½ log 2π − ½ θ²/s₂² + log(1 + e^o), ∂log p/∂θ = −θ (r/s₁² + (1 − r)/s₂²).

use serde::{Deserialize, Serialize};

use super::super::Planes;
use super::super::form::Form;
use super::Hyperprior;
use crate::choices::positive;
use crate::numeric::real::{LOG_2PI, sigmoid, softplus};
use crate::numeric::{Real, vmath};
use crate::{Error, Result};

/// Weights whose gradients are computed together, in the first-level cache.
const PIECE: usize = 1 << 10;

/// A mixture of two Gaussians about 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleMixture {
    /// π, the share of the wide one.
    pub share: f64,
    /// s₁.
    pub wide: f64,
    /// s₂.
    pub narrow: f64,
}

impl Default for ScaleMixture {
    /// π = ½, s₁ = 1, s₂ = e⁻⁶: of the values that Blundell et al. tried, those of a public reimplementation that learns.
    fn default() -> Self {
        Self { share: 0.5, wide: 1.0, narrow: (-6.0f64).exp() }
    }
}

impl ScaleMixture {
    /// Of the log odds: constant, and factor of θ².
    fn odds<F: Real>(&self) -> (F, F) {
        let constant = (self.share / self.wide).ln() - ((1.0 - self.share) / self.narrow).ln();
        (F::of(constant), F::of(0.5 * (self.narrow.powi(-2) - self.wide.powi(-2))))
    }
}

impl<F: Real> Hyperprior<F> for ScaleMixture {
    fn validate(&self) -> Result<()> {
        positive("model.weights.prior.wide", self.wide)?;
        positive("model.weights.prior.narrow", self.narrow)?;
        if self.share > 0.0 && self.share < 1.0 {
            return Ok(());
        }
        Err(Error::config("model.weights.prior.share", format!("must be between 0 and 1, not {}", self.share)))
    }

    fn is_gaussian(&self) -> bool {
        false
    }

    fn variance(&self, _: f64) -> Option<f64> {
        None
    }

    fn log_prob(&self, theta: &[F]) -> f64 {
        let (constant, factor) = self.odds::<F>();
        let (base, half) = (((1.0 - self.share) / self.narrow).ln() - 0.5 * LOG_2PI, F::of(0.5 * self.narrow.powi(-2)));
        let sum = vmath::sum2(theta, theta, |theta, _| {
            let square = theta * theta;
            softplus(constant + factor * square) - half * square
        });
        sum.f64() + base * theta.len() as f64
    }

    fn finish(&self, form: Form, planes: Planes<'_, F>, g: &mut [F], g_rho: &mut [F], c: F) {
        let (constant, factor) = self.odds::<F>();
        let (wide, narrow) = (F::of(self.wide.powi(-2)), F::of(self.narrow.powi(-2)));
        let mut buffers = [[F::zero(); PIECE]; 2];
        for first in (0..g.len()).step_by(PIECE) {
            let range = first..(first + PIECE).min(g.len());
            let [theta, score] = buffers.each_mut().map(|buffer| &mut buffer[..range.len()]);
            let (rho, zeta) = (&planes.rho[range.clone()], &planes.zeta[range.clone()]);
            let (g, g_rho) = (&mut g[range.clone()], &mut g_rho[range.clone()]);
            theta.copy_from_slice(zeta);
            form.zip(
                theta,
                rho,
                #[inline(always)]
                |zeta, sd, _| sd * zeta,
            );
            vmath::zip(theta, &planes.centre[range], |deviation, mu| mu + deviation);
            vmath::zip(score, theta, move |_, theta| {
                let share = sigmoid(constant + factor * theta * theta);
                -theta * (share * wide + (F::one() - share) * narrow)
            });
            vmath::zip(g, score, move |g, score| g + c * score);
            vmath::zip(score, zeta, |score, zeta| zeta * score);
            vmath::zip(g_rho, score, move |g, score| g + c * score);
            form.zip(
                g_rho,
                rho,
                #[inline(always)]
                move |g, sd, slope| (g + c * (F::one() / sd)) * slope,
            );
        }
    }
}
