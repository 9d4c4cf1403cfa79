//! Two models of one latent z ~ N(0, 1) that say where a posterior is intractable, and where not: neither follows from the likelihood alone.

use statrs::function::beta::ln_beta;
use statrs::function::erf::erfc;

use super::log_joint::LogJoint;
use crate::numeric::real::LOG_2PI;
use crate::{Error, Result};

/// x ~ N(z², σ²). Prior and likelihood are Gaussian, the posterior is not, and has no closed form: the decoder's mean is not linear in z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SquaredMean {
    x: f64,
    variance: f64,
}

impl SquaredMean {
    /// One observation with noise of variance σ².
    ///
    /// # Errors
    /// [`Error::Config`] if x is not finite, or for σ² ≤ 0.
    pub fn new(x: f64, variance: f64) -> Result<Self> {
        if x.is_finite() && variance.is_finite() && variance > 0.0 {
            return Ok(Self { x, variance });
        }
        Err(Error::config(
            "variance",
            format!("is {variance} with x = {x}; both must be finite, the variance positive"),
        ))
    }
}

impl LogJoint for SquaredMean {
    fn dim(&self) -> usize {
        1
    }

    fn log_likelihood(&self, theta: &[f64], gradient: &mut [f64]) -> f64 {
        let residual = self.x - theta[0] * theta[0];
        gradient[0] = 2.0 * theta[0] * residual / self.variance;
        -0.5 * (LOG_2PI + self.variance.ln() + residual * residual / self.variance)
    }
}

/// n tosses, each 1 with probability Φ(z), Φ the Gaussian CDF. The likelihood is not Gaussian, and all is known in closed form: u = Φ(z) is
/// uniform under the prior, so p(u | D) = Beta(u; 1 + k, 1 + n − k) with k ones, and p(D) = B(1 + k, 1 + n − k).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbitTosses {
    ones: u32,
    tosses: u32,
}

impl ProbitTosses {
    /// So many ones in so many tosses, in a given order.
    ///
    /// # Errors
    /// [`Error::Config`] for more ones than tosses.
    pub fn new(ones: u32, tosses: u32) -> Result<Self> {
        if ones <= tosses {
            return Ok(Self { ones, tosses });
        }
        Err(Error::config("ones", format!("are {ones} in {tosses} tosses; there cannot be more ones than tosses")))
    }

    /// Numbers of ones and of zeros.
    fn counts(&self) -> [f64; 2] {
        [f64::from(self.ones), f64::from(self.tosses - self.ones)]
    }

    /// log p(D).
    pub fn log_evidence(&self) -> f64 {
        let [ones, zeros] = self.counts();
        ln_beta(1.0 + ones, 1.0 + zeros)
    }

    /// p(z | D) = Beta(Φ(z); 1 + k, 1 + n − k) φ(z).
    pub fn posterior(&self, z: f64) -> f64 {
        (self.log_likelihood(&[z], &mut [0.0]) + self.log_prior(&[z]) - self.log_evidence()).exp()
    }
}

/// log Φ(z) and its slope φ(z) / Φ(z); below −30 by Φ(z) ≈ φ(z) / |z|, which is within 10⁻³ there.
fn log_cdf(z: f64) -> (f64, f64) {
    let log_density = -0.5 * (LOG_2PI + z * z);
    let log_cdf = match z < -30.0 {
        true => log_density - (-z).ln(),
        false => (0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2)).ln(),
    };
    (log_cdf, (log_density - log_cdf).exp())
}

impl LogJoint for ProbitTosses {
    fn dim(&self) -> usize {
        1
    }

    fn log_likelihood(&self, theta: &[f64], gradient: &mut [f64]) -> f64 {
        let ([ones, zeros], (one, up), (zero, down)) = (self.counts(), log_cdf(theta[0]), log_cdf(-theta[0]));
        gradient[0] = ones * up - zeros * down;
        ones * one + zeros * zero
    }
}
