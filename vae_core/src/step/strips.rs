//! The parameters, cut into strips: some rows of a weight matrix, or a bias, or the likelihood's parameter of its own.

use std::ops::Range;

use super::tuning::{LONG_STRIP, NEAR, ROWS, SHARES, STRIP};
use super::workspace::Workspace;
use crate::models::Vae;
use crate::numeric::{Precision, Real};
use crate::optim::State;

/// Where a strip's gradient comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Encoder,
    Decoder,
    /// The likelihood's parameter of its own.
    Shared,
}

/// A stretch of the flat parameter vector whose gradient is computed at once.
#[derive(Clone, Debug)]
pub(super) struct Strip {
    pub(super) range: Range<usize>,
    pub(super) side: Side,
    pub(super) layer: usize,
    /// Inputs whose weights it holds; none for a bias.
    pub(super) inputs: Option<Range<usize>>,
    /// Whether δ of the layer is packed once.
    pub(super) near: bool,
}

/// All strips for so many threads, in the order of the layout.
pub(super) fn strips<F: Real>(model: &Vae<F>, ws: &Workspace<F>, threads: usize) -> Vec<Strip> {
    let share = if threads > 1 { model.layout().len() / (SHARES * threads) } else { usize::MAX };
    let sides = [
        (Side::Encoder, model.encoder(), &ws.encoder.execution, ws.max_m),
        (Side::Decoder, model.decoder(), &ws.decoder.execution, ws.max_m * ws.estimator.samples),
    ];
    let mut strips = Vec::new();
    for (side, mlp, execution, delta_rows) in sides {
        for (k, layer) in mlp.layers().iter().enumerate() {
            let near = execution.precision == Precision::F32 && delta_rows * layer.outputs <= NEAR;
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
    if let Some(place) = model.shared() {
        strips.push(Strip { range: place..place + 1, side: Side::Shared, layer: 0, inputs: None, near: false });
    }
    strips
}

/// The strips that no thread has taken yet, with their parameters and the optimiser's state.
pub(super) struct UntakenStrips<'a, F> {
    pub(super) strips: &'a [Strip],
    pub(super) params: &'a mut [F],
    pub(super) state: State<'a, F>,
}

impl<'a, F: Real> UntakenStrips<'a, F> {
    /// The first strip, or the last one, with its parameters and their state.
    pub(super) fn take(&mut self, first: bool) -> Option<(&'a Strip, &'a mut [F], State<'a, F>)> {
        let (strip, others) = if first { self.strips.split_first()? } else { self.strips.split_last()? };
        let at = if first { strip.range.len() } else { self.params.len() - strip.range.len() };
        let (params, params_after) = std::mem::take(&mut self.params).split_at_mut(at);
        let (state, state_after) = std::mem::take(&mut self.state).split_at(at);
        let (before, after) = ((params, state), (params_after, state_after));
        let (taken, left) = if first { (before, after) } else { (after, before) };
        (self.strips, self.params, self.state) = (others, left.0, left.1);
        Some((strip, taken.0, taken.1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::estimators::Estimator;
    use crate::likelihoods::{Gaussian, LikelihoodConfig, Variance};
    use crate::models::ModelConfig;

    #[test]
    fn strips_cover_every_parameter_once_in_order() {
        let shared = Gaussian { variance: Variance::Shared, ..Gaussian::default() };
        for (encoder, likelihood) in [
            (vec![500], LikelihoodConfig::Bernoulli),
            (vec![7, 90_000], Gaussian::default().into()),
            (vec![5], shared.into()),
        ] {
            let config = ModelConfig { encoder, likelihood, ..ModelConfig::default() };
            let model = Vae::<f32>::new(&config, 13, 0).unwrap();
            let ws = Workspace::new(&model, &Estimator::default(), 3, true).unwrap();
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
            let mut untaken = UntakenStrips { strips: &strips, params: &mut params, state: State::default() };
            let mut taken = 0;
            while let Some((strip, params, _)) = untaken.take(taken % 3 != 0) {
                assert_eq!((params[0], params.len()), (strip.range.start as f32, strip.range.len()));
                taken += 1;
            }
            assert_eq!(taken, strips.len());
        }
    }
}
