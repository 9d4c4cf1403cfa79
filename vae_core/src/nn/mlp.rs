//! A multi-layer perceptron: hidden layers and a linear head, with the buffers for its two passes.

use super::activation::Activation;
use super::dense::{Dense, Execution, Input, Weights};
use super::params::Layout;
use crate::numeric::Real;
use crate::numeric::gemm::Packed;
use crate::{Error, Result};

/// An MLP: any number of hidden layers, then a linear head. It holds places, not numbers.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Dense>,
}

/// What a forward pass leaves for the backward pass: each layer's output `[rows, outputs]`, and its input to the
/// activation where that is needed. Allocated once.
#[derive(Clone, Debug)]
pub struct Trace<F> {
    outputs: Vec<Vec<F>>,
    pre: Vec<Vec<F>>,
    deltas: Vec<Vec<F>>,
    max_rows: usize,
    /// Each layer's weights, if they were packed for many forward passes.
    packed: Vec<Option<Packed>>,
    /// How the passes are computed: at first, in `f32` on one thread.
    pub execution: Execution,
}

impl<F> Trace<F> {
    /// The head's output of the last forward pass `[rows, head]`.
    pub fn head(&self) -> &[F] {
        self.outputs.last().map_or(&[], Vec::as_slice)
    }

    /// The head's output of the last forward pass, and the place of ∂/∂head, to be written before the backward pass `[rows, head]`.
    pub fn head_and_delta(&mut self) -> (&[F], &mut [F]) {
        (self.outputs.last().map_or(&[], Vec::as_slice), self.deltas.last_mut().map_or(&mut [], Vec::as_mut_slice))
    }

    /// The head's output of the last forward pass, in whose place ∂/∂head is to be written before the backward pass, after
    /// [`in_place`](Self::in_place) `[rows, head]`.
    pub fn head_mut(&mut self) -> &mut [F] {
        self.outputs.last_mut().map_or(&mut [], Vec::as_mut_slice)
    }

    /// The same trace, but ∂/∂head takes the place of the head's output.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        if let Some(head) = self.deltas.last_mut() {
            *head = Vec::new();
        }
        self
    }
}

/// Where a layer's δ lies: in its own buffer, or, [in place](Trace::in_place), in that of its output.
fn place_of_delta<'a, F>(delta: &'a [F], output: &'a [F]) -> &'a [F] {
    if delta.is_empty() { output } else { delta }
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
        Self { layers }
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
        for (k, layer) in self.layers.iter().enumerate() {
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

    /// What layer `k` was fed in the last forward pass on x, and its δ `[rows, outputs]` of the last backward pass.
    pub fn input_and_delta<'a, F: Real>(
        &self,
        k: usize,
        x: Input<'a, F>,
        trace: &'a Trace<F>,
        rows: usize,
    ) -> (Input<'a, F>, &'a [F]) {
        let input = if k == 0 { x } else { Input::dense(&trace.outputs[k - 1]) };
        (input, &place_of_delta(&trace.deltas[k], &trace.outputs[k])[..rows * self.layers[k].outputs])
    }

    fn check_rows(&self, rows: usize, max_rows: usize) -> Result<()> {
        if rows <= max_rows {
            return Ok(());
        }
        Err(Error::Shape { what: "rows of a batch", expected: format!("at most {max_rows}"), found: rows.to_string() })
    }
}
