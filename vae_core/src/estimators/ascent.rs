//! One update in which the gradient is never written down.
//!
//! The parameters are cut into strips: some rows of a weight matrix, or a bias. A thread computes the gradient of a strip
//! into a buffer that stays near, and hands it to the optimiser there. A strip's gradient is a sum over all
//! datapoints, taken in their order, so that its bits do not depend on the threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::sgvb::{Bound, Estimator};
use super::workspace::Workspace;
use crate::models::Vae;
use crate::nn::Mlp;
use crate::nn::dense::Input;
use crate::numeric::gemm::{self, Mat, Packed};
use crate::numeric::{Precision, Real, vmath};
use crate::optim::{Optimiser, State, Step};
use crate::threads;
use crate::{Error, Result};

/// δ of a layer with so many values, or fewer, stays in the second-level cache: it is packed once for all strips that a thread takes.
const NEAR: usize = 192 << 10;
/// Values of a strip of such a layer, at most but for rounding to [`ROWS`]: they, their parameters and state stay near together. (With
/// 64 Ki a step of W1 took 1 % longer, with 200 Ki 2 to 3 %, on Sapphire Rapids.)
const STRIP: usize = 32 << 10;
/// Values of any other strip, at most: for each, what its product reads is packed anew. So there are no more of them than threads, if
/// that suffices. (With six for each of two threads a step of W2 (100, 8) took 3 % longer, in bf16 15 %.)
const LONG_STRIP: usize = 200 << 10;
/// Strips for each of several threads, but for that rounding and for long ones, so that all are done at about the same time.
const SHARES: usize = 6;
/// Values that are scaled, checked and applied together, in the first-level cache.
const PIECE: usize = 2 << 10;
/// Rows of a strip come in multiples of this, of the tiles and runs of the products.
const ROWS: usize = 12;
/// Gradients whose absolute values sum to more are taken for a divergence, before their squares overflow.
const GRADIENT_LIMIT: f64 = 1e18;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Encoder,
    Decoder,
}

/// A stretch of the flat parameter vector whose gradient is computed at once.
#[derive(Clone, Debug)]
struct Strip {
    range: Range<usize>,
    side: Side,
    layer: usize,
    /// Inputs whose weights it holds; none for the bias.
    inputs: Option<Range<usize>>,
    /// Whether δ of the layer is packed once.
    near: bool,
}

/// What the gradient of the bound becomes before the optimiser sees it: `scale · (g − decay · θ)`, and the schedule's factor.
#[derive(Clone, Copy, Debug)]
pub struct Scaling {
    /// 1 for the bound per datapoint, N for that of the whole data set.
    pub scale: f64,
    /// The precision of a Gaussian prior on the weights, per datapoint.
    pub decay: f64,
    /// Factor on the step size.
    pub factor: f64,
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

    /// Estimates the bound of x `[M, D]` with the noise in the workspace, and moves the parameters up its gradient.
    ///
    /// # Errors
    /// [`Error::Shape`] if x does not fit; [`Error::NonFinite`] naming `update` if the bound is not finite (nothing has been
    /// moved) or the gradient is not (some parameters have).
    pub fn step(
        &self,
        estimator: &Estimator,
        model: &mut Vae<F>,
        x: &[F],
        ws: &mut Workspace<F>,
        optimiser: &mut Optimiser<F>,
        (scaling, update): (Scaling, u64),
    ) -> Result<Bound> {
        let bound = estimator.both_passes(model, x, ws)?;
        let diverged = |quantity: &str, value| Error::NonFinite { step: update, quantity: quantity.into(), value };
        if !bound.bound.is_finite() {
            return Err(diverged("the bound", bound.bound));
        }
        let (encoder, decoder, params) = model.places_and_params();
        let passes = Passes { encoder, decoder, ws, x };
        let (step, state) = optimiser.begin(scaling.factor);
        let job = Job { ascent: self, passes, step, scaling, diverged: AtomicBool::new(false) };
        let rest = Mutex::new(Rest { strips: &self.strips, params, state });
        threads::on_each(0, self.buffers.len(), &|thread| job.run(&rest, thread))?;
        if job.diverged.into_inner() {
            return Err(diverged("the sum of the gradient's absolute values", f64::INFINITY));
        }
        Ok(bound)
    }
}

