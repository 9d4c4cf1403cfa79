//! Eqs. 8–9: the SGVB estimators L^A and L^B of the lower bound, and their gradient.
//!
//! Per datapoint, with z_l = μ + σ ε_l:
//!
//! ```text
//! L^A = 1/L Σ_l [ log p(x | z_l) + log p(z_l) − log q(z_l | x) ]          (eq. 8)
//! L^B = 1/L Σ_l   log p(x | z_l) − D_KL(q(z | x) ‖ p(z))                  (eq. 9)
//! ```
//!
//! Both are averaged over the M datapoints of the minibatch: nats per datapoint. The estimate for the whole data set
//! of the equations is N times that; the choice of scale is the trainer's.

use serde::{Deserialize, Serialize};

use super::ascent::write_gradient;
use super::workspace::{Part, Workspace, each_part};
use crate::likelihoods::Likelihood;
use crate::models::Vae;
use crate::nn::dense::Input;
use crate::numeric::{Real, vmath};
use crate::priors::{Prior, StandardNormalPrior};
use crate::{Error, Result};

/// How the KL term enters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Form {
    /// Sampled: eq. 8.
    A,
    /// In closed form: eq. 9.
    #[default]
    B,
}

/// L^A or L^B with L samples per datapoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimator {
    /// L^A or L^B.
    pub form: Form,
    /// L, the number of samples of z per datapoint.
    pub samples: usize,
}

impl Default for Estimator {
    /// L^B with L = 1.
    fn default() -> Self {
        Self { form: Form::B, samples: 1 }
    }
}

/// A bound and its two parts, nats per datapoint: `bound = reconstruction − kl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The lower bound.
    pub bound: f64,
    /// E[log p(x | z)].
    pub reconstruction: f64,
    /// D_KL(q(z | x) ‖ p(z)): exact in L^B, estimated in L^A.
    pub kl: f64,
}

impl Bound {
    /// From the two parts.
    pub fn new(reconstruction: f64, kl: f64) -> Self {
        Self { bound: reconstruction - kl, reconstruction, kl }
    }
}

/// More samples per datapoint than this would not fit the buffers of a step.
const MAX_SAMPLES: usize = 100_000;

impl Estimator {
    /// Checks L.
    ///
    /// # Errors
    /// [`Error::Config`] if L is 0 or beyond 10⁵.
    pub fn validate(&self) -> Result<()> {
        if self.samples == 0 {
            return Err(Error::config("estimator.samples", "is 0; L must be at least 1"));
        }
        if self.samples > MAX_SAMPLES {
            return Err(Error::config("estimator.samples", format!("is {}; use at most {MAX_SAMPLES}", self.samples)));
        }
        Ok(())
    }

