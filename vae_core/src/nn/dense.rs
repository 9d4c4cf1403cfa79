//! One layer: h = f(x W + b), and its backward pass, in two halves: back through the layer, and to its parameters.

use std::ops::Range;

use ndarray::ArrayViewMut2;

use super::activation::Activation;
use super::params::Layout;
use crate::Result;
use crate::numeric::block_sparse::{BlockSparse, RUN};
use crate::numeric::gemm::{self, Mat, Packed, Start, matmul_in, matmul_packed, matrix_mut};
use crate::numeric::{Precision, Real, vmath};
use crate::threads::by_columns;

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

    /// Adds `name.weight` `[inputs, outputs]` only; for [`product`](Self::product).
    pub(super) fn without_bias(layout: &mut Layout, name: &str, inputs: usize, outputs: usize) -> Self {
        let weight = layout.push(format!("{name}.weight"), &[inputs, outputs]);
        let bias = weight.end..weight.end;
        Self { inputs, outputs, activation: Activation::Identity, weight, bias }
    }

    /// `out ← x W`; x `[rows, inputs]`, out `[rows, outputs]`.
    pub(super) fn product<F: Real>(
        &self,
        params: &[F],
        x: &[F],
        out: &mut [F],
        rows: usize,
        execution: Execution,
    ) -> Result<()> {
        let (w, x) = (Mat::new(&params[self.weight()], self.inputs, self.outputs), Mat::new(x, rows, self.inputs));
        let (out, none) = (matrix_mut(out, rows, self.outputs)?, matrix_mut(&mut [], rows, 0)?);
        by_columns(out, none, 0, execution.share(rows * w.len()), &|mut out, _, first| {
            let columns = first..first + out.ncols();
            matmul_in(execution.precision, out.view_mut(), x, w.columns(columns), Start::Zero)
        })
    }

    /// The same without its nonlinearity.
    pub(super) fn linear(&self) -> Self {
        Self { activation: Activation::Identity, ..self.clone() }
    }

    /// Where its weights and biases lie, which are neighbours.
    pub fn range(&self) -> Range<usize> {
        self.weight.start..self.bias.end
    }

    /// Where its weights lie.
    pub fn weight(&self) -> Range<usize> {
        self.weight.clone()
    }

    /// Where its biases lie.
    pub fn bias(&self) -> Range<usize> {
        self.bias.clone()
    }

    /// Its weights, packed for many forward passes (in `f32`).
    pub fn pack<F: Real>(&self, params: &[F]) -> Option<Packed> {
        let mut packed = Packed::default();
        gemm::pack(Mat::new(&params[self.weight()], self.inputs, self.outputs), &mut packed).then_some(packed)
    }

    /// `out ← f(x W + b)`; x `[rows, inputs]`, out `[rows, outputs]`. `pre` keeps x W + b where the activation needs it.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are fewer values.
    pub fn forward<F: Real>(
        &self,
        Weights { params, packed }: Weights<'_, F>,
        x: Input<'_, F>,
        out: &mut [F],
        pre: &mut [F],
        rows: usize,
        execution: Execution,
    ) -> Result<()> {
        let kept = if self.activation.needs_input() { self.outputs } else { 0 };
        let (out, pre) = (matrix_mut(out, rows, self.outputs)?, matrix_mut(pre, rows, kept)?);
        let (w, bias) = (&params[self.weight.clone()], &params[self.bias.clone()]);
        let sparse = x.sparse.zip(F::as_f32(w).map(|w| Mat::new(w, self.inputs, self.outputs))).zip(F::as_f32(bias));
        let w = Mat::new(w, self.inputs, self.outputs);
        let threads = execution.share(rows * w.len());
        let packed = packed.filter(|_| threads == 1 && execution.precision == Precision::F32);
        let packed = packed.zip(F::as_f32(x.dense)).zip(F::as_f32(bias));
        by_columns(out, pre, 0, threads, &|mut out, mut pre, first| {
            let cols = first..first + out.ncols();
            match (sparse, packed, F::as_f32_view(out.view_mut())) {
                (Some(((x, w), bias)), _, Some(out)) => x.multiply(w.columns(cols.clone()), &bias[cols], out),
                (None, Some(((packed, x), bias)), Some(out)) => {
                    matmul_packed(out, Mat::new(x, rows, self.inputs), packed, Start::Row(bias))?;
                }
                _ => {
                    let (x, start) = (Mat::new(x.dense, rows, self.inputs), Start::Row(&bias[cols.clone()]));
                    matmul_in(execution.precision, out.view_mut(), x, w.columns(cols), start)?;
                }
            }
            let finish = |out: &mut [F], pre: &mut [F]| {
                if self.activation.needs_input() {
                    pre.copy_from_slice(out);
                }
                self.activation.forward(out);
            };
            match (out.as_slice_mut(), pre.as_slice_mut()) {
                (Some(out), Some(pre)) => finish(out, pre),
                _ => slices(&mut out).zip(slices(&mut pre)).for_each(|(out, pre)| finish(out, pre)),
            }
            Ok(())
        })
    }

    /// Back from δ = ∂/∂(x W + b) `[rows, outputs]` to the input x = f(a): `dx = δ Wᵀ ⊙ f′(a)` `[rows, inputs]`, where f is the
    /// activation of the layer before, with what [`Activation::backward`] wants of it; ∂/∂x itself without one.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are fewer values.
    pub fn backward<F: Real>(
        &self,
        params: &[F],
        delta: &[F],
        dx: &mut [F],
        before: Option<(Activation, &[F])>,
        execution: Execution,
    ) -> Result<()> {
        let rows = delta.len() / self.outputs;
        let (w, delta) = (&params[self.weight.clone()], Mat::new(delta, rows, self.outputs));
        let (w, dx) = (Mat::new(w, self.inputs, self.outputs), matrix_mut(dx, rows, self.inputs)?);
        let none = matrix_mut(&mut [], rows, 0)?;
        by_columns(dx, none, 0, execution.share(rows * w.len()), &|mut dx, _, first| {
            let inputs = first..first + dx.ncols();
            matmul_in(execution.precision, dx.view_mut(), delta, w.rows(inputs.clone()).t(), Start::Zero)?;
            let Some((activation, saved)) = before else { return Ok(()) };
            match dx.as_slice_mut() {
                Some(dx) => activation.backward(dx, &saved[first..][..dx.len()]), // all columns, or of a single row some
                None => slices(&mut dx)
                    .zip(saved.chunks_exact(self.inputs))
                    .for_each(|(dx, saved)| activation.backward(dx, &saved[inputs.clone()])),
            }
            Ok(())
        })
    }

    /// ∂/∂W = xᵀ δ of the weights that leave some of the `inputs`: `[inputs.len(), outputs]`. With a sparse x the inputs begin
    /// and end with a [run](crate::numeric::block_sparse::RUN). `packed` may hold δ once more, as [`gemm::pack`] has packed it.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are fewer values.
    pub fn weight_gradient<F: Real>(
        &self,
        inputs: Range<usize>,
        x: Input<'_, F>,
        (delta, packed): (&[F], Option<&Packed>),
        gradient: &mut [F],
        precision: Precision,
    ) -> Result<()> {
        let rows = delta.len() / self.outputs;
        if let (Some(x), Some(delta)) = (x.sparse, F::as_f32(delta)) {
            if let Some(gradient) = F::as_f32_mut(gradient) {
                x.transposed_multiply(runs(&inputs), delta, gradient, self.outputs);
            }
            return Ok(());
        }
        let mut gradient = matrix_mut(gradient, inputs.len(), self.outputs)?;
        if let (Some(packed), Some(x), Some(gradient)) =
            (packed, F::as_f32(x.dense), F::as_f32_view(gradient.view_mut()))
        {
            return matmul_packed(gradient, Mat::new(x, rows, self.inputs).columns(inputs).t(), packed, Start::Zero);
        }
        let x = Mat::new(x.dense, rows, self.inputs).columns(inputs);
        matmul_in(precision, gradient, x.t(), Mat::new(delta, rows, self.outputs), Start::Zero)
    }

    /// ∂/∂b = Σ_rows δ `[outputs]`.
    pub fn bias_gradient<F: Real>(&self, delta: &[F], gradient: &mut [F]) {
        gradient.fill(F::zero());
        vmath::add_columns(gradient, delta);
    }
}

/// How a layer is computed.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    /// Of the dense products.
    pub precision: Precision,
    /// Threads of the rayon pool in which it is called.
    pub threads: usize,
}

impl Default for Execution {
    /// `f32`, one thread.
    fn default() -> Self {
        Self { precision: Precision::F32, threads: 1 }
    }
}

/// Multiply-adds for which it does not pay to call another thread: half a microsecond of work.
const ALONE: usize = 1 << 15;

impl Execution {
    /// Threads for so many multiply-adds.
    fn share(self, work: usize) -> usize {
        if work < ALONE { 1 } else { self.threads }
    }
}

/// The rows of a matrix whose rows are contiguous.
fn slices<'a, F>(matrix: &'a mut ArrayViewMut2<'_, F>) -> impl Iterator<Item = &'a mut [F]> {
    matrix.rows_mut().into_iter().map(|row| row.into_slice().unwrap_or_default())
}

/// The parameters of a model, and a layer's weights once more as [`Dense::pack`] has packed them, if it has. They serve on one
/// thread.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, F> {
    /// All parameters.
    pub params: &'a [F],
    /// The same weights, packed.
    pub packed: Option<&'a Packed>,
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