/// What the two passes have left behind.
#[derive(Clone, Copy)]
struct Passes<'a, F> {
    encoder: &'a Mlp,
    decoder: &'a Mlp,
    ws: &'a Workspace<F>,
    x: &'a [F],
}

impl<F: Real> Passes<'_, F> {
    /// The gradient of a strip. The thread packs δ once for all strips of a layer that it takes.
    fn gradient(&self, strip: &Strip, Buffers { gradient, delta: near, packed }: &mut Buffers<F>) -> Result<()> {
        let ws = self.ws;
        let (mlp, trace, input, rows) = match strip.side {
            Side::Encoder => (self.encoder, &ws.encoder, ws.sparse.input(self.x), ws.m),
            Side::Decoder => (self.decoder, &ws.decoder, Input::dense(&ws.z[..]), ws.m * ws.l),
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
                layer.weight_gradient(inputs.clone(), input, (delta, near), gradient, trace.exec.precision)
            }
            None => {
                layer.bias_gradient(delta, &mut gradient[..layer.outputs]);
                Ok(())
            }
        }
    }
}

/// Writes down the whole gradient: the reference, for checks.
pub(super) fn write_gradient<F: Real>(model: &Vae<F>, x: &[F], ws: &mut Workspace<F>) -> Result<()> {
    let mut gradient = std::mem::take(&mut ws.gradient);
    gradient.resize(model.layout().len(), F::zero());
    let passes = Passes { encoder: model.encoder(), decoder: model.decoder(), ws, x };
    let mut buffers = Buffers::default();
    for strip in strips(model, ws, 1) {
        buffers.gradient.resize(strip.range.len(), F::zero());
        passes.gradient(&strip, &mut buffers)?;
        gradient[strip.range].copy_from_slice(&buffers.gradient);
    }
    ws.gradient = gradient;
    Ok(())
}

/// The strips that nobody has taken.
struct Rest<'a, F> {
    strips: &'a [Strip],
    params: &'a mut [F],
    state: State<'a, F>,
}

impl<'a, F: Real> Rest<'a, F> {
    /// The first strip, or the last one, with its parameters and their state.
    fn take(&mut self, first: bool) -> Option<(&'a Strip, &'a mut [F], State<'a, F>)> {
        let (strip, others) = if first { self.strips.split_first()? } else { self.strips.split_last()? };
        let at = if first { strip.range.len() } else { self.params.len() - strip.range.len() };
        let (params, params_after) = std::mem::take(&mut self.params).split_at_mut(at);
        let (state, state_after) = std::mem::take(&mut self.state).split_at(at);
        let (before, after) = ((params, state), (params_after, state_after));
        let (taken, rest) = if first { (before, after) } else { (after, before) };
        (self.strips, self.params, self.state) = (others, rest.0, rest.1);
        Some((strip, taken.0, taken.1))
    }
}

struct Job<'a, F> {
    ascent: &'a Ascent<F>,
    passes: Passes<'a, F>,
    step: Step,
    scaling: Scaling,
    diverged: AtomicBool,
}

