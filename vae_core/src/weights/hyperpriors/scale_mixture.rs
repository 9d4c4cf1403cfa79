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
        for (k, (g, g_rho)) in g.iter_mut().zip(g_rho).enumerate() {
            let (mu, zeta, (sd, slope)) = (planes.centre[k], planes.zeta[k], form.sd(planes.rho[k]));
            let theta = mu + sd * zeta;
            let share = sigmoid(constant + factor * theta * theta);
            let score = -theta * (share * wide + (F::one() - share) * narrow);
            *g += c * score;
            *g_rho = (*g_rho + c * (zeta * score + F::one() / sd)) * slope;
        }
    }
}
