//! Noise as a further input of a network's first layer: h = f(x W + ψ V + b) with several draws of ψ for each x, so that x W is computed once.

use super::dense::{Dense, Input, Weights};
use super::mlp::Mlp;
use super::params::Layout;
use super::trace::{Injected, Trace};
use crate::Result;
use crate::numeric::real::fill_normals;
use crate::numeric::{Real, vmath};
use crate::rng::Rng;

impl Mlp {
    /// The same with noise of this width; V `[width, outputs of the first layer]` is called `name.weight`.
    #[must_use]
    pub fn with_injection(mut self, layout: &mut Layout, name: &str, width: usize) -> Self {
        let outputs = self.layers().first().map_or(0, |first| first.outputs);
        self.injection = Some(Dense::without_bias(layout, name, width, outputs));
        self
    }

    /// The layer of the noise, if there is one.
    pub fn injection(&self) -> Option<&Dense> {
        self.injection.as_ref()
    }

    /// The same trace with room for the noise of `m` datapoints.
    pub fn injected<F: Real>(&self, mut trace: Trace<F>, m: usize) -> Trace<F> {
        trace.injected = self.injection.as_ref().map(|injection| Injected {
            psi: vec![F::zero(); trace.max_rows * injection.inputs],
            once: vec![F::zero(); m * injection.outputs],
        });
        trace
    }

    /// Draws ψ ~ N(0, I) for so many rows.
    pub fn draw_injection<F: Real>(&self, trace: &mut Trace<F>, rows: usize, rng: &mut Rng) {
        if let (Some(injection), Some(injected)) = (&self.injection, &mut trace.injected) {
            fill_normals(&mut injected.psi[..rows * injection.inputs], rng);
        }
    }

    /// As [`forward`](Mlp::forward) with the noise in the trace: x has `m` rows, all else `each` for each of them, adjacent. Without noise, as
    /// that.
    pub fn forward_injected<F: Real>(
        &self,
        params: &[F],
        x: Input<'_, F>,
        trace: &mut Trace<F>,
        (m, each): (usize, usize),
    ) -> Result<()> {
        let Trace { injected: Some(Injected { psi, once }), outputs, pre, execution, .. } = trace else {
            return self.forward(params, x, trace, m);
        };
        let (Some(injection), Some(first)) = (&self.injection, self.layers().first()) else { return Ok(()) };
        let (rows, width) = (m * each, first.outputs);
        self.check_rows(rows, trace.max_rows)?;
        let once = &mut once[..m * width];
        first.linear().forward(Weights { params, packed: None }, x, once, &mut [], m, *execution)?;
        let out = &mut outputs[0][..rows * width];
        injection.product(params, &psi[..rows * injection.inputs], out, rows, *execution)?;
        for (out, once) in out.chunks_exact_mut(each * width).zip(once.chunks_exact(width)) {
            out.chunks_exact_mut(width).for_each(|out| vmath::zip(out, once, |noise, x| noise + x));
        }
        if first.activation.needs_input() {
            pre[0][..out.len()].copy_from_slice(out);
        }
        first.activation.forward(out);
        self.forward_from(1, params, x, trace, rows)
    }

    /// After [`backward`](Mlp::backward): δ of the first layer, summed over the draws of ψ for each x.
    pub fn sum_over_injection<F: Real>(&self, trace: &mut Trace<F>, (m, each): (usize, usize)) {
        let Trace { injected: Some(Injected { once, .. }), deltas, .. } = trace else { return };
        let width = self.layers().first().map_or(0, |first| first.outputs);
        let delta = &deltas[0][..m * each * width];
        for (once, delta) in once.chunks_exact_mut(width).zip(delta.chunks_exact(each * width)) {
            once.fill(F::zero());
            vmath::add_columns(once, delta);
        }
    }

    /// ψ of the last forward pass and δ of the first layer, `[rows, ·]`.
    pub fn injection_and_delta<'a, F: Real>(&self, trace: &'a Trace<F>, rows: usize) -> (Input<'a, F>, &'a [F]) {
        let psi = trace.injected.as_ref().map_or(&[][..], |injected| &injected.psi);
        (Input::dense(psi), &trace.deltas[0][..rows * self.layers().first().map_or(0, |first| first.outputs)])
    }
}
