//! One update in which the gradient is never written down.
//!
//! A thread computes the gradient of a strip of the parameters into a buffer that stays near, lets the posterior of the weights finish it, and
//! hands it to the optimiser there. A strip's gradient is a sum over all datapoints, taken in their order, so that its bits do not depend
//! on the threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::batch::Batch;
use super::strips::{Plane, Side, Strip, UntakenStrips, strips};
use super::theta::Realised;
use super::tuning::PIECE;
use super::workspace::Workspace;
use crate::estimators::Bound;
use crate::models::{Learned, Vae};
use crate::nn::dense::{Dense, Input};
use crate::nn::{Mlp, Trace};
use crate::numeric::gemm::{self, Mat, Packed};
use crate::numeric::{Real, vmath};
use crate::optim::{Optimiser, State, Step};
use crate::priors::PriorConfig;
use crate::rng::Rng;
use crate::threads;
use crate::weights::{Planes, Point, Scaling, WeightPosterior};
use crate::{Error, Result};

/// A derivative beyond this is taken for a divergence, before its square overflows.
const GRADIENT_LIMIT: f64 = 1e18;

/// What a step does with the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSettings {
    /// The scale of the objective, and the prior on the weights.
    pub scaling: Scaling,
    /// The schedule's factor on the step size.
    pub factor: f64,
    /// β, the weight of the KL divergence.
    pub kl_weight: f64,
    /// p(z) of this step; none for the model's.
    pub prior: Option<PriorConfig>,
    /// Which networks move.
    pub learned: Learned,
    /// The number of the update, for messages, counted from 1.
    pub update: u64,
}

impl StepSettings {
    /// Those of the bound per datapoint, without a prior on the weights, for this update.
    pub fn plain(update: u64) -> Self {
        Self {
            scaling: Scaling { scale: 1.0, decay: 0.0, kl: 0.0 },
            factor: 1.0,
            kl_weight: 1.0,
            prior: None,
            learned: Learned::Both,
            update,
        }
    }

    /// What ends this update.
    pub(super) fn diverged(&self, quantity: &str, value: f64) -> Error {
        Error::NonFinite { step: self.update, quantity: quantity.into(), value }
    }
}

/// The strips of a model, and buffers for each thread. Made once.
#[derive(Debug)]
pub struct Ascent<F> {
    strips: Vec<Strip>,
    buffers: Vec<Mutex<Buffers<F>>>,
}

/// What a thread works with.
#[derive(Debug, Default)]
struct Buffers<F> {
    /// The gradient of a strip: with respect to θ or μ, and to σ² or ρ.
    gradient: [Vec<F>; 2],
    /// δ of the layer that it was last packed of, and δᵥ.
    delta: [Packed; 2],
    packed: [Option<(Side, usize)>; 2],
}

impl<F: Real> Clone for Ascent<F> {
    fn clone(&self) -> Self {
        Self::with_buffers(self.strips.clone(), self.buffers.len())
    }
}

impl<F: Real> Ascent<F> {
    /// For steps of a model in such a workspace, on so many threads.
    pub fn new(model: &Vae<F>, ws: &Workspace<F>, threads: usize) -> Self {
        Self::with_buffers(strips(model, ws, threads.max(1)), threads.max(1))
    }

    fn with_buffers(strips: Vec<Strip>, count: usize) -> Self {
        let sizes = [|strip: &Strip| strip.range.len(), |strip: &Strip| strip.rho.len()]
            .map(|size| strips.iter().map(size).max().unwrap_or(0));
        let buffers = || Buffers { gradient: sizes.map(|size| vec![F::zero(); size]), ..Buffers::default() };
        Self { strips, buffers: (0..count).map(|_| Mutex::new(buffers())).collect() }
    }

