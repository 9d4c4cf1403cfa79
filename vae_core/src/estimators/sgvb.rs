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

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::likelihoods::Likelihood;
use crate::models::Vae;
use crate::nn::Trace;
use crate::numeric::{Real, vmath};
use crate::priors::{Prior, StandardNormalPrior};
use crate::rng::Rng;
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

/// All buffers of a step, for up to `max_m` datapoints of L samples. Allocated once.
#[derive(Clone, Debug)]
pub struct Workspace<F> {
    encoder: Trace<F>,
    decoder: Trace<F>,
    /// ε `[M·L, N_z]`: fill it ([`Workspace::draw_noise`]) before each step.
    pub noise: Vec<F>,
    z: Vec<F>,
    dz: Vec<F>,
    log_px: Vec<F>,
    kl: Vec<F>,
    log_pz: Vec<F>,
    log_qz: Vec<F>,
    /// ∂bound/∂parameters of the last [`Estimator::gradient`], in the model's layout; per datapoint, to be ascended.
    pub gradient: Vec<F>,
    max_m: usize,
    l: usize,
}

impl<F: Real> Workspace<F> {
    /// Buffers for up to `max_m` datapoints; without `backward` only [`Estimator::value`] works.
    pub fn new(model: &Vae<F>, estimator: &Estimator, max_m: usize, backward: bool) -> Self {
        let l = estimator.samples;
        let rows = max_m * l;
        let buffer = |wanted: bool, n: usize| vec![F::zero(); if wanted { n } else { 0 }];
        let latent = rows * model.latent();
        Self {
            encoder: model.encoder().trace(max_m, backward),
            decoder: model.decoder().trace(rows, backward),
            noise: buffer(true, latent),
            z: buffer(true, latent),
            dz: buffer(backward, latent),
            log_px: buffer(true, rows),
            kl: buffer(true, max_m),
            log_pz: buffer(true, rows),
            log_qz: buffer(true, rows),
            gradient: buffer(backward, model.layout().len()),
            max_m,
            l,
        }
    }

    /// ε ~ N(0, I) for `m` datapoints.
    pub fn draw_noise(&mut self, m: usize, n_z: usize, rng: &mut Rng) {
        for e in &mut self.noise[..m * self.l * n_z] {
            let normal: f64 = StandardNormal.sample(rng);
            *e = F::of(normal);
        }
    }

    /// Terms of a sample's importance weight, of the last step: log p(x | z), log p(z), log q(z | x), each `[M·L]`.
    pub(crate) fn log_densities(&self) -> (&[F], &[F], &[F]) {
        (&self.log_px, &self.log_pz, &self.log_qz)
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
        self.forward(model, x, ws, false)
    }

    /// The estimate and its gradient, which is left in [`Workspace::gradient`].
    ///
    /// # Errors
    /// [`Error::Shape`] if x does not fit the model or the workspace.
    pub fn gradient<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>) -> Result<Bound> {
        let bound = self.forward(model, x, ws, true)?;
        self.backward(model, x, ws)?;
        Ok(bound)
    }

    fn forward<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>, backward: bool) -> Result<Bound> {
        let (d, n_z, l) = (model.data_width(), model.latent(), self.samples);
        let m = x.len() / d;
        if m * d != x.len() || m == 0 || m > ws.max_m || l != ws.l || (backward && ws.gradient.is_empty()) {
            return Err(Error::Shape {
                what: "minibatch x [M, D]",
                expected: format!("1 to {} rows of {d} values, L = {}", ws.max_m, ws.l),
                found: format!("{} values, L = {l}", x.len()),
            });
        }
        let rows = m * l;
        let q = model.posterior();
        model.encoder().forward(model.params(), x, &mut ws.encoder, m)?;
        let head = &ws.encoder.head()[..m * q.head_width()];
        let noise = &ws.noise[..rows * n_z];
        q.sample(head, l, noise, &mut ws.z[..rows * n_z]);
        model.decoder().forward(model.params(), &ws.z[..rows * n_z], &mut ws.decoder, rows)?;

        let p = model.likelihood();
        let width = Likelihood::<F>::head_width(&p, d);
        let (out, d_out) = ws.decoder.head_and_delta();
        let d_out = if backward { Some(&mut d_out[..rows * width]) } else { None };
        p.log_prob(x, &out[..rows * width], d, l, &mut ws.log_px[..rows], d_out);

        let reconstruction = mean(&ws.log_px[..rows]);
        let kl = match self.form {
            Form::B => {
                q.kl(head, &mut ws.kl[..m]);
                mean(&ws.kl[..m])
            }
            Form::A => {
                StandardNormalPrior.log_prob(&ws.z[..rows * n_z], n_z, &mut ws.log_pz[..rows]);
                q.log_prob(head, l, noise, &mut ws.log_qz[..rows]);
                mean(&ws.log_qz[..rows]) - mean(&ws.log_pz[..rows])
            }
        };
        Ok(Bound::new(reconstruction, kl))
    }

    fn backward<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>) -> Result<()> {
        let (d, n_z, l) = (model.data_width(), model.latent(), self.samples);
        let m = x.len() / d;
        let rows = m * l;
        let weight = F::of(1.0 / rows as f64); // 1/L for the samples, 1/M for the datapoints
        let width = Likelihood::<F>::head_width(&model.likelihood(), d);
        vmath::map(&mut ws.decoder.head_delta()[..rows * width], |g| g * weight);
        let (z, dz) = (&ws.z[..rows * n_z], &mut ws.dz[..rows * n_z]);
        model.decoder().backward(model.params(), &mut ws.gradient, z, &mut ws.decoder, Some(&mut *dz), rows)?;

        let q = model.posterior();
        if self.form == Form::A {
            StandardNormalPrior.add_gradient(z, weight, dz);
        }
        let (head, d_head) = ws.encoder.head_and_delta();
        let (head, d_head) = (&head[..m * q.head_width()], &mut d_head[..m * q.head_width()]);
        q.backward(head, l, &ws.noise[..rows * n_z], dz, d_head);
        match self.form {
            Form::A => q.subtract_log_prob_gradient(l, weight, d_head),
            Form::B => q.subtract_kl_gradient(head, F::of(1.0 / m as f64), d_head),
        }
        model.encoder().backward(model.params(), &mut ws.gradient, x, &mut ws.encoder, None, m)
    }
}

/// The mean, summed in f64.
fn mean<F: Real>(values: &[F]) -> f64 {
    values.iter().map(|v| v.f64()).sum::<f64>() / values.len() as f64
}