    /// The estimate on x `[M, D]` with the noise in the workspace.
    ///
    /// # Errors
    /// [`Error::Shape`] if x does not fit the model or the workspace.
    pub fn value<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>) -> Result<Bound> {
        self.check(model, x, ws)?;
        each_part(&mut ws.parts, x, model.data_width(), &|part, x| self.forward(model, x, part, false))?;
        Ok(self.bound(ws))
    }

    /// The estimate and its gradient, which is left in [`Workspace::gradient`]. (Training does not write it down:
    /// [`Ascent`](super::Ascent).)
    ///
    /// # Errors
    /// [`Error::Shape`] if x does not fit the model or the workspace.
    pub fn gradient<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>) -> Result<Bound> {
        let bound = self.both_passes(model, x, ws)?;
        write_gradient(model, x, ws)?;
        Ok(bound)
    }

    /// The estimate, and every layer's δ, from which the gradient of the parameters follows.
    pub(super) fn both_passes<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>) -> Result<Bound> {
        let (m, d) = (self.check(model, x, ws)?, model.data_width());
        if !ws.backward {
            let (what, found) = ("workspace", "buffers for the value only".into());
            return Err(Error::Shape { what, expected: "buffers for the gradient".into(), found });
        }
        each_part(&mut ws.parts, x, d, &|part, x| {
            self.forward(model, x, part, true)?;
            self.backward(model, part, m)
        })?;
        Ok(self.bound(ws))
    }

    /// M, if x fits; divides it among the workspace's parts.
    fn check<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>) -> Result<usize> {
        let (d, l) = (model.data_width(), self.samples);
        let m = x.len() / d;
        if m * d != x.len() || m == 0 || m > ws.max_m || l != ws.l {
            return Err(Error::Shape {
                what: "minibatch x [M, D]",
                expected: format!("1 to {} rows of {d} values, L = {}", ws.max_m, ws.l),
                found: format!("{} values, L = {l}", x.len()),
            });
        }
        ws.divide(m);
        ws.look_at(x, d);
        Ok(m)
    }

    fn forward<F: Real>(&self, model: &Vae<F>, x: &[F], part: &mut Part<F>, backward: bool) -> Result<()> {
        let (d, n_z, l, m) = (model.data_width(), model.latent(), self.samples, part.m);
        let rows = m * l;
        let q = model.posterior();
        part.sparse.take(x);
        model.encoder().forward(model.params(), part.sparse.input(x), &mut part.encoder, m)?;
        let head = &part.encoder.head()[..m * q.head_width()];
        let noise = &part.noise[..rows * n_z];
        q.sample(head, l, noise, &mut part.z[..rows * n_z]);
        let z = Input::dense(&part.z[..rows * n_z]);
        model.decoder().forward(model.params(), z, &mut part.decoder, rows)?;

        let p = model.likelihood();
        let width = Likelihood::<F>::head_width(&p, d);
        let (out, d_out) = part.decoder.head_and_delta();
        let d_out = if backward { Some(&mut d_out[..rows * width]) } else { None };
        p.log_prob(x, &out[..rows * width], d, l, &mut part.log_px[..rows], d_out);
        match self.form {
            Form::B => q.kl(head, &mut part.kl[..m]),
            Form::A => {
                StandardNormalPrior.log_prob(&part.z[..rows * n_z], n_z, &mut part.log_pz[..rows]);
                q.log_prob(head, l, noise, &mut part.log_qz[..rows]);
            }
        }
        Ok(())
    }

    /// The bound of the last forward pass: means over all parts, in their order.
    fn bound<F: Real>(&self, ws: &Workspace<F>) -> Bound {
        let mean = |values: &dyn Fn(&Part<F>) -> &[F]| mean(ws.parts.iter().flat_map(values));
        let reconstruction = mean(&|part| &part.log_px[..part.m * ws.l]);
        let kl = match self.form {
            Form::B => mean(&|part| &part.kl[..part.m]),
            Form::A => mean(&|part| &part.log_qz[..part.m * ws.l]) - mean(&|part| &part.log_pz[..part.m * ws.l]),
        };
        Bound::new(reconstruction, kl)
    }

    /// Back from the likelihood to every layer's δ, for one part of a minibatch of `m` datapoints.
    fn backward<F: Real>(&self, model: &Vae<F>, part: &mut Part<F>, m: usize) -> Result<()> {
        let (d, n_z, l) = (model.data_width(), model.latent(), self.samples);
        let rows = part.m * l;
        let weight = F::of(1.0 / (m * l) as f64); // 1/L for the samples, 1/M for the datapoints
        let width = Likelihood::<F>::head_width(&model.likelihood(), d);
        vmath::map(&mut part.decoder.head_delta()[..rows * width], |g| g * weight);
        let (z, dz) = (&part.z[..rows * n_z], &mut part.dz[..rows * n_z]);
        model.decoder().backward(model.params(), &mut part.decoder, Some(&mut *dz), rows)?;

        let q = model.posterior();
        if self.form == Form::A {
            StandardNormalPrior.add_gradient(z, weight, dz);
        }
        let (head, d_head) = part.encoder.head_and_delta();
        let (head, d_head) = (&head[..part.m * q.head_width()], &mut d_head[..part.m * q.head_width()]);
        q.backward(head, l, &part.noise[..rows * n_z], dz, d_head);
        match self.form {
            Form::A => q.subtract_log_prob_gradient(l, weight, d_head),
            Form::B => q.subtract_kl_gradient(head, F::of(1.0 / m as f64), d_head),
        }
        model.encoder().backward(model.params(), &mut part.encoder, None, part.m)
    }
}

/// The mean, summed in f64.
fn mean<'a, F: Real>(values: impl Iterator<Item = &'a F>) -> f64 {
    let (sum, n) = values.fold((0.0, 0u64), |(sum, n), v| (sum + v.f64(), n + 1));
    sum / n as f64
}
