//! The flat parameter vector and its layout.
//!
//! All weights and biases of a model lie in one `Vec`; a [`Layout`] says which part is which tensor. Optimisers,
//! weight decay, checkpoints and gradient checks then work on slices.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One tensor in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// Name, as in exported files: `encoder.0.weight`, `posterior.bias`, …
    pub name: String,
    /// `[inputs, outputs]` of a weight (a layer computes h W + b, as the report), `[outputs]` of a bias. Row-major.
    pub shape: Vec<usize>,
    /// Index of its first value.
    pub offset: usize,
}

impl Tensor {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its place in the flat vector.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// The tensors of a model, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    tensors: Vec<Tensor>,
    len: usize,
}

impl Layout {
    /// Appends a tensor and returns its place.
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize]) -> Range<usize> {
        let tensor = Tensor { name: name.into(), shape: shape.to_vec(), offset: self.len };
        self.len += tensor.len();
        let range = tensor.range();
        self.tensors.push(tensor);
        range
    }

    /// Without the tensors from this place on.
    pub fn truncate(&mut self, len: usize) {
        self.tensors.retain(|tensor| tensor.offset < len);
        self.len = self.len.min(len);
    }

    /// The tensors, in order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|t| t.name == name)
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
