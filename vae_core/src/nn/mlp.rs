//! A multi-layer perceptron: hidden layers and a linear head, with the buffers for its two passes.

use super::activation::Activation;
use super::dense::{Dense, Execution, Input, Weights};
use super::params::Layout;
use super::trace::{Trace, place_of_delta};
use crate::numeric::Real;
use crate::{Error, Result};

/// An MLP: any number of hidden layers, then a linear head. It holds places, not numbers.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Dense>,
    /// V of noise beside x, without a bias.
    pub(super) injection: Option<Dense>,
}

impl Mlp {
    /// Hidden layers `name.0`, `name.1`, … of the given widths, and a linear head called `head_name`.
    pub fn new(
        layout: &mut Layout,
        name: &str,
        inputs: usize,
        hidden: &[usize],
        activation: Activation,
        head_name: &str,
        head: usize,
    ) -> Self {
        let mut layers = Vec::with_capacity(hidden.len() + 1);
        let mut width = inputs;
        for (k, &outputs) in hidden.iter().enumerate() {
            layers.push(Dense::new(layout, &format!("{name}.{k}"), width, outputs, activation));
            width = outputs;
        }
        layers.push(Dense::new(layout, head_name, width, head, Activation::Identity));
        Self { layers, injection: None }
    }

    /// The layers, input first, head last.
    pub fn layers(&self) -> &[Dense] {
        &self.layers
    }

    /// Width of its input.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |l| l.inputs)
    }

    /// Width of its head.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |l| l.outputs)
    }

    /// Buffers for up to `max_rows` rows; without `backward` only for a forward pass.
    pub fn trace<F: Real>(&self, max_rows: usize, backward: bool) -> Trace<F> {
        let buffer = |wanted: bool, l: &Dense| if wanted { vec![F::zero(); max_rows * l.outputs] } else { Vec::new() };
        Trace {
            outputs: self.layers.iter().map(|l| buffer(true, l)).collect(),
            pre: self.layers.iter().map(|l| buffer(l.activation.needs_input(), l)).collect(),
            deltas: self.layers.iter().map(|l| buffer(backward, l)).collect(),
            max_rows,
            local: Vec::new(),
            injected: None,
            packed: vec![None; self.layers.len()],
            execution: Execution::default(),
        }
    }

    /// Packs the weights for many forward passes with this trace, in which the parameters stay the same.
    pub fn pack<F: Real>(&self, params: &[F], trace: &mut Trace<F>) {
        trace.packed = self.layers.iter().map(|layer| layer.pack(params)).collect();
    }

    /// The forward pass: x `[rows, inputs]` to [`Trace::head`] `[rows, outputs]`.
    pub fn forward<F: Real>(&self, params: &[F], x: Input<'_, F>, trace: &mut Trace<F>, rows: usize) -> Result<()> {
        self.check_rows(rows, trace.max_rows)?;
        self.forward_from(0, params, x, trace, rows)
    }

    /// The forward pass from this layer on.
    pub(super) fn forward_from<F: Real>(
        &self,
        from: usize,
        params: &[F],
        x: Input<'_, F>,
        trace: &mut Trace<F>,
        rows: usize,
    ) -> Result<()> {
        for (k, layer) in self.layers.iter().enumerate().skip(from) {
            let (before, here) = trace.outputs.split_at_mut(k);
            let input = before.last().map_or(x, |h| Input::dense(h));
            let weights = Weights { params, packed: trace.packed[k].as_ref() };
            layer.forward(weights, input, &mut here[0], &mut trace.pre[k], rows, trace.execution)?;
        }
        Ok(())
    }

    /// The backward pass, from ∂/∂head to each layer's δ and, if wanted, ∂/∂x `[rows, inputs]`.
    pub fn backward<F: Real>(
        &self,
        params: &[F],
        trace: &mut Trace<F>,
        mut dx: Option<&mut [F]>,
        rows: usize,
    ) -> Result<()> {
        self.check_rows(rows, trace.max_rows)?;
        for (k, layer) in self.layers.iter().enumerate().rev() {
            let (before, here) = trace.deltas.split_at_mut(k);
            let delta = &place_of_delta(&here[0], &trace.outputs[k])[..rows * layer.outputs];
            match before.last_mut() {
                Some(next) => {
                    let activation = self.layers[k - 1].activation;
                    let saved = if activation.needs_input() { &trace.pre[k - 1] } else { &trace.outputs[k - 1] };
                    layer.backward(params, delta, next, Some((activation, saved)), trace.execution)?;
                }
                None => {
                    if let Some(dx) = dx.as_deref_mut() {
                        layer.backward(params, delta, dx, None, trace.execution)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What layer `k` was fed in the last forward pass on x, and its δ `[rows, outputs]` of the last backward pass; of the first layer, with noise
    /// beside x, the sum over each datapoint's rows, of which there are then as many as of x.
    pub fn input_and_delta<'a, F: Real>(
        &self,
        k: usize,
        x: Input<'a, F>,
        trace: &'a Trace<F>,
        rows: usize,
    ) -> (Input<'a, F>, &'a [F]) {
        if let (0, Some(injected)) = (k, &trace.injected) {
            return (x, &injected.once[..rows * self.layers[0].outputs]);
        }
        let input = if k == 0 { x } else { Input::dense(&trace.outputs[k - 1]) };
        (input, &place_of_delta(&trace.deltas[k], &trace.outputs[k])[..rows * self.layers[k].outputs])
    }

    pub(super) fn check_rows(&self, rows: usize, max_rows: usize) -> Result<()> {
        if rows <= max_rows {
            return Ok(());
        }
        Err(Error::Shape { what: "rows of a batch", expected: format!("at most {max_rows}"), found: rows.to_string() })
    }
}