    /// Estimates the bound of a minibatch `[M, D]` with the noise in the workspace, and moves the parameters up its gradient.
    ///
    /// # Errors
    /// [`Error::Shape`] if it does not fit; [`Error::NonFinite`] naming the update if the bound is not finite (nothing has been
    /// moved) or the gradient is not (parameters and optimiser have).
    pub fn step<'a>(
        &self,
        model: &mut Vae<F>,
        batch: impl Into<Batch<'a, F>>,
        ws: &mut Workspace<F>,
        optimiser: &mut Optimiser<F>,
        settings: StepSettings,
    ) -> Result<Bound> {
        let batch = batch.into();
        ws.beta = settings.kl_weight;
        ws.prior = settings.prior.unwrap_or(model.prior());
        let bound = ws.both_passes(model, batch)?;
        if !bound.bound.is_finite() {
            return Err(settings.diverged("the bound", bound.bound));
        }
        let (step, state) = optimiser.begin(settings.factor);
        self.update(model, batch.input, ws, (step, state), settings)?;
        Ok(bound)
    }

    /// Dreams as many x `[M, D]` as there is room for, and moves the encoder, whatever the settings say, up log q(z | x): the second half of an update whose
    /// first half was a [`step`](Self::step) of the decoder. Returns the mean of log q(z | x), nats.
    ///
    /// # Errors
    /// As there.
    pub fn dream(
        &self,
        model: &mut Vae<F>,
        dreams: &mut [F],
        ws: &mut Workspace<F>,
        optimiser: &mut Optimiser<F>,
        settings: StepSettings,
        rng: &mut Rng,
    ) -> Result<f64> {
        let log_q = ws.dream(model, settings.prior.unwrap_or(model.prior()), dreams, rng)?;
        if !log_q.is_finite() {
            return Err(settings.diverged("log q(z | x) of dreams", log_q));
        }
        let settings = StepSettings { learned: Learned::Encoder, ..settings };
        self.update(model, dreams, ws, optimiser.again(settings.factor), settings)?;
        Ok(log_q)
    }

    /// Takes the step from what the passes have left behind.
    pub(super) fn update(
        &self,
        model: &mut Vae<F>,
        input: &[F],
        ws: &Workspace<F>,
        (step, state): (Step, State<'_, F>),
        settings: StepSettings,
    ) -> Result<()> {
        let (encoder, decoder, params) = model.networks_and_params_mut();
        let deltas = Deltas { encoder, decoder, ws, input };
        let job = Job { ascent: self, deltas, step, settings, diverged: AtomicBool::new(false) };
        let (centre, rho) = params.split_at_mut(self.strips.last().map_or(0, |strip| strip.range.end));
        let (state, state_of_rho) = state.split_at(centre.len());
        let (centre, rho) = (Plane { params: centre, state }, Plane { params: rho, state: state_of_rho });
        let untaken = Mutex::new(UntakenStrips { strips: &self.strips, centre, rho });
        threads::on_each(0, self.buffers.len(), &|thread| job.run(&untaken, thread))?;
        if job.diverged.into_inner() {
            return Err(settings.diverged("the gradient", f64::INFINITY));
        }
        Ok(())
    }
}

/// What the two passes have left behind: each layer's input and δ.
#[derive(Clone, Copy)]
struct Deltas<'a, F> {
    encoder: &'a Mlp,
    decoder: &'a Mlp,
    ws: &'a Workspace<F>,
    input: &'a [F],
}

impl<F: Real> Deltas<'_, F> {
    /// The derivatives of the data's term by a strip of θ, and by σ² of local reparameterisation.
    fn gradient(&self, strip: &Strip, buffers: &mut Buffers<F>) -> Result<()> {
        let ws = self.ws;
        let decoded = ws.m * ws.estimator.samples;
        let z = Input::dense(ws.codes());
        let (mlp, trace, input, squares, rows) = match strip.side {
            Side::Encoder => {
                let squares = ws.sparse_squares.input(&ws.squares);
                let rows = if strip.layer == 0 { ws.m } else { ws.encoded };
                (self.encoder, &ws.encoder, ws.sparse.input(self.input), squares, rows)
            }
            Side::Injection => {
                let Some(layer) = self.encoder.injection() else { return Ok(()) };
                let noise = self.encoder.injection_and_delta(&ws.encoder, ws.encoded);
                return product(layer, strip, noise, &ws.encoder, (0, buffers));
            }
            Side::Decoder => (self.decoder, &ws.decoder, z, Input::dense(&[][..]), decoded),
            Side::Shared => {
                buffers.gradient[0][0] = ws.d_shared[..decoded].iter().copied().sum();
                return Ok(());
            }
        };
        let layer = &mlp.layers()[strip.layer];
        product(layer, strip, mlp.input_and_delta(strip.layer, input, trace, rows), trace, (0, &mut *buffers))?;
        if strip.rho.is_empty() || ws.realised.as_ref().is_some_and(|realised| !realised.is_local()) {
            return Ok(());
        }
        product(layer, strip, mlp.squares_and_delta(strip.layer, squares, trace, rows), trace, (1, buffers))
    }
}

