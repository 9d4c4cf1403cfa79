//! The buffers of a step.

use std::sync::Arc;

use super::score::RULE;
use super::theta::Realised;
use super::tuning::{DECODED, PROBE};
use crate::estimators::Estimator;
use crate::models::Vae;
use crate::nn::Trace;
use crate::nn::dense::{Execution, Input};
use crate::numeric::block_sparse::BlockSparse;
use crate::numeric::{Precision, Real};
use crate::posteriors::{ClosedKl, Shape, closed_kl};
use crate::priors::{PriorConfig, Support};
use crate::rng::Rng;
use crate::{Error, Result};

/// All buffers of a step with an estimator, for up to `max_m` datapoints of L samples. Allocated once.
#[derive(Clone, Debug)]
pub struct Workspace<F> {
    /// ∂bound/∂parameters of the last [`gradient`](Self::gradient), in the model's layout; per datapoint, to be ascended.
    pub gradient: Vec<F>,
    pub(super) estimator: Estimator,
    /// The KL divergence, if the estimator takes it in closed form.
    pub(super) closed: Option<Arc<dyn ClosedKl<F>>>,
    /// The weight of the KL divergence in the gradient, β; at first 1.
    pub(super) beta: f64,
    /// Datapoints of the present minibatch.
    pub(super) m: usize,
    /// Rows of the encoder's head for them.
    pub(super) encoded: usize,
    pub(super) max_m: usize,
    pub(super) backward: bool,
    pub(super) encoder: Trace<F>,
    pub(super) decoder: Trace<F>,
    /// ε `[M·L, noise]`.
    pub(super) noise: Vec<F>,
    /// So much of it is drawn.
    pub(super) drawn: usize,
    /// z `[M·L, N_z]`, or its logit.
    pub(super) z: Vec<F>,
    /// z of a prior on (0, 1), as the decoder sees it; otherwise empty.
    pub(super) codes: Vec<F>,
    pub(super) dz: Vec<F>,
    /// p(z) of the present step, which may have a schedule.
    pub(super) prior: PriorConfig,
    pub(super) log_px: Vec<F>,
    pub(super) kl: Vec<F>,
    pub(super) log_pz: Vec<F>,
    pub(super) log_qz: Vec<F>,
    /// What the estimator makes of the log weights `[M, RULE, L]`.
    pub(super) rule: Vec<f64>,
    pub(super) rows: RowWeights<F>,
    /// ∂/∂ of the likelihood's parameter of its own `[M·L]`, if it has one.
    pub(super) d_shared: Vec<F>,
    pub(super) sparse: Sparse,
    /// x², for Gaussian weights of the encoder.
    pub(super) squares: Vec<F>,
    pub(super) sparse_squares: Sparse,
    /// Gaussian weights, as the step takes them.
    pub(super) realised: Option<Realised<F>>,
    /// What a nat of the weights' divergence counts, per datapoint, in bound and gradient: at first 0, see
    /// [`with_datapoints`](Self::with_datapoints).
    pub(super) per_datapoint: f64,
}

/// The weights of a minibatch's samples, each `[M·L]` and divided by M but for the path's.
#[derive(Clone, Debug, Default)]
pub(super) struct RowWeights<F> {
    /// On ∂ log p(z) / ∂z.
    pub(super) log_p: Vec<F>,
    /// On the derivatives of log q.
    pub(super) log_q: Vec<F>,
    pub(super) path: Vec<F>,
    pub(super) score: Vec<F>,
}

/// The sparse form of x, where that pays.
#[derive(Clone, Debug)]
pub(super) struct Sparse {
    x: Option<BlockSparse>,
    used: bool,
}

