//! One layer: h = f(x W + b), and its backward pass, in two halves: back through the layer, and to its parameters.

use std::ops::Range;

use super::activation::Activation;
use super::params::Layout;
use crate::Result;
use crate::numeric::block_sparse::{BlockSparse, RUN};
use crate::numeric::gemm::{Mat, matmul_in};
use crate::numeric::{Precision, Real, vmath};

/// A fully connected layer. It holds no numbers, only their places in the flat parameter vector.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Width of its input.
    pub inputs: usize,
    /// Width of its output.
    pub outputs: usize,
    /// Its nonlinearity.
    pub activation: Activation,
    weight: Range<usize>,
    bias: Range<usize>,
}

impl Dense {
    /// Adds `name.weight` `[inputs, outputs]` and `name.bias` `[outputs]` to the layout.
    pub fn new(layout: &mut Layout, name: &str, inputs: usize, outputs: usize, activation: Activation) -> Self {
        let weight = layout.push(format!("{name}.weight"), &[inputs, outputs]);
        let bias = layout.push(format!("{name}.bias"), &[outputs]);
        Self { inputs, outputs, activation, weight, bias }
    }

    /// Where its weights lie.
    pub fn weight(&self) -> Range<usize> {
        self.weight.clone()
    }

    /// Where its biases lie.
    pub fn bias(&self) -> Range<usize> {
        self.bias.clone()
    }

    /// `out ← f(x W + b)`; x `[rows, inputs]`, out `[rows, outputs]`. `pre` keeps x W + b where the activation needs it.
    pub fn forward<F: Real>(
        &self,
        params: &[F],
        x: Input<'_, F>,
        out: &mut [F],
        pre: &mut [F],
        rows: usize,
        precision: Precision,
    ) -> Result<()> {
        let out = &mut out[..rows * self.outputs];
        let bias = &params[self.bias.clone()];
        for row in out.chunks_exact_mut(self.outputs) {
            row.copy_from_slice(bias);
        }
        let w = &params[self.weight.clone()];
        match (x.sparse, F::as_f32(w)) {
            (Some(x), Some(w)) => {
                if let Some(out) = F::as_f32_mut(out) {
                    x.multiply_add(w, out, self.outputs);
                }
            }
            _ => {
                let (x, w) = (Mat::new(x.dense, rows, self.inputs), Mat::new(w, self.inputs, self.outputs));
                matmul_in(precision, out, x, w, true)?;
            }
        }
        if self.activation.needs_input() {
            pre[..out.len()].copy_from_slice(out);
        }
        self.activation.forward(out);
        Ok(())
    }

    /// The backward pass but for the parameters. On entry `delta` is ∂/∂out `[rows, outputs]`, afterwards ∂/∂(x W + b); if
    /// wanted, `dx = δ Wᵀ` `[rows, inputs]`.
    ///
    /// `saved` is what [`Activation::backward`] wants: the layer's output, or `pre`.
    pub fn backward<F: Real>(
        &self,
        params: &[F],
        saved: &[F],
        delta: &mut [F],
        dx: Option<&mut [F]>,
        precision: Precision,
    ) -> Result<()> {
        self.activation.backward(delta, &saved[..delta.len()]);
        let Some(dx) = dx else { return Ok(()) };
        let w = Mat::new(&params[self.weight.clone()], self.inputs, self.outputs);
        matmul_in(precision, dx, Mat::new(delta, delta.len() / self.outputs, self.outputs), w.t(), false)
    }

    /// ∂/∂W = xᵀ δ of the weights that leave some of the `inputs`: `[inputs.len(), outputs]`, added to `gradient` if so asked.
    /// With a sparse x the inputs begin and end with a [run](crate::numeric::block_sparse::RUN).
    pub fn weight_gradient<F: Real>(
        &self,
        inputs: Range<usize>,
        x: Input<'_, F>,
        delta: &[F],
        gradient: &mut [F],
        accumulate: bool,
        precision: Precision,
    ) -> Result<()> {
        let rows = delta.len() / self.outputs;
        if let (Some(x), Some(delta)) = (x.sparse, F::as_f32(delta)) {
            if let Some(gradient) = F::as_f32_mut(gradient) {
                x.transposed_multiply(runs(&inputs), delta, gradient, self.outputs, accumulate);
            }
            return Ok(());
        }
        let x = Mat::new(x.dense, rows, self.inputs).columns(inputs);
        matmul_in(precision, gradient, x.t(), Mat::new(delta, rows, self.outputs), accumulate)
    }

    /// ∂/∂b = Σ_rows δ `[outputs]`, added to `gradient` if so asked.
    pub fn bias_gradient<F: Real>(&self, delta: &[F], gradient: &mut [F], accumulate: bool) {
        if !accumulate {
            gradient.fill(F::zero());
        }
        vmath::add_columns(gradient, delta);
    }
}

/// What a layer is fed: x `[rows, inputs]`, and the same without its zeros where that pays.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a, F> {
    /// x.
    pub dense: &'a [F],
    /// x again; only in `f32`, and its products are in `f32` whatever the precision.
    pub sparse: Option<&'a BlockSparse>,
}

impl<'a, F> Input<'a, F> {
    /// x as it is.
    pub fn dense(x: &'a [F]) -> Self {
        Self { dense: x, sparse: None }
    }
}

fn runs(inputs: &Range<usize>) -> Range<usize> {
    inputs.start / RUN..inputs.end.div_ceil(RUN)
}
