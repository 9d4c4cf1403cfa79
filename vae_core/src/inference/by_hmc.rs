//! log p(x) as Kingma & Welling's appendix D has it: samples of p(z | x) by Hamiltonian Monte Carlo, a density fitted to one half of
//! them, and a harmonic mean over the other.

use ndarray::{Array1, Array2};

use super::generate::slice;
use crate::mcmc::harmonic::{Normal, log_evidence, not_finite};
use crate::mcmc::{Chains, Density, Hmc};
use crate::models::Vae;
use crate::numeric::real::fill_normals;
use crate::numeric::{LogMeanExp, Real};
use crate::rng::{Stream, rng};
use crate::step::{Joint, JointRoom};
use crate::{Error, Result};

/// Moves in which ε is adapted and the chains forget where they began.
const BURN_IN: u64 = 200;
/// Moves from one sample to the next.
const THINNING: u64 = 5;
/// ε at the start.
const STEP: f64 = 0.05;

/// Draws of the prior among which the start of a chain is sought.
const STARTS: u64 = 500;
/// The standard deviation of a proposal, of the fitted Gaussian's: tails are to be wider than the posterior's.
const WIDER: f64 = 1.3;

/// Of each datapoint, samples z `[samples, N_z]` of its posterior and their log p(x, z).
type Samples = (Vec<Vec<f64>>, Vec<Vec<f64>>);