impl<F: Real> Workspace<F> {
    /// Buffers for up to `max_m` datapoints; without `backward` only [`value`](Self::value) works.
    ///
    /// # Errors
    /// [`Error::Config`] if the estimator does not fit the model's posterior and prior.
    pub fn new(model: &Vae<F>, estimator: &Estimator, max_m: usize, backward: bool) -> Result<Self> {
        estimator.fits(&model.posterior(), &model.prior())?;
        let rows = max_m * estimator.samples;
        let buffer = |wanted: bool, n: usize| vec![F::zero(); if wanted { n } else { 0 }];
        let (latent, weights) = (rows * model.latent(), || buffer(backward, rows));
        let is_closed = estimator.form.get().kl() == crate::estimators::Kl::Closed;
        let realised = Realised::new(model);
        let (whole, local) = (backward || realised.is_some(), realised.as_ref().is_some_and(Realised::is_local));
        let local_encoder = local && realised.as_ref().is_some_and(Realised::has_encoder);
        let each = model.head().rows(estimator.samples);
        let encoder = model.encoder().trace(max_m * each, backward);
        let mut encoder = model.encoder().injected(encoder, max_m);
        let decoded = if whole { rows } else { rows.min(DECODED) };
        let mut decoder = model.decoder().trace(decoded, backward).in_place();
        if local {
            decoder = model.decoder().local(decoder, true);
        }
        if local_encoder {
            encoder = model.encoder().local(encoder, false);
        }
        let sparse = |wanted: bool| Sparse {
            x: F::as_f32(&[]).filter(|_| wanted).map(|_| BlockSparse::new(max_m, model.data_width())),
            used: false,
        };
        Ok(Self {
            gradient: Vec::new(),
            estimator: *estimator,
            closed: closed_kl(&model.posterior(), &model.prior()).filter(|_| is_closed),
            beta: 1.0,
            m: 0,
            encoded: 0,
            max_m,
            backward,
            encoder,
            decoder,
            noise: buffer(true, rows * model.head().noise),
            drawn: 0,
            z: buffer(true, latent),
            codes: buffer(model.prior().get::<F>().support() == Support::Unit, latent),
            prior: model.prior(),
            dz: buffer(backward, latent),
            log_px: buffer(true, rows),
            kl: buffer(is_closed, max_m),
            log_pz: buffer(!is_closed, rows),
            log_qz: buffer(!is_closed, rows),
            rule: vec![0.0; if backward { RULE * rows } else { 0 }],
            rows: RowWeights { log_p: weights(), log_q: weights(), path: weights(), score: weights() },
            d_shared: buffer(backward && model.shared().is_some(), rows),
            sparse: sparse(true),
            squares: buffer(local_encoder, max_m * model.data_width()),
            sparse_squares: sparse(local_encoder),
            realised,
            per_datapoint: 0.0,
        })
    }

    /// The same for steps on so many threads of the rayon pool in which it is used (at first, one).
    #[must_use]
    pub fn on_threads(mut self, threads: usize) -> Self {
        let threads = threads.max(1);
        (self.encoder.execution.threads, self.decoder.execution.threads) = (threads, threads);
        self
    }

    /// The same for steps whose dense products are in this precision (at first, `f32`).
    #[must_use]
    pub fn in_precision(mut self, precision: Precision) -> Self {
        (self.encoder.execution.precision, self.decoder.execution.precision) = (precision, precision);
        self
    }

    /// The same for many values of this model with the parameters that it has here: the decoder's weights are packed once.
    #[must_use]
    pub fn with_packed_decoder(mut self, model: &Vae<F>) -> Self {
        model.decoder().pack(model.params(), &mut self.decoder);
        self
    }

