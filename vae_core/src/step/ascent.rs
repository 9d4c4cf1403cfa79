//! One update in which the gradient is never written down.
//!
//! A thread computes the gradient of a strip of the parameters into a buffer that stays near, lets the posterior of the weights finish it, and
//! hands it to the optimiser there. A strip's gradient is a sum over all datapoints, taken in their order, so that its bits do not depend
//! on the threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::batch::Batch;
use super::strips::{Side, Strip, UntakenStrips, strips};
use super::tuning::PIECE;
use super::workspace::Workspace;
use crate::estimators::Bound;
use crate::models::Vae;
use crate::nn::Mlp;
use crate::nn::dense::Input;
use crate::numeric::gemm::{self, Mat, Packed};
use crate::numeric::{Real, vmath};
use crate::optim::{Optimiser, State, Step};
use crate::threads;
use crate::weights::{Scaling, WeightsConfig};
use crate::{Error, Result};

/// A derivative beyond this is taken for a divergence, before its square overflows.
const GRADIENT_LIMIT: f64 = 1e18;

/// What a step does with the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSettings {
    /// The scale of the objective, and the prior on the weights.
    pub scaling: Scaling,
    /// q(θ).
    pub weights: WeightsConfig,
    /// The schedule's factor on the step size.
    pub factor: f64,
    /// β, the weight of the KL divergence.
    pub kl_weight: f64,
    /// The number of the update, for messages, counted from 1.
    pub update: u64,
}

impl StepSettings {
    /// Those of the bound per datapoint, without a prior on the weights, for this update.
    pub fn plain(update: u64) -> Self {
        let scaling = Scaling { scale: 1.0, decay: 0.0 };
        Self { scaling, weights: WeightsConfig::default(), factor: 1.0, kl_weight: 1.0, update }
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
    /// The gradient of a strip.
    gradient: Vec<F>,
    /// δ of the layer that it was last packed of.
    delta: Packed,
    packed: Option<(Side, usize)>,
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
        let size = strips.iter().map(|strip| strip.range.len()).max().unwrap_or(0);
        let buffers = || Buffers { gradient: vec![F::zero(); size], ..Buffers::default() };
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
        let bound = ws.both_passes(model, batch)?;
        let update = settings.update;
        let diverged = |quantity: &str, value| Error::NonFinite { step: update, quantity: quantity.into(), value };
        if !bound.bound.is_finite() {
            return Err(diverged("the bound", bound.bound));
        }
        let (encoder, decoder, params) = model.networks_and_params_mut();
        let deltas = Deltas { encoder, decoder, ws, input: batch.input };
        let (step, state) = optimiser.begin(settings.factor);
        let job = Job { ascent: self, deltas, step, settings, diverged: AtomicBool::new(false) };
        let untaken = Mutex::new(UntakenStrips { strips: &self.strips, params, state });
        threads::on_each(0, self.buffers.len(), &|thread| job.run(&untaken, thread))?;
        if job.diverged.into_inner() {
            return Err(diverged("the gradient", f64::INFINITY));
        }
        Ok(bound)
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
    /// The gradient of a strip. The thread packs δ once for all strips of a layer that it takes.
    fn gradient(&self, strip: &Strip, Buffers { gradient, delta: near, packed }: &mut Buffers<F>) -> Result<()> {
        let ws = self.ws;
        let decoded = ws.m * ws.estimator.samples;
        let (mlp, trace, input, rows) = match strip.side {
            Side::Encoder => (self.encoder, &ws.encoder, ws.sparse.input(self.input), ws.m),
            Side::Decoder => (self.decoder, &ws.decoder, Input::dense(&ws.z[..]), decoded),
            Side::Shared => {
                gradient[0] = ws.d_shared[..decoded].iter().copied().sum();
                return Ok(());
            }
        };
        let (input, delta) = mlp.input_and_delta(strip.layer, input, trace, rows);
        let layer = &mlp.layers()[strip.layer];
        match &strip.inputs {
            Some(inputs) => {
                let layer_here = (strip.side, strip.layer);
                let wanted = strip.near && input.sparse.is_none();
                if wanted && *packed != Some(layer_here) {
                    let done = gemm::pack(Mat::new(delta, rows, layer.outputs), near);
                    *packed = done.then_some(layer_here);
                }
                let near = (wanted && packed.is_some()).then_some(&*near);
                layer.weight_gradient(inputs.clone(), input, (delta, near), gradient, trace.execution.precision)
            }
            None => {
                layer.bias_gradient(delta, &mut gradient[..layer.outputs]);
                Ok(())
            }
        }
    }
}

/// Writes down the whole gradient: the reference, for checks.
pub(super) fn write_gradient<F: Real>(model: &Vae<F>, input: &[F], ws: &mut Workspace<F>) -> Result<()> {
    let mut gradient = std::mem::take(&mut ws.gradient);
    gradient.resize(model.layout().len(), F::zero());
    let deltas = Deltas { encoder: model.encoder(), decoder: model.decoder(), ws, input };
    let mut buffers = Buffers::default();
    for strip in strips(model, ws, 1) {
        buffers.gradient.resize(strip.range.len(), F::zero());
        deltas.gradient(&strip, &mut buffers)?;
        gradient[strip.range].copy_from_slice(&buffers.gradient);
    }
    ws.gradient = gradient;
    Ok(())
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
        buffers.packed = None;
        let next = || untaken.lock().unwrap_or_else(PoisonError::into_inner).take(thread.is_multiple_of(2));
        while let Some((strip, params, state)) = next() {
            self.update(strip, params, state, &mut buffers)?;
        }
        Ok(())
    }

    fn update(&self, strip: &Strip, params: &mut [F], state: State<'_, F>, buffers: &mut Buffers<F>) -> Result<()> {
        self.deltas.gradient(strip, buffers)?;
        let gradient = &mut buffers.gradient[..params.len()];
        let (weights, mut others) = (self.settings.weights, state);
        for (params, gradient) in params.chunks_mut(PIECE).zip(gradient.chunks_mut(PIECE)) {
            let state;
            (state, others) = others.split_at(params.len());
            weights.get().finish(params, gradient, self.settings.scaling);
            if !vmath::all_below(gradient, F::of(GRADIENT_LIMIT)) {
                self.diverged.store(true, Ordering::Relaxed);
            }
            self.step.apply(params, gradient, state);
        }
        Ok(())
    }
}
