//! Kingma & Welling, appendix D: the evidence from samples of the posterior.
//!
//! ```text
//! 1/p(x) = ∫ q(z)/p(x) dz = E_p(z|x) [q(z) / p(x, z)]   for every density q
//! ```
//!
//! q is a Gaussian with the mean and covariance of one half of the samples, the mean is over the other half. It is good where q is near the
//! posterior, of a few dimensions, and has no bound on its variance where q is wider than it.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use crate::numeric::LogMeanExp;
use crate::numeric::real::LOG_2PI;
use crate::{Error, Result};

/// What is added to the covariance's diagonal, of its mean: a few samples may lie in a plane.
const JITTER: f64 = 1e-6;

/// log p(x), nats, from samples z `[samples, n]` of p(z | x) and log p(x, z) `[samples]` of each. The first half fits q.
///
/// # Errors
/// [`Error::Shape`] if there are not at least n + 1 samples in each half, or not one log-density a sample; [`Error::NonFinite`] if they have no covariance.
pub fn log_evidence(z: &[f64], log_joint: &[f64], n: usize) -> Result<f64> {
    let samples = log_joint.len();
    let half = samples / 2;
    if n == 0 || z.len() != samples * n || half < n + 1 {
        let expected = format!("two halves of at least {} rows of {n}", n + 1);
        let found = format!("{} values, {samples} log-densities", z.len());
        return Err(Error::Shape { what: "z [samples, n]", expected, found });
    }
    let q = Normal::of(&z[..half * n], n).ok_or_else(not_finite)?;
    let mut inverse = LogMeanExp::default();
    for (z, log_joint) in z.chunks_exact(n).zip(log_joint).skip(half) {
        inverse.push(q.log_density(z) - log_joint);
    }
    Ok(-inverse.value())
}

pub(crate) fn not_finite() -> Error {
    Error::NonFinite { step: 0, quantity: "samples of the posterior".into(), value: f64::NAN }
}

/// A Gaussian by its mean and the Cholesky factor of its covariance.
pub(crate) struct Normal {
    mean: DVector<f64>,
    factor: Cholesky<f64, Dyn>,
    /// Its standard deviations, of those of the covariance.
    width: f64,
}

impl Normal {
    /// That of the moments of some rows; none if they are not finite.
    pub(crate) fn of(z: &[f64], n: usize) -> Option<Self> {
        let z = DMatrix::from_row_slice(z.len() / n, n, z);
        let mean = z.row_mean().transpose();
        let mut covariance = DMatrix::zeros(n, n);
        for row in z.row_iter() {
            let offset = row.transpose() - &mean;
            covariance += &offset * offset.transpose() / (z.nrows() - 1) as f64;
        }
        let jitter = JITTER * covariance.trace() / n as f64 + f64::MIN_POSITIVE;
        covariance += DMatrix::identity(n, n) * jitter;
        Some(Self { mean, factor: covariance.cholesky()?, width: 1.0 })
    }

    /// The same, so many times as wide.
    pub(crate) fn wider(self, by: f64) -> Self {
        Self { width: self.width * by, ..self }
    }

    /// Where N(0, I)'s draw lies in it.
    pub(crate) fn at(&self, noise: &[f64]) -> Vec<f64> {
        let offset = self.factor.l() * DVector::from_column_slice(noise) * self.width;
        (&self.mean + offset).iter().copied().collect()
    }

    pub(crate) fn log_density(&self, z: &[f64]) -> f64 {
        let (offset, n) = (DVector::from_column_slice(z) - &self.mean, z.len() as f64);
        let square = offset.dot(&self.factor.solve(&offset)) / self.width.powi(2);
        -0.5 * (LOG_2PI * n + self.factor.ln_determinant() + square) - n * self.width.ln()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mcmc::hmc::tests::Normals;
    use crate::mcmc::{Chains, Hmc};
    use crate::rng::{Stream, rng};

    /// z ~ N(0, I), x | z ~ N(z, s²) with x = 1 in each dimension: p(x) = N(1; 0, 1 + s²), the posterior N(1/(1 + s²), s²/(1 + s²)). Samples by
    /// HMC, 50 of each of 200 datapoints as in the paper.
    #[test]
    fn a_linear_gaussian_model_to_a_twentieth() {
        for n in [2usize, 3] {
            let s2 = 0.25f64;
            let (centre, sd) = (1.0 / (1.0 + s2), (s2 / (1.0 + s2)).sqrt());
            let exact = n as f64 * -0.5 * (LOG_2PI + (1.0 + s2).ln() + 1.0 / (1.0 + s2));
            let mut density = Normals(vec![sd; n]);
            let mut chains = Chains::new(vec![0.0; 200 * n], n, 0.2, &mut density).unwrap();
            let hmc = Hmc { leapfrog: 4, ..Hmc::default() };
            for index in 0..100 {
                chains.advance(hmc, true, &mut density, &mut rng(0, Stream::User, index)).unwrap();
            }
            let (mut z, mut log_joint) = (vec![Vec::new(); 200], vec![Vec::new(); 200]);
            for index in 100..400 {
                chains.advance(hmc, false, &mut density, &mut rng(0, Stream::User, index)).unwrap();
                if index % 6 > 0 {
                    continue;
                }
                for (chain, offset) in chains.z().chunks_exact(n).enumerate() {
                    let here: Vec<f64> = offset.iter().map(|z| centre + z).collect();
                    let term = |z: &f64| -0.5 * (2.0 * LOG_2PI + z * z + s2.ln() + (1.0 - z).powi(2) / s2);
                    log_joint[chain].push(here.iter().map(term).sum::<f64>());
                    z[chain].extend(here);
                }
            }
            let estimates: Vec<f64> = z.iter().zip(&log_joint).map(|(z, l)| log_evidence(z, l, n).unwrap()).collect();
            let mean = estimates.iter().sum::<f64>() / 200.0;
            assert!((mean - exact).abs() < 0.05, "{n}: {mean} {exact}");
            assert!(log_evidence(&z[0][..n], &log_joint[0][..1], n).is_err());
        }
    }
}
