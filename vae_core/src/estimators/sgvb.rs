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

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::ascent::write_gradient;
use super::workspace::{DECODED, Workspace};
use crate::likelihoods::Likelihood;
use crate::models::Vae;
use crate::nn::dense::Input;
use crate::numeric::{Real, vmath};
use crate::priors::{Prior, StandardNormalPrior};
use crate::threads::join;
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
        self.forward(model, x, ws, false)?;
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
        self.check(model, x, ws)?;
        if !ws.backward {
            let (what, found) = ("workspace", "buffers for the value only".into());
            return Err(Error::Shape { what, expected: "buffers for the gradient".into(), found });
        }
        self.forward(model, x, ws, true)?;
        self.backward(model, ws)?;
        Ok(self.bound(ws))
    }

    /// Takes over M, if x fits.
    fn check<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>) -> Result<()> {
        let (d, l) = (model.data_width(), self.samples);
        let m = x.len() / d;
        if m * d != x.len() || m == 0 || m > ws.max_m || l != ws.l {
            return Err(Error::Shape {
                what: "minibatch x [M, D]",
                expected: format!("1 to {} rows of {d} values, L = {}", ws.max_m, ws.l),
                found: format!("{} values, L = {l}", x.len()),
            });
        }
        ws.m = m;
        Ok(())
    }

    fn forward<F: Real>(&self, model: &Vae<F>, x: &[F], ws: &mut Workspace<F>, backward: bool) -> Result<()> {
        let (d, n_z, l, m) = (model.data_width(), model.latent(), self.samples, ws.m);
        let rows = m * l;
        let q = model.posterior();
        ws.sparse.take(x, d, ws.encoder.exec);
        model.encoder().forward(model.params(), ws.sparse.input(x), &mut ws.encoder, m)?;
        let head = &ws.encoder.head()[..m * q.head_width()];
        let (noise, z) = (&ws.noise[..rows * n_z], &mut ws.z[..rows * n_z]);
        q.sample(head, l, noise, z);
        match self.form {
            Form::B => q.kl(head, &mut ws.kl[..m]),
            Form::A => {
                StandardNormalPrior.log_prob(z, n_z, &mut ws.log_pz[..rows]);
                q.log_prob(head, l, noise, &mut ws.log_qz[..rows]);
            }
        }
        // 1/L for the samples, 1/M for the datapoints
        let weight = F::of(1.0 / rows as f64);
        let (points, samples) = if backward { (m, l) } else { ((DECODED / l).max(1), l.min(DECODED)) };
        for (first, count) in parts(m, points) {
            for (sample, l_here) in parts(l, samples) {
                let x = &x[first * d..(first + count) * d];
                let part = first * l + sample..(first + count - 1) * l + sample + l_here;
                decode(model, (x, d), l_here, weight, part, ws, backward)?;
            }
        }
        Ok(())
    }

    /// The bound of the last forward pass.
    fn bound<F: Real>(&self, ws: &Workspace<F>) -> Bound {
        let rows = ws.m * ws.l;
        let kl = match self.form {
            Form::B => mean(&ws.kl[..ws.m]),
            Form::A => mean(&ws.log_qz[..rows]) - mean(&ws.log_pz[..rows]),
        };
        Bound::new(mean(&ws.log_px[..rows]), kl)
    }

    /// Back from the likelihood to every layer's δ.
    fn backward<F: Real>(&self, model: &Vae<F>, ws: &mut Workspace<F>) -> Result<()> {
        let (n_z, l, m) = (model.latent(), self.samples, ws.m);
        let rows = m * l;
        let (z, dz) = (&ws.z[..rows * n_z], &mut ws.dz[..rows * n_z]);
        model.decoder().backward(model.params(), &mut ws.decoder, Some(&mut *dz), rows)?;

        let q = model.posterior();
        let weight = F::of(1.0 / rows as f64);
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
        model.encoder().backward(model.params(), &mut ws.encoder, None, m)
    }
}

/// Starts and lengths of parts of `n` things, each of `most` at most.
fn parts(n: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(most).map(move |first| (first, most.min(n - first)))
}

/// log p(x | z) of some rows of z, which are L samples for each of these datapoints x `[·, D]`, and its gradient times `weight`.
fn decode<F: Real>(
    model: &Vae<F>,
    (x, d): (&[F], usize),
    l: usize,
    weight: F,
    rows: Range<usize>,
    ws: &mut Workspace<F>,
    backward: bool,
) -> Result<()> {
    let n_z = model.latent();
    let z = &ws.z[rows.start * n_z..rows.end * n_z];
    model.decoder().forward(model.params(), Input::dense(z), &mut ws.decoder, rows.len())?;
    let len = rows.len() * Likelihood::<F>::head_width(&model.likelihood(), d);
    let threads = ws.decoder.exec.threads;
    let decoded = Decoded { x, head: &mut ws.decoder.head_mut()[..len], log_px: &mut ws.log_px[rows] };
    decoded.score(model, l, backward.then_some(weight), threads);
    Ok(())
}

/// Some datapoints x `[M, D]` and what the decoder says of them: its head `[M·L, ·]`, and the place of log p(x | z) `[M·L]`.
struct Decoded<'a, F> {
    x: &'a [F],
    head: &'a mut [F],
    log_px: &'a mut [F],
}

/// Values of the head that are scored at once, so that they stay in the cache for what comes next.
const CACHED: usize = 8 << 10;

impl<F: Real> Decoded<'_, F> {
    /// log p(x | z), and its gradient times a `weight` in the place of the head, if there is a weight; on so many threads.
    fn score(self, model: &Vae<F>, l: usize, weight: Option<F>, threads: usize) {
        let d = model.data_width();
        let m = self.x.len() / d;
        if threads > 1 && m > 1 {
            let (left, right) = self.split_at(m * (threads / 2) / threads, d, l);
            let others = threads - threads / 2;
            join(|| left.score(model, l, weight, threads / 2), || right.score(model, l, weight, others));
            return;
        }
        let some = (CACHED * m / self.head.len().max(1)).max(1);
        let mut rest = self;
        while !rest.x.is_empty() {
            let n = some.min(rest.x.len() / d);
            let (Decoded { x, head, log_px }, others) = rest.split_at(n, d, l);
            match weight {
                Some(weight) => {
                    model.likelihood().log_prob_and_gradient(x, head, d, l, log_px);
                    vmath::map(head, |g| g * weight);
                }
                None => model.likelihood().log_prob(x, head, d, l, log_px),
            }
            rest = others;
        }
    }

    /// The first `n` datapoints, and the rest.
    fn split_at(self, n: usize, d: usize, l: usize) -> (Self, Self) {
        let width = self.head.len() / self.log_px.len().max(1);
        let (x, x_rest) = self.x.split_at(n * d);
        let (head, head_rest) = self.head.split_at_mut(n * l * width);
        let (log_px, log_px_rest) = self.log_px.split_at_mut(n * l);
        (Decoded { x, head, log_px }, Decoded { x: x_rest, head: head_rest, log_px: log_px_rest })
    }
}

/// The mean, summed in f64.
fn mean<F: Real>(values: &[F]) -> f64 {
    values.iter().map(|v| v.f64()).sum::<f64>() / values.len() as f64
}
