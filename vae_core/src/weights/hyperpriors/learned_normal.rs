//! N(0, s²) with the s of each layer that makes the bound largest (empirical Bayes): ∂KL/∂s = 0 at s² = mean of μ² + σ². Since the bound is
//! flat in s there, its gradient with respect to μ and ρ is that at fixed s.

use super::Hyperprior;
use crate::Result;
use crate::numeric::Real;

/// A Gaussian with a standard deviation that is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnedNormal;

/// The least s²: without it a layer without any weight but 0 would divide by 0.
const LEAST: f64 = 1e-12;

impl<F: Real> Hyperprior<F> for LearnedNormal {
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn variance(&self, second_moment: f64) -> Option<f64> {
        Some(second_moment.max(LEAST))
    }
}
