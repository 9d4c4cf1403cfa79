//! The sleep phase of wake-sleep (Hinton et al. 1995): z ~ p(z), x ~ p(x | z), and the encoder climbs log q(z | x). Its gradient is a score: z and x are
//! held fixed.

use super::passes::mean;
use super::workspace::Workspace;
use crate::models::Vae;
use crate::nn::dense::Input;
use crate::numeric::Real;
use crate::posteriors::Drawn;
use crate::priors::PriorConfig;
use crate::rng::Rng;
use crate::{Error, Result};

impl<F: Real> Workspace<F> {
    /// Dreams x `[M, D]` and leaves every δ of the encoder; returns the mean of log q(z | x), nats.
    pub(super) fn dream(&mut self, model: &Vae<F>, prior: PriorConfig, dreams: &mut [F], rng: &mut Rng) -> Result<f64> {
        let (d, n_z) = (model.data_width(), model.latent());
        let (m, at) = (dreams.len() / d, model.shape(dreams.len() / d, 1));
        if m == 0 || m > self.max_m || m * d != dreams.len() || !self.backward {
            let (expected, found) = (format!("1 to {} rows of {d}", self.max_m), format!("{} values", dreams.len()));
            return Err(Error::Shape { what: "dreams [M, D]", expected, found });
        }
        (self.m, self.encoded) = (m, m);
        prior.get().draw(n_z, rng, &mut self.z[..at.len()]);
        self.make_codes(model, at.len());
        let codes = if self.codes.is_empty() { &self.z[..at.len()] } else { &self.codes[..at.len()] };
        model.decoder().forward(model.params(), Input::dense(codes), &mut self.decoder, m)?;
        let head = &self.decoder.head()[..m * model.decoder().outputs()];
        model.likelihood().get().sample(head, model.pixels(1), rng, dreams);

        self.sparse.take(dreams, d, self.encoder.execution);
        model.encoder().forward(model.params(), self.sparse.input(dreams), &mut self.encoder, m)?;
        let posterior = model.posterior();
        let q = posterior.get::<F>();
        let (head, d_head) = self.encoder.head_and_delta();
        let (head, d_head) = (&head[..m * model.head().width], &mut d_head[..m * model.head().width]);
        let (z, noise) = (&self.z[..at.len()], &mut self.noise[..m * model.head().noise]);
        q.noise_of(head, at, z, noise);
        let drawn = Drawn { noise: &*noise, z };
        let log_q = &mut self.log_px[..m];
        q.log_prob(head, at, drawn, log_q);
        self.dz[..at.len()].fill(F::zero());
        let score = &mut self.rows.score[..m];
        score.fill(F::of(1.0 / m as f64));
        q.backward(head, at, drawn, &self.dz[..at.len()], Some(score), d_head);
        model.encoder().backward(model.params(), &mut self.encoder, None, m)?;
        Ok(mean(log_q))
    }
}
