//! Local reparameterisation (Kingma, Salimans & Welling 2015, eq. 6): a layer whose weights are N(μ, σ²), each row of the minibatch with a
//! draw of its own, of which only the sums are drawn.
//!
//! ```text
//! m = x μ_W + μ_b    v = x² σ²_W + σ²_b    a = m + √v ζ    h = f(a)
//! δ = ∂/∂a           δᵥ = ∂/∂v = δ ζ / (2 √v)
//! ∂/∂μ_W = xᵀ δ      ∂/∂σ²_W = (x²)ᵀ δᵥ    ∂/∂x = δ μ_Wᵀ + 2 x ⊙ (δᵥ σ²_Wᵀ)
//! ```

use super::dense::{Input, Weights};
use super::mlp::Mlp;
use super::trace::{Local, Trace, place_of_delta};
use crate::Result;
use crate::numeric::real::fill_normals;
use crate::numeric::{Real, vmath};
use crate::rng::Rng;

/// The least √v that is divided by.
const LEAST: f64 = 1e-18;

impl Mlp {
    /// The same trace for Gaussian weights, each row with a draw of its own; `to_input` if ∂/∂x of the first layer is wanted. If not, x² is the
    /// caller's, who may have it without zeros.
    pub fn local<F: Real>(&self, mut trace: Trace<F>, to_input: bool) -> Trace<F> {
        let rows = trace.max_rows;
        let buffer = |wanted: bool, width: usize| vec![F::zero(); if wanted { rows * width } else { 0 }];
        let layers = self.layers().iter().enumerate().map(|(k, layer)| Local {
            zeta: buffer(true, layer.outputs),
            sd: buffer(true, layer.outputs),
            squares: buffer(k > 0 || to_input, layer.inputs),
            spread: buffer(k > 0 || to_input, layer.inputs),
        });
        trace.local = layers.collect();
        trace
    }

    /// Draws ζ of all layers for so many rows.
    pub fn draw_local<F: Real>(&self, trace: &mut Trace<F>, rows: usize, rng: &mut Rng) {
        for (layer, local) in self.layers().iter().zip(&mut trace.local) {
            fill_normals(&mut local.zeta[..rows * layer.outputs], rng);
        }
    }

    /// As [`forward`](Mlp::forward), with μ and σ² of all weights, and x² beside x where it is the caller's.
    pub fn forward_local<F: Real>(
        &self,
        [mu, variance]: [&[F]; 2],
        [x, squares]: [Input<'_, F>; 2],
        trace: &mut Trace<F>,
        rows: usize,
    ) -> Result<()> {
        self.check_rows(rows, trace.max_rows)?;
        let execution = trace.execution;
        for (k, layer) in self.layers().iter().enumerate() {
            let (before, here) = trace.outputs.split_at_mut(k);
            let (out, local) = (&mut here[0][..rows * layer.outputs], &mut trace.local[k]);
            let input = before.last().map_or(x, |h| Input::dense(h));
            let mut squared = squares;
            if !local.squares.is_empty() {
                let squares = &mut local.squares[..rows * layer.inputs];
                vmath::zip(squares, &input.dense[..rows * layer.inputs], |_, h| h * h);
                squared = Input::dense(squares);
            }
            let plain = |params| Weights { params, packed: None };
            let (linear, sd) = (layer.linear(), &mut local.sd[..rows * layer.outputs]);
            linear.forward(plain(mu), input, out, &mut [], rows, execution)?;
            linear.forward(plain(variance), squared, sd, &mut [], rows, execution)?;
            vmath::zip2(out, sd, &local.zeta[..rows * layer.outputs], |m, v, zeta| {
                let sd = v.sqrt_v();
                (m + sd * zeta, sd)
            });
            if layer.activation.needs_input() {
                trace.pre[k][..out.len()].copy_from_slice(out);
            }
            layer.activation.forward(out);
        }
        Ok(())
    }

    /// As [`backward`](Mlp::backward). Afterwards each layer has its δᵥ, too.
    pub fn backward_local<F: Real>(
        &self,
        [mu, variance]: [&[F]; 2],
        trace: &mut Trace<F>,
        x: &[F],
        mut dx: Option<&mut [F]>,
        rows: usize,
    ) -> Result<()> {
        self.check_rows(rows, trace.max_rows)?;
        let execution = trace.execution;
        for (k, layer) in self.layers().iter().enumerate().rev() {
            let (before, here) = trace.deltas.split_at_mut(k);
            let delta = &place_of_delta(&here[0], &trace.outputs[k])[..rows * layer.outputs];
            let Local { zeta, sd, spread, .. } = &mut trace.local[k];
            let sd = &mut sd[..delta.len()];
            let least = F::of(LEAST);
            vmath::zip2(sd, &mut zeta[..delta.len()], delta, |sd, zeta, delta| {
                let sd = if sd > least { sd } else { least };
                (F::of(0.5) * delta * zeta / sd, zeta)
            });
            let (below, saved): (&mut [F], &[F]) = match (k.checked_sub(1), before.last_mut(), &mut dx) {
                (Some(j), Some(below), _) => (below, &trace.outputs[j]),
                (_, _, Some(dx)) => (dx, x),
                _ => continue,
            };
            let (len, spread) = (rows * layer.inputs, &mut spread[..rows * layer.inputs]);
            layer.backward(mu, delta, &mut below[..len], None, execution)?;
            layer.backward(variance, sd, spread, None, execution)?;
            vmath::zip2(&mut below[..len], spread, &saved[..len], |d, spread, x| (d + F::of(2.0) * x * spread, spread));
            if let Some(j) = k.checked_sub(1) {
                let activation = self.layers()[j].activation;
                let saved = if activation.needs_input() { &trace.pre[j] } else { &trace.outputs[j] };
                activation.backward(&mut below[..len], &saved[..len]);
            }
        }
        Ok(())
    }

    /// The squares of what layer `k` was fed in the last forward pass, and its δᵥ `[rows, outputs]` of the last backward pass.
    pub fn squares_and_delta<'a, F: Real>(
        &self,
        k: usize,
        squares: Input<'a, F>,
        trace: &'a Trace<F>,
        rows: usize,
    ) -> (Input<'a, F>, &'a [F]) {
        let local = &trace.local[k];
        let input = if local.squares.is_empty() { squares } else { Input::dense(&local.squares[..]) };
        (input, &local.sd[..rows * self.layers()[k].outputs])
    }
}