    /// The same with another weight β of the KL divergence in the gradient. Bounds do not depend on it.
    #[must_use]
    pub fn with_kl_weight(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    /// The same for Gaussian weights that N datapoints share: their divergence counts 1/N in each bound, and in the gradient.
    #[must_use]
    pub fn with_datapoints(mut self, n: usize) -> Self {
        self.per_datapoint = 1.0 / n as f64;
        self
    }

    /// The noise of Gaussian weights for the next step's `m` datapoints; nothing for a point.
    pub fn draw_weights(&mut self, model: &Vae<F>, m: usize, rng: &mut Rng) {
        let Some(realised) = &mut self.realised else { return };
        realised.draw(rng);
        if realised.is_local() {
            model.encoder().draw_local(&mut self.encoder, m, rng);
            model.decoder().draw_local(&mut self.decoder, m * self.estimator.samples, rng);
        }
    }

    /// The estimator.
    pub fn estimator(&self) -> Estimator {
        self.estimator
    }

    /// The posterior's noise for the next step's `m` datapoints.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no room for so many.
    pub fn draw_noise(&mut self, model: &Vae<F>, m: usize, rng: &mut Rng) -> Result<()> {
        if m > self.max_m {
            let (expected, found) = (format!("at most {}", self.max_m), m.to_string());
            return Err(Error::Shape { what: "datapoints of a minibatch", expected, found });
        }
        let values = m * self.estimator.samples * model.head().noise;
        let other = || Error::Shape {
            what: "noise",
            expected: "that of the model of this workspace".into(),
            found: format!("{values} values"),
        };
        model.posterior().get().draw(rng, self.noise.get_mut(..values).ok_or_else(other)?);
        self.drawn = values;
        model.encoder().draw_injection(&mut self.encoder, m * model.head().rows(self.estimator.samples), rng);
        Ok(())
    }

    /// The posterior's noise `[M·L, noise]` for the next step, given instead of drawn.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no room for so much.
    pub fn set_noise(&mut self, noise: &[F]) -> Result<()> {
        let room = self.noise.len();
        let too_much = || Error::Shape {
            what: "noise",
            expected: format!("at most {room} values"),
            found: noise.len().to_string(),
        };
        self.noise.get_mut(..noise.len()).ok_or_else(too_much)?.copy_from_slice(noise);
        self.drawn = noise.len();
        Ok(())
    }

    /// Makes the decoder's codes of the first `len` values of z, where they are others.
    pub(super) fn make_codes(&mut self, model: &Vae<F>, len: usize) {
        if !self.codes.is_empty() {
            self.codes[..len].copy_from_slice(&self.z[..len]);
            model.to_codes(&mut self.codes[..len]);
        }
    }

    /// z as the decoder sees it.
    pub(super) fn codes(&self) -> &[F] {
        if self.codes.is_empty() { &self.z } else { &self.codes }
    }

    /// The extents of the present minibatch.
    pub(super) fn shape(&self, model: &Vae<F>) -> Shape {
        model.shape(self.m, self.estimator.samples)
    }

    /// Terms of a sample's importance weight, of the last step: log p(x | z), log p(z), log q(z | x), each `[M·L]`. None with an
    /// estimator that takes the divergence in closed form.
    pub fn log_densities(&self) -> impl Iterator<Item = (F, F, F)> {
        let rows = 0..if self.closed.is_some() { 0 } else { self.m * self.estimator.samples };
        rows.map(|row| (self.log_px[row], self.log_pz[row], self.log_qz[row]))
    }
}

impl Sparse {
    /// Takes over x `[m, D]`, if it has enough zeros to leave them out.
    pub(super) fn take<F: Real>(&mut self, x: &[F], d: usize, Execution { precision, threads }: Execution) {
        self.used = false;
        if let (Some(sparse), Some(x)) = (&mut self.x, F::as_f32(x)) {
            self.used = BlockSparse::pays(&x[..x.len().min(PROBE * d)], precision);
            if self.used {
                sparse.fill(x, threads);
            }
        }
    }

    /// x as the encoder takes it, after [`take`](Self::take).
    pub(super) fn input<'a, F>(&'a self, x: &'a [F]) -> Input<'a, F> {
        Input { dense: x, sparse: self.x.as_ref().filter(|_| self.used) }
    }
}
