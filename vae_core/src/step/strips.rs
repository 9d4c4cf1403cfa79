//! The parameters, cut into strips: some rows of a weight matrix, or a bias, or the likelihood's parameter of its own.

use std::ops::Range;

use super::tuning::{LONG_STRIP, NEAR, ROWS, SHARES, STRIP};
use super::workspace::Workspace;
use crate::models::{Learned, Vae};
use crate::numeric::{Precision, Real};
use crate::optim::State;

/// Where a strip's gradient comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Encoder,
    /// V of noise beside x.
    Injection,
    Decoder,
    /// The likelihood's parameter of its own.
    Shared,
}

impl Side {
    /// Whether these networks are its own.
    pub(super) fn moves(self, learned: Learned) -> bool {
        match learned {
            Learned::Both => true,
            Learned::Encoder => matches!(self, Self::Encoder | Self::Injection),
            Learned::Decoder => matches!(self, Self::Decoder | Self::Shared),
        }
    }
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
    /// Where the ρ of Gaussian weights lie; empty for a point.
    pub(super) rho: Range<usize>,
}

/// All strips for so many threads, in the order of the layout.
pub(super) fn strips<F: Real>(model: &Vae<F>, ws: &Workspace<F>, threads: usize) -> Vec<Strip> {
    let share = if threads > 1 { model.layout().len() / (SHARES * threads) } else { usize::MAX };
    let sides = [
        (Side::Encoder, model.encoder(), &ws.encoder.execution, ws.max_m * model.head().rows(ws.estimator.samples)),
        (Side::Decoder, model.decoder(), &ws.decoder.execution, ws.max_m * ws.estimator.samples),
    ];
    let mut strips = Vec::new();
    for (side, mlp, execution, delta_rows) in sides {
        let noise = mlp.injection().map(|noise| (Side::Injection, 0, noise));
        let layers = mlp.layers().iter().enumerate().map(|(k, layer)| (side, k, layer)).chain(noise);
        for (side, k, layer) in layers {
            let near = execution.precision == Precision::F32 && delta_rows * layer.outputs <= NEAR;
            let len = layer.weight().len();
            let size = if near { share.min(STRIP) } else { len.div_ceil(threads).min(LONG_STRIP) };
            let count = len.div_ceil(size.max(1));
            let rows = layer.inputs.div_ceil(count).next_multiple_of(ROWS);
            for first in (0..layer.inputs).step_by(rows) {
                let inputs = first..(first + rows).min(layer.inputs);
                let start = layer.weight().start;
                let range = start + inputs.start * layer.outputs..start + inputs.end * layer.outputs;
                strips.push(Strip { range, side, layer: k, inputs: Some(inputs), near, rho: 0..0 });
            }
            if layer.bias().is_empty() {
                continue;
            }
            strips.push(Strip { range: layer.bias(), side, layer: k, inputs: None, near, rho: 0..0 });
        }
    }
    if let Some(place) = model.shared() {
        strips.push(Strip {
            range: place..place + 1,
            side: Side::Shared,
            layer: 0,
            inputs: None,
            near: false,
            rho: 0..0,
        });
    }
    if let Some(plane) = model.gaussian() {
        for strip in strips.iter_mut().filter(|strip| plane.weights.contains(&strip.range.start)) {
            let shift = plane.rho - plane.weights.start;
            strip.rho = strip.range.start + shift..strip.range.end + shift;
        }
    }
    strips
}

/// Parameters, and the optimiser's state of them.
#[derive(Debug, Default)]
pub(super) struct Plane<'a, F> {
    pub(super) params: &'a mut [F],
    pub(super) state: State<'a, F>,
}

impl<F: Default> Plane<'_, F> {
    /// Takes the first `n`, or the last.
    fn take(&mut self, n: usize, first: bool) -> Self {
        let at = if first { n } else { self.params.len() - n };
        let (params, params_after) = std::mem::take(&mut self.params).split_at_mut(at);
        let (state, state_after) = std::mem::take(&mut self.state).split_at(at);
        let (before, after) = (Self { params, state }, Self { params: params_after, state: state_after });
        let (taken, left) = if first { (before, after) } else { (after, before) };
        *self = left;
        taken
    }
}

/// The strips that no thread has taken yet, with their parameters: θ or μ, and ρ.
pub(super) struct UntakenStrips<'a, F> {
    pub(super) strips: &'a [Strip],
    pub(super) centre: Plane<'a, F>,
    pub(super) rho: Plane<'a, F>,
}

impl<'a, F: Real> UntakenStrips<'a, F> {
    /// The first strip, or the last one, with its parameters.
    pub(super) fn take(&mut self, first: bool) -> Option<(&'a Strip, Plane<'a, F>, Plane<'a, F>)> {
        let (strip, others) = if first { self.strips.split_first()? } else { self.strips.split_last()? };
        self.strips = others;
        Some((strip, self.centre.take(strip.range.len(), first), self.rho.take(strip.rho.len(), first)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::estimators::Estimator;
    use crate::likelihoods::{Gaussian, LikelihoodConfig, Variance};
    use crate::models::ModelConfig;
    use crate::weights::{self, Networks, WeightsConfig};

    #[test]
    fn strips_cover_every_parameter_once_in_order() {
        let shared = Gaussian { variance: Variance::Shared, ..Gaussian::default() };
        let both = weights::Gaussian { networks: Networks::Both, ..weights::Gaussian::default() };
        for (encoder, likelihood, weights) in [
            (vec![500], LikelihoodConfig::Bernoulli, WeightsConfig::Point),
            (vec![7, 90_000], Gaussian::default().into(), WeightsConfig::Point),
            (vec![5], shared.into(), weights::Gaussian::default().into()),
            (vec![500], shared.into(), both.into()),
        ] {
            let config = ModelConfig { encoder, likelihood, weights, ..ModelConfig::default() };
            let model = Vae::<f32>::new(&config, 13, 0).unwrap();
            let ws = Workspace::new(&model, &Estimator::default(), 3, true).unwrap();
            for threads in [1, 2, 64] {
                let mut end = 0;
                for strip in strips(&model, &ws, threads) {
                    assert_eq!(strip.range.start, end);
                    end = strip.range.end;
                    assert!(strip.inputs.is_none_or(|inputs| inputs.start.is_multiple_of(ROWS)));
                }
                assert_eq!(end, model.gaussian().map_or(model.layout().len(), |plane| plane.rho));
            }
            let (strips, mut params) =
                (strips(&model, &ws, 2), (0..model.layout().len()).map(|i| i as f32).collect::<Vec<_>>());
            let (params, rho) = params.split_at_mut(model.gaussian().map_or(model.layout().len(), |plane| plane.rho));
            let plane = |params| Plane { params, state: State::default() };
            let mut untaken = UntakenStrips { strips: &strips, centre: plane(params), rho: plane(rho) };
            let (mut taken, mut gaussian) = (0, 0);
            while let Some((strip, centre, rho)) = untaken.take(taken % 3 != 0) {
                for (plane, range) in [(centre.params, &strip.range), (rho.params, &strip.rho)] {
                    assert_eq!(plane.len(), range.len());
                    assert!(plane.first().is_none_or(|first| *first == range.start as f32));
                }
                taken += 1;
                gaussian += strip.rho.len();
            }
            assert_eq!((taken, gaussian), (strips.len(), model.gaussian().map_or(0, |plane| plane.weights.len())));
        }
    }
}
