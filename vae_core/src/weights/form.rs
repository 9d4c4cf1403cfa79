//! The standard deviation of a Gaussian weight as a function of the number ρ that is learned.

use serde::{Deserialize, Serialize};

use crate::numeric::real::{sigmoid, softplus};
use crate::numeric::{Real, vmath};

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

/// σ and dσ/dρ of `softplus`.
#[inline(always)]
fn of_softplus<F: Real>(rho: F) -> (F, F) {
    (softplus(rho), sigmoid(rho))
}

/// σ and dσ/dρ of σ² = e^ρ.
#[inline(always)]
fn of_log_variance<F: Real>(rho: F) -> (F, F) {
    let sd = (F::of(0.5) * rho).exp_v();
    (sd, F::of(0.5) * sd)
}

impl Form {
    /// σ and dσ/dρ.
    pub fn sd<F: Real>(self, rho: F) -> (F, F) {
        match self {
            Self::Softplus => of_softplus(rho),
            Self::LogVariance => of_log_variance(rho),
        }
    }

    /// `y ← f(y, σ, dσ/dρ)`; the slices have the same length. The form is asked once, so that the loop becomes vector code; for
    /// the same reason `f` owns what it captures.
    #[inline(always)]
    pub fn zip<F: Real>(self, y: &mut [F], rho: &[F], f: impl Fn(F, F, F) -> F) {
        match self {
            Self::Softplus => vmath::zip(
                y,
                rho,
                #[inline(always)]
                move |y, rho| {
                    let (sd, slope) = of_softplus(rho);
                    f(y, sd, slope)
                },
            ),
            Self::LogVariance => vmath::zip(
                y,
                rho,
                #[inline(always)]
                move |y, rho| {
                    let (sd, slope) = of_log_variance(rho);
                    f(y, sd, slope)
                },
            ),
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
