//! The standard deviation of a Gaussian weight as a function of the number ρ that is learned.

use serde::{Deserialize, Serialize};

use crate::numeric::Real;
use crate::numeric::real::{sigmoid, softplus};

/// What ρ stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// σ = log(1 + e^ρ).
    #[default]
    Softplus,
    /// σ² = e^ρ, the report's.
    LogVariance,
}

impl Form {
    /// σ and dσ/dρ.
    #[inline(always)]
    pub fn sd<F: Real>(self, rho: F) -> (F, F) {
        match self {
            Self::Softplus => (softplus(rho), sigmoid(rho)),
            Self::LogVariance => {
                let sd = (F::of(0.5) * rho).exp_v();
                (sd, F::of(0.5) * sd)
            }
        }
    }

    /// ρ of σ.
    pub fn rho(self, sd: f64) -> f64 {
        match self {
            Self::Softplus => sd.exp_m1().ln(),
            Self::LogVariance => 2.0 * sd.ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sd_and_rho_are_inverse() {
        for form in [Form::Softplus, Form::LogVariance] {
            for sd in [1e-6, 1e-3, 0.05, 1.0, 8.0] {
                assert!((form.sd(form.rho(sd)).0 / sd - 1.0).abs() < 1e-9, "{form:?} {sd}");
            }
        }
    }
}
