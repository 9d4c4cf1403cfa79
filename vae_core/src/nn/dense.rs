//! One layer: h = f(x W + b), and its backward pass.

use std::ops::Range;

use super::activation::Activation;
use super::params::Layout;
use crate::Result;
use crate::numeric::gemm::{Mat, matmul};
use crate::numeric::{Real, vmath};

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
    pub fn forward<F: Real>(&self, params: &[F], x: &[F], out: &mut [F], pre: &mut [F], rows: usize) -> Result<()> {
        let bias = &params[self.bias.clone()];
        for row in out[..rows * self.outputs].chunks_exact_mut(self.outputs) {
            row.copy_from_slice(bias);
        }
        let w = Mat::new(&params[self.weight.clone()], self.inputs, self.outputs);
        matmul(out, Mat::new(x, rows, self.inputs), w, true)?;
        let out = &mut out[..rows * self.outputs];
        if self.activation.needs_input() {
            pre[..out.len()].copy_from_slice(out);
        }
        self.activation.forward(out);
        Ok(())
    }

    /// The backward pass. On entry `delta` is ∂/∂out `[rows, outputs]`, afterwards ∂/∂(x W + b). Writes the layer's part
    /// of `grads` (∂/∂W = xᵀ δ, ∂/∂b = Σ_rows δ) and, if wanted, `dx = δ Wᵀ` `[rows, inputs]`.
    ///
    /// `saved` is what [`Activation::backward`] wants: the layer's output, or `pre`.
    pub fn backward<F: Real>(
        &self,
        params: &[F],
        grads: &mut [F],
        x: &[F],
        saved: &[F],
        delta: &mut [F],
        dx: Option<&mut [F]>,
    ) -> Result<()> {
        let rows = delta.len() / self.outputs;
        self.activation.backward(delta, &saved[..delta.len()]);
        let d = Mat::new(&*delta, rows, self.outputs);
        matmul(&mut grads[self.weight.clone()], Mat::new(x, rows, self.inputs).t(), d, false)?;
        vmath::column_sums(&mut grads[self.bias.clone()], delta);
        if let Some(dx) = dx {
            let w = Mat::new(&params[self.weight.clone()], self.inputs, self.outputs);
            matmul(dx, d, w.t(), false)?;
        }
        Ok(())
    }
}
