//! log p(x) as Kingma & Welling's appendix D has it: samples of p(z | x) by Hamiltonian Monte Carlo, a density fitted to one half of
//! them, and a harmonic mean over the other.

use ndarray::{Array1, Array2};

use super::generate::slice;
use crate::mcmc::{Chains, Hmc, log_evidence};
use crate::models::Vae;
use crate::numeric::Real;
use crate::rng::{Stream, rng};
use crate::step::{Joint, JointRoom};
use crate::{Error, Result};

/// Moves in which ε is adapted and the chains forget where they began.
const BURN_IN: u64 = 200;
/// Moves from one sample to the next.
const THINNING: u64 = 5;
/// ε at the start.
const STEP: f64 = 0.05;

impl Vae<f32> {
    /// log p(x) `[M]` of each row of x `[M, D]` from so many samples of its posterior (the paper: 50, four leapfrog steps a move), nats. Chains begin at
    /// draws of q(z | x). For few latent dimensions only: the paper says below 5.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]` or there are not 2 (N_z + 1) samples; [`Error::Config`] if the prior does not live on all numbers.
    pub fn log_marginal_by_hmc(&self, x: &Array2<f32>, samples: usize, seed: u64) -> Result<Array1<f64>> {
        if self.prior().get::<f32>().support() != crate::priors::Support::Real {
            let reason =
                format!("is {}; a Gaussian is fitted to z, which must live on all numbers", self.prior().name());
            return Err(Error::config("model.prior", reason));
        }
        let (z, n) = (self.sample_codes(x, seed)?, self.latent());
        let pixels = slice(x.view());
        let mut room = JointRoom::new(self, x.nrows());
        let mut joint = Joint::new(self, &pixels, &mut room)?;
        let mut chains = Chains::new(slice(z.view()).into_owned(), n, STEP, &mut joint)?;
        let hmc = Hmc { leapfrog: 4, ..Hmc::default() };
        let (mut z, mut log_joint) = (vec![Vec::new(); x.nrows()], vec![Vec::new(); x.nrows()]);
        for index in 0..BURN_IN + THINNING * samples as u64 {
            let mut rng = rng(seed, Stream::Chains, index);
            chains.advance(hmc, index < BURN_IN, &mut joint, &mut rng)?;
            if index < BURN_IN || !(index - BURN_IN).is_multiple_of(THINNING) {
                continue;
            }
            for (i, (here, log_p)) in chains.z().chunks_exact(n).zip(chains.log_p()).enumerate() {
                z[i].extend(here.iter().map(|z| z.f64()));
                log_joint[i].push(log_p.f64());
            }
        }
        z.iter().zip(&log_joint).map(|(z, log_joint)| log_evidence(z, log_joint, n)).collect()
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
    }
}
