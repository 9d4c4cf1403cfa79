//! Monte Carlo EM (Wei & Tanner 1990) as in Kingma & Welling's Fig. 3: E, the minibatch's chains move by Hamiltonian Monte Carlo in log p(x, z); M, θ goes up
//! log p(x, z) at the samples z, which are held fixed. There is no encoder.

use super::ascent::{Ascent, StepSettings};
use super::joint::{Joint, JointRoom, decode};
use super::passes::mean;
use super::workspace::Workspace;
use crate::estimators::Bound;
use crate::mcmc::{Chains, Hmc};
use crate::models::{Learned, Vae};
use crate::numeric::{Real, vmath};
use crate::optim::Optimiser;
use crate::rng::Rng;
use crate::{Error, Result};

/// ε at the start.
const STEP: f64 = 0.05;

/// A chain in the posterior of each of N datapoints, and buffers to move M of them.
#[derive(Clone, Debug)]
pub struct LatentChains<F> {
    /// Where each stands: z `[N, N_z]`.
    z: Vec<F>,
    moving: Chains<F>,
    room: JointRoom<F>,
    hmc: Hmc,
}

impl<F: Real> LatentChains<F> {
    /// Chains of N datapoints that begin at draws from the prior, with buffers for M; a move has so many leapfrog steps.
    pub fn new(model: &Vae<F>, (n, m): (usize, usize), leapfrog: usize, rng: &mut Rng) -> Self {
        let mut z = vec![F::zero(); n * model.latent()];
        model.prior().get().draw(model.latent(), rng, &mut z);
        Self {
            z,
            moving: Chains::room(vec![F::zero(); m * model.latent()], model.latent(), STEP),
            room: JointRoom::new(model, m),
            hmc: Hmc { leapfrog, ..Hmc::default() },
        }
    }

    /// The same on so many threads (at first, one).
    #[must_use]
    pub fn on_threads(mut self, threads: usize) -> Self {
        self.room = self.room.on_threads(threads);
        self
    }

    /// ε, and where each chain stands.
    pub fn state(&self) -> (f64, &[F]) {
        (self.moving.step, &self.z)
    }

    /// Puts a state back.
    pub fn restore(&mut self, step: f64, z: &[F]) {
        self.moving.step = step;
        self.z.copy_from_slice(z);
    }

    /// E: the chains of these rows, whose datapoints are x `[M, D]`, move once, and ε is adapted. Returns the share that was accepted.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no room for them.
    pub fn advance(&mut self, model: &Vae<F>, x: &[F], rows: &[usize], rng: &mut Rng) -> Result<f64> {
        let n_z = model.latent();
        let mut joint = Joint::new(model, x, &mut self.room)?;
        for (chain, row) in self.moving.z_mut().chunks_exact_mut(n_z).zip(rows) {
            chain.copy_from_slice(&self.z[row * n_z..(row + 1) * n_z]);
        }
        self.moving.look_again(&mut joint)?;
        let accepted = self.moving.advance(self.hmc, true, &mut joint, rng)?;
        for (chain, row) in self.moving.z().chunks_exact(n_z).zip(rows) {
            self.z[row * n_z..(row + 1) * n_z].copy_from_slice(chain);
        }
        Ok(accepted)
    }

    /// z `[M, N_z]` of the rows that moved last.
    pub fn samples(&self) -> &[F] {
        self.moving.z()
    }
}

impl<F: Real> Workspace<F> {
    /// log p(x | z) and log p(z) of x `[M, D]` at these z `[M, N_z]`, and the decoder's δ of their mean.
    fn at_samples(&mut self, model: &Vae<F>, x: &[F], z: &[F]) -> Result<Bound> {
        let (d, n_z) = (model.data_width(), model.latent());
        let m = z.len() / n_z;
        if m == 0 || m > self.max_m || z.len() != m * n_z || x.len() != m * d || !self.backward {
            let (expected, found) = (format!("1 to {} rows of {d}", self.max_m), format!("{} values", x.len()));
            return Err(Error::Shape { what: "x [M, D] with z [M, N_z]", expected, found });
        }
        self.m = m;
        self.z[..z.len()].copy_from_slice(z);
        let log_px = &mut self.log_px[..m];
        decode(model, (x, z), &mut self.decoder, log_px, &mut self.d_shared)?;
        let head = &mut self.decoder.head_mut()[..m * model.decoder().outputs()];
        let share = F::of(1.0 / m as f64);
        vmath::map(head, |delta| share * delta);
        self.d_shared.iter_mut().for_each(|d| *d *= share);
        let reconstruction = mean(log_px);
        model.prior().get().log_prob(z, n_z, log_px);
        let log_pz = mean(log_px);
        model.decoder().backward(model.params(), &mut self.decoder, None, m)?;
        Ok(Bound::new(reconstruction, -log_pz))
    }
}

impl<F: Real> Ascent<F> {
    /// M: one update of the decoder, whatever the settings say, up log p(x, z) of x `[M, D]` at z `[M, N_z]`; its mean before, nats, with −log p(z) as the KL.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn maximise(
        &self,
        model: &mut Vae<F>,
        (x, z): (&[F], &[F]),
        ws: &mut Workspace<F>,
        optimiser: &mut Optimiser<F>,
        settings: StepSettings,
    ) -> Result<Bound> {
        let joint = ws.at_samples(model, x, z)?;
        if !joint.bound.is_finite() {
            return Err(settings.diverged("log p(x, z)", joint.bound));
        }
        let settings = StepSettings { learned: Learned::Decoder, ..settings };
        self.update(model, x, ws, optimiser.begin(settings.factor), settings)?;
        Ok(joint)
    }
}
