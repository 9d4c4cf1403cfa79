//! log p(x, z) as a density of z: what Hamiltonian Monte Carlo moves in, by the decoder's two passes.

use crate::mcmc::Density;
use crate::models::Vae;
use crate::nn::Trace;
use crate::nn::dense::Input;
use crate::numeric::{Real, vmath};
use crate::{Error, Result};

/// The buffers of [`Joint`] for so many datapoints.
#[derive(Clone, Debug)]
pub struct JointRoom<F> {
    trace: Trace<F>,
    codes: Vec<F>,
    d_shared: Vec<F>,
    log_pz: Vec<F>,
    ones: Vec<F>,
}

impl<F: Real> JointRoom<F> {
    /// For `m` datapoints.
    pub fn new(model: &Vae<F>, m: usize) -> Self {
        let shared = if model.shared().is_some() { m } else { 0 };
        Self {
            trace: model.decoder().trace(m, true).in_place(),
            codes: vec![F::zero(); m * model.latent()],
            d_shared: vec![F::zero(); shared],
            log_pz: vec![F::zero(); m],
            ones: vec![F::one(); m],
        }
    }

    /// The same on so many threads of the rayon pool in which it is used (at first, one).
    #[must_use]
    pub fn on_threads(mut self, threads: usize) -> Self {
        self.trace.execution.threads = threads.max(1);
        self
    }
}

/// log p(x | z) of each row of x `[M, D]` at these codes `[M, N_z]`, and its derivatives by the head in the trace and by what datapoints share.
pub(super) fn decode<F: Real>(
    model: &Vae<F>,
    (x, codes): (&[F], &[F]),
    trace: &mut Trace<F>,
    log_px: &mut [F],
    d_shared: &mut [F],
) -> Result<()> {
    let rows = log_px.len();
    model.decoder().forward(model.params(), Input::dense(codes), trace, rows)?;
    let head = &mut trace.head_mut()[..rows * model.decoder().outputs()];
    let likelihood = model.likelihood();
    likelihood.get::<F>().log_prob_and_gradient(x, head, model.pixels(1), log_px, d_shared);
    Ok(())
}

/// One z for each datapoint of x `[M, D]`; a prior on (0, 1) has its z as a logit, as everywhere.
#[derive(Debug)]
pub struct Joint<'a, F> {
    model: &'a Vae<F>,
    x: &'a [F],
    room: &'a mut JointRoom<F>,
}

impl<'a, F: Real> Joint<'a, F> {
    /// Of these datapoints.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not as many rows as there is room for.
    pub fn new(model: &'a Vae<F>, x: &'a [F], room: &'a mut JointRoom<F>) -> Result<Self> {
        let (m, d) = (room.ones.len(), model.data_width());
        if m == 0 || x.len() != m * d {
            let found = format!("{} values", x.len());
            return Err(Error::Shape { what: "x [M, D]", expected: format!("{m} rows of {d}, 1 or more"), found });
        }
        Ok(Self { model, x, room })
    }
}

impl<F: Real> Density<F> for Joint<'_, F> {
    fn log_density(&mut self, z: &[F], log_p: &mut [F], gradient: &mut [F]) -> Result<()> {
        let (model, rows, prior) = (self.model, log_p.len(), self.model.prior());
        let JointRoom { trace, codes, d_shared, log_pz, ones } = &mut *self.room;
        codes.copy_from_slice(z);
        model.to_codes(codes);
        decode(model, (self.x, codes), trace, log_p, d_shared)?;
        model.decoder().backward(model.params(), trace, Some(&mut *gradient), rows)?;
        model.back_from_codes(codes, gradient);
        prior.get::<F>().log_prob(z, model.latent(), log_pz);
        vmath::zip(log_p, log_pz, |px, pz| px + pz);
        prior.get::<F>().add_gradient(z, model.latent(), ones, gradient);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::likelihoods::{Gaussian, LikelihoodConfig, Variance};
    use crate::models::ModelConfig;
    use crate::nn::Init;
    use crate::priors::{Beta, PriorConfig};

    #[test]
    fn the_gradient_is_a_central_difference() {
        let shared = Gaussian { variance: Variance::Shared, ..Gaussian::default() };
        for (likelihood, prior) in [
            (LikelihoodConfig::Bernoulli, PriorConfig::default()),
            (shared.into(), PriorConfig::default()),
            (LikelihoodConfig::Bernoulli, Beta::symmetric(0.7).into()),
        ] {
            let posterior = crate::posteriors::PosteriorConfig::DiagonalGaussian;
            let (latent, init) = (3, Init::Normal { std: 0.5 });
            let config =
                ModelConfig { latent, decoder: vec![6], likelihood, prior, posterior, init, ..ModelConfig::default() };
            let model = Vae::<f64>::new(&config, 5, 2).unwrap();
            let x: Vec<f64> = (0..10).map(|k| 0.1 + 0.08 * f64::from(k)).collect();
            let z = [0.3, -0.2, 0.7, 0.1, 1.1, -0.8];
            let mut room = JointRoom::new(&model, 2);
            let mut joint = Joint::new(&model, &x, &mut room).unwrap();
            let (mut log_p, mut gradient, mut scratch) = ([0.0; 2], [0.0; 6], [0.0; 6]);
            joint.log_density(&z, &mut log_p, &mut gradient).unwrap();
            for k in 0..6 {
                let mut at = |h: f64| {
                    let (mut moved, mut log_p) = (z, [0.0; 2]);
                    moved[k] += h;
                    joint.log_density(&moved, &mut log_p, &mut scratch).unwrap();
                    log_p[k / 3]
                };
                let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((gradient[k] - numeric).abs() < 1e-6 * (1.0 + numeric.abs()), "{likelihood:?} {prior:?} {k}");
            }
        }
    }
}