/// A strip of inputᵀ δ into one of the buffers. The thread packs δ once for all strips of a layer that it takes.
fn product<F: Real>(
    layer: &Dense,
    strip: &Strip,
    (input, delta): (Input<'_, F>, &[F]),
    trace: &Trace<F>,
    (plane, buffers): (usize, &mut Buffers<F>),
) -> Result<()> {
    let (gradient, near, packed) =
        (&mut buffers.gradient[plane], &mut buffers.delta[plane], &mut buffers.packed[plane]);
    let Some(inputs) = &strip.inputs else {
        layer.bias_gradient(delta, &mut gradient[..layer.outputs]);
        return Ok(());
    };
    let (layer_here, rows) = ((strip.side, strip.layer), delta.len() / layer.outputs);
    let wanted = strip.near && input.sparse.is_none();
    if wanted && *packed != Some(layer_here) {
        let done = gemm::pack(Mat::new(delta, rows, layer.outputs), near);
        *packed = done.then_some(layer_here);
    }
    let near = (wanted && packed.is_some()).then_some(&*near);
    layer.weight_gradient(inputs.clone(), input, (delta, near), gradient, trace.execution.precision)
}

/// Writes down the whole gradient: the reference, for checks. That of the weights' divergence joins as in the bound.
pub(super) fn write_gradient<F: Real>(model: &Vae<F>, input: &[F], ws: &mut Workspace<F>) -> Result<()> {
    let mut gradient = std::mem::take(&mut ws.gradient);
    gradient.resize(model.layout().len(), F::zero());
    let scaling = Scaling { kl: ws.per_datapoint, ..StepSettings::plain(0).scaling };
    let deltas = Deltas { encoder: model.encoder(), decoder: model.decoder(), ws, input };
    let mut buffers = Buffers::default();
    for strip in strips(model, ws, 1) {
        buffers.gradient[0].resize(strip.range.len(), F::zero());
        buffers.gradient[1].resize(strip.rho.len(), F::zero());
        deltas.gradient(&strip, &mut buffers)?;
        let [g, g_rho] = &mut buffers.gradient;
        let (centre, rho) = (&model.params()[strip.range.clone()], &model.params()[strip.rho.clone()]);
        finish(ws.realised.as_ref(), (centre, rho, strip.range.start), g, g_rho, scaling);
        gradient[strip.range].copy_from_slice(g);
        gradient[strip.rho].copy_from_slice(g_rho);
    }
    ws.gradient = gradient;
    Ok(())
}

/// What the posterior of some weights, which begin at `first`, makes of their derivatives.
fn finish<F: Real>(
    realised: Option<&Realised<F>>,
    (centre, rho, first): (&[F], &[F], usize),
    g: &mut [F],
    g_rho: &mut [F],
    scaling: Scaling,
) {
    match realised.filter(|_| !rho.is_empty()) {
        Some(here) => here.posterior().finish(here.planes(centre, rho, first), g, g_rho, scaling),
        None => Point.finish(Planes { centre, rho, zeta: &[], prior: None }, g, g_rho, scaling),
    }
}

struct Job<'a, F> {
    ascent: &'a Ascent<F>,
    deltas: Deltas<'a, F>,
    step: Step,
    settings: StepSettings,
    diverged: AtomicBool,
}

impl<F: Real> Job<'_, F> {
    /// Updates strips as long as there are any. One half of the threads takes them from the front, the other from the back, so
    /// that each meets the same ones again at the next step.
    fn run(&self, untaken: &Mutex<UntakenStrips<'_, F>>, thread: usize) -> Result<()> {
        // Each has a buffer of its own, so nobody waits for this lock.
        let mut buffers = self.ascent.buffers[thread].lock().unwrap_or_else(PoisonError::into_inner);
        buffers.packed = [None; 2];
        let next = || untaken.lock().unwrap_or_else(PoisonError::into_inner).take(thread.is_multiple_of(2));
        while let Some((strip, centre, rho)) = next() {
            self.update(strip, centre, rho, &mut buffers)?;
        }
        Ok(())
    }

    fn update(&self, strip: &Strip, centre: Plane<'_, F>, rho: Plane<'_, F>, buffers: &mut Buffers<F>) -> Result<()> {
        if !strip.side.moves(self.settings.learned) {
            return Ok(());
        }
        self.deltas.gradient(strip, buffers)?;
        let realised = self.deltas.ws.realised.as_ref();
        let step_of_rho = self.step.times(realised.map_or(1.0, |realised| realised.posterior().step));
        let [gradient, gradient_of_rho] = &mut buffers.gradient;
        let (mut others, mut others_of_rho) = (centre.state, rho.state);
        let mut rhos = rho.params.chunks_mut(PIECE).zip(gradient_of_rho.chunks_mut(PIECE));
        let pieces = centre.params.chunks_mut(PIECE).zip(gradient.chunks_mut(PIECE));
        for (k, (params, gradient)) in pieces.enumerate() {
            let (rho, g_rho) = rhos.next().unwrap_or_default();
            let (gradient, g_rho) = (&mut gradient[..params.len()], &mut g_rho[..rho.len()]);
            let (state, state_of_rho);
            (state, others) = others.split_at(params.len());
            (state_of_rho, others_of_rho) = others_of_rho.split_at(rho.len());
            let first = strip.range.start + k * PIECE;
            finish(realised, (params, rho, first), gradient, g_rho, self.settings.scaling);
            let limit = F::of(GRADIENT_LIMIT);
            if !(vmath::all_below(gradient, limit) && vmath::all_below(g_rho, limit)) {
                self.diverged.store(true, Ordering::Relaxed);
            }
            self.step.apply(params, gradient, state);
            step_of_rho.apply(rho, g_rho, state_of_rho);
        }
        Ok(())
    }
}