impl<F: Real> Job<'_, F> {
    /// Updates strips as long as there are any. One half of the threads takes them from the front, the other from the back, so
    /// that each meets the same ones again at the next step.
    fn run(&self, rest: &Mutex<Rest<'_, F>>, thread: usize) -> Result<()> {
        // Each has a buffer of its own, so nobody waits for this lock.
        let mut buffers = self.ascent.buffers[thread].lock().unwrap_or_else(PoisonError::into_inner);
        buffers.packed = None;
        let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).take(thread.is_multiple_of(2));
        while let Some((strip, params, state)) = next() {
            self.update(strip, params, state, &mut buffers)?;
        }
        Ok(())
    }

    fn update(&self, strip: &Strip, params: &mut [F], state: State<'_, F>, buffers: &mut Buffers<F>) -> Result<()> {
        self.passes.gradient(strip, buffers)?;
        let gradient = &mut buffers.gradient[..params.len()];
        let Scaling { scale, decay, .. } = self.scaling;
        let (plain, scale, decay) = (scale == 1.0 && decay == 0.0, F::of(scale), F::of(decay));
        let mut rest = state;
        for (params, gradient) in params.chunks_mut(PIECE).zip(gradient.chunks_mut(PIECE)) {
            let state;
            (state, rest) = rest.split_at(params.len());
            if !plain {
                vmath::zip(gradient, params, |g, theta| scale * (g - decay * theta));
            }
            if vmath::sum_abs(gradient).f64() < GRADIENT_LIMIT {
                self.step.apply(params, gradient, state);
            } else {
                self.diverged.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// All strips for so many threads, in the order of the layout.
fn strips<F: Real>(model: &Vae<F>, ws: &Workspace<F>, threads: usize) -> Vec<Strip> {
    let share = if threads > 1 { model.layout().len() / (SHARES * threads) } else { usize::MAX };
    let sides = [
        (Side::Encoder, model.encoder(), &ws.encoder.exec, ws.max_m),
        (Side::Decoder, model.decoder(), &ws.decoder.exec, ws.max_m * ws.l),
    ];
    let mut strips = Vec::new();
    for (side, mlp, exec, delta_rows) in sides {
        for (k, layer) in mlp.layers().iter().enumerate() {
            let near = exec.precision == Precision::F32 && delta_rows * layer.outputs <= NEAR;
            let len = layer.weight().len();
            let size = if near { share.min(STRIP) } else { len.div_ceil(threads).min(LONG_STRIP) };
            let count = len.div_ceil(size.max(1));
            let rows = layer.inputs.div_ceil(count).next_multiple_of(ROWS);
            for first in (0..layer.inputs).step_by(rows) {
                let inputs = first..(first + rows).min(layer.inputs);
                let start = layer.weight().start;
                let range = start + inputs.start * layer.outputs..start + inputs.end * layer.outputs;
                strips.push(Strip { range, side, layer: k, inputs: Some(inputs), near });
            }
            strips.push(Strip { range: layer.bias(), side, layer: k, inputs: None, near });
        }
    }
    strips
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::likelihoods::LikelihoodConfig;
    use crate::models::ModelConfig;

    #[test]
    fn strips_cover_every_parameter_once_in_order() {
        for (encoder, likelihood) in [
            (vec![500], LikelihoodConfig::Bernoulli),
            (vec![7, 90_000], LikelihoodConfig::Gaussian { mean: Default::default() }),
        ] {
            let config = ModelConfig { encoder, likelihood, ..ModelConfig::default() };
            let model = Vae::<f32>::new(&config, 13, 0).unwrap();
            let ws = Workspace::new(&model, &Estimator::default(), 3, true);
            for threads in [1, 2, 64] {
                let mut end = 0;
                for strip in strips(&model, &ws, threads) {
                    assert_eq!(strip.range.start, end);
                    end = strip.range.end;
                    assert!(strip.inputs.is_none_or(|inputs| inputs.start.is_multiple_of(ROWS)));
                }
                assert_eq!(end, model.layout().len());
            }
            let (strips, mut params) =
                (strips(&model, &ws, 2), (0..model.layout().len()).map(|i| i as f32).collect::<Vec<_>>());
            let mut rest = Rest { strips: &strips, params: &mut params, state: State::default() };
            let mut taken = 0;
            while let Some((strip, params, _)) = rest.take(taken % 3 != 0) {
                assert_eq!((params[0], params.len()), (strip.range.start as f32, strip.range.len()));
                taken += 1;
            }
            assert_eq!(taken, strips.len());
        }
    }
}