impl Vae<f32> {
    /// log p(x) `[M]` of each row of x `[M, D]` from so many samples of its posterior (the paper: 50, four leapfrog steps a move), nats. Chains begin at
    /// draws of q(z | x). For few latent dimensions only: the paper says below 5. The harmonic mean has no bound on its variance: where the two
    /// halves of a chain lie apart, an image may be hundreds of nats too high ([`log_marginal_by_fit`](Self::log_marginal_by_fit) has no such images).
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]` or there are not 2 (N_z + 1) samples; [`Error::Config`] if the prior does not live on all numbers.
    pub fn log_marginal_by_hmc(&self, x: &Array2<f32>, samples: usize, seed: u64) -> Result<Array1<f64>> {
        let pixels = slice(x.view());
        let mut room = JointRoom::new(self, x.nrows());
        let mut joint = self.joint_on_all_numbers(&pixels, &mut room)?;
        let start = slice(self.sample_codes(x, seed)?.view()).into_owned();
        let (z, log_joint) = self.posterior_samples(start, samples, seed, &mut joint)?;
        z.iter().zip(&log_joint).map(|(z, log_joint)| log_evidence(z, log_joint, self.latent())).collect()
    }

    /// log p(x) `[M]` of each row of x `[M, D]` by importance sampling, nats, without an encoder: so many samples of each posterior as in
    /// [`log_marginal_by_hmc`](Self::log_marginal_by_hmc), from chains that begin at the likeliest of 500 draws of the prior; a Gaussian with
    /// their mean and covariance, 1.3 times as wide, is the proposal of so many draws. Its mean over draws is p(x), so that it is too low
    /// on average, by less the more draws; a mode that the chain did not find is missing.
    ///
    /// # Errors
    /// As [`log_marginal_by_hmc`](Self::log_marginal_by_hmc), for N_z + 1 samples; [`Error::Config`] for no draws.
    pub fn log_marginal_by_fit(&self, x: &Array2<f32>, samples: usize, draws: usize, seed: u64) -> Result<Array1<f64>> {
        let (n, m) = (self.latent(), x.nrows());
        if draws == 0 || samples <= n {
            let reason = format!("are {samples} and {draws}: give more than {n} samples and at least one draw");
            return Err(Error::config("samples and draws", reason));
        }
        let pixels = slice(x.view());
        let mut room = JointRoom::new(self, m);
        let mut joint = self.joint_on_all_numbers(&pixels, &mut room)?;
        let start = self.likeliest_draws(m, seed, &mut joint)?;
        let (z, _) = self.posterior_samples(start, samples, seed, &mut joint)?;
        let fits = z.iter().map(|z| Normal::of(z, n).ok_or_else(not_finite).map(|fit| fit.wider(WIDER)));
        let fits = fits.collect::<Result<Vec<_>>>()?;
        let mut rng = rng(seed, Stream::Marginal, m as u64);
        let (mut here, mut log_p, mut gradient) = (vec![0.0f32; m * n], vec![0.0; m], vec![0.0; m * n]);
        let mut noise = vec![0.0f64; m * n];
        let mut evidence = vec![LogMeanExp::default(); m];
        for _ in 0..draws {
            fill_normals(&mut noise, &mut rng);
            let mut log_q = Vec::with_capacity(m);
            for ((fit, noise), here) in fits.iter().zip(noise.chunks_exact(n)).zip(here.chunks_exact_mut(n)) {
                let z = fit.at(noise);
                log_q.push(fit.log_density(&z));
                here.iter_mut().zip(&z).for_each(|(here, z)| *here = *z as f32);
            }
            joint.log_density(&here, &mut log_p, &mut gradient)?;
            for ((mean, log_p), log_q) in evidence.iter_mut().zip(&log_p).zip(&log_q) {
                mean.push(log_p.f64() - log_q);
            }
        }
        Ok(evidence.iter().map(LogMeanExp::value).collect())
    }

    fn joint_on_all_numbers<'a>(&'a self, x: &'a [f32], room: &'a mut JointRoom<f32>) -> Result<Joint<'a, f32>> {
        if self.prior().get::<f32>().support() != crate::priors::Support::Real {
            let reason =
                format!("is {}; a Gaussian is fitted to z, which must live on all numbers", self.prior().name());
            return Err(Error::config("model.prior", reason));
        }
        Joint::new(self, x, room)
    }

    /// Of draws of the prior the one that each datapoint is likeliest from, `[M, N_z]`.
    fn likeliest_draws(&self, m: usize, seed: u64, joint: &mut Joint<'_, f32>) -> Result<Vec<f32>> {
        let (n, prior) = (self.latent(), self.prior());
        let (mut z, mut log_p, mut gradient) = (vec![0.0f32; m * n], vec![0.0; m], vec![0.0; m * n]);
        let (mut best, mut most) = (z.clone(), vec![f32::NEG_INFINITY; m]);
        for start in 0..STARTS {
            prior.get().draw(n, &mut rng(seed, Stream::Prior, start), &mut z);
            joint.log_density(&z, &mut log_p, &mut gradient)?;
            for i in 0..m {
                if log_p[i] > most[i] {
                    most[i] = log_p[i];
                    best[i * n..(i + 1) * n].copy_from_slice(&z[i * n..(i + 1) * n]);
                }
            }
        }
        Ok(best)
    }

    fn posterior_samples(
        &self,
        start: Vec<f32>,
        samples: usize,
        seed: u64,
        joint: &mut Joint<'_, f32>,
    ) -> Result<Samples> {
        let (n, m) = (self.latent(), start.len() / self.latent());
        let mut chains = Chains::new(start, n, STEP, joint)?;
        let hmc = Hmc { leapfrog: 4, ..Hmc::default() };
        let (mut z, mut log_joint) = (vec![Vec::new(); m], vec![Vec::new(); m]);
        for index in 0..BURN_IN + THINNING * samples as u64 {
            let mut rng = rng(seed, Stream::Chains, index);
            chains.advance(hmc, index < BURN_IN, joint, &mut rng)?;
            if index < BURN_IN || !(index - BURN_IN).is_multiple_of(THINNING) {
                continue;
            }
            for (i, (here, log_p)) in chains.z().chunks_exact(n).zip(chains.log_p()).enumerate() {
                z[i].extend(here.iter().map(|z| z.f64()));
                log_joint[i].push(log_p.f64());
            }
        }
        Ok((z, log_joint))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::grid::tests::linear;
    use super::*;
    use crate::posteriors::PosteriorConfig;

    #[test]
    fn a_linear_gaussian_model_to_a_twentieth() {
        let model = linear(PosteriorConfig::DiagonalGaussian);
        let x = Array2::from_shape_fn((60, 3), |(i, j)| 0.3 * ((i * 7 + j * 5) % 11) as f32 / 11.0 - 0.1);
        let exact = model.posteriors_on_grid(&x, 6.0, 121).unwrap().log_evidence.mean().unwrap();
        let found = model.log_marginal_by_hmc(&x, 200, 0).unwrap().mean().unwrap();
        assert!((found - exact).abs() < 0.05, "{found} {exact}");
        assert!(model.log_marginal_by_hmc(&x, 3, 0).is_err());
        // of a Gaussian posterior all weights are alike but for the width
        let found = model.log_marginal_by_fit(&x, 50, 200, 0).unwrap();
        assert!((found.mean().unwrap() - exact).abs() < 0.02, "{found} {exact}");
        assert!(model.log_marginal_by_fit(&x, 2, 10, 0).is_err() && model.log_marginal_by_fit(&x, 50, 0, 0).is_err());
    }
}
