//! The buffers of an MLP's two passes.

use super::dense::Execution;
use crate::numeric::gemm::Packed;

/// What a forward pass leaves for the backward pass: each layer's output `[rows, outputs]`, and its input to the
/// activation where that is needed. Allocated once.
#[derive(Clone, Debug)]
pub struct Trace<F> {
    pub(super) outputs: Vec<Vec<F>>,
    pub(super) pre: Vec<Vec<F>>,
    pub(super) deltas: Vec<Vec<F>>,
    pub(super) max_rows: usize,
    /// For Gaussian weights, each row with a draw of its own; otherwise empty.
    pub(super) local: Vec<Local<F>>,
    /// Noise that is fed to the first layer, if there is any.
    pub(super) injected: Option<Injected<F>>,
    /// Each layer's weights, if they were packed for many forward passes.
    pub(super) packed: Vec<Option<Packed>>,
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
pub(super) fn place_of_delta<'a, F>(delta: &'a [F], output: &'a [F]) -> &'a [F] {
    if delta.is_empty() { output } else { delta }
}

/// Noise beside x.
#[derive(Clone, Debug)]
pub(super) struct Injected<F> {
    /// ψ `[rows, width]`.
    pub(super) psi: Vec<F>,
    /// x W + b, once a datapoint `[M, outputs]`, and after the backward pass δ summed over its rows.
    pub(super) once: Vec<F>,
}

/// What a layer with Gaussian weights keeps beside that, for local reparameterisation.
#[derive(Clone, Debug)]
pub(super) struct Local<F> {
    /// ζ `[rows, outputs]`.
    pub(super) zeta: Vec<F>,
    /// √v `[rows, outputs]`, and after the backward pass δᵥ.
    pub(super) sd: Vec<F>,
    /// x² of its input `[rows, inputs]`; empty for a first layer whose squares the caller has.
    pub(super) squares: Vec<F>,
    /// δᵥ σ²_Wᵀ `[rows, inputs]`; empty for the first layer of a network whose input needs no derivative.
    pub(super) spread: Vec<F>,
}
