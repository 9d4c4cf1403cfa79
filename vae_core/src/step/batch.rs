//! A minibatch.

/// What the encoder is fed and what is to be reconstructed, each `[M, D]`; they differ for a denoising model.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, F> {
    /// x̃.
    pub input: &'a [F],
    /// x.
    pub target: &'a [F],
}

impl<'a, F> From<&'a [F]> for Batch<'a, F> {
    fn from(x: &'a [F]) -> Self {
        Self { input: x, target: x }
    }
}

impl<'a, F> From<&'a Vec<F>> for Batch<'a, F> {
    fn from(x: &'a Vec<F>) -> Self {
        x.as_slice().into()
    }
}

impl<'a, F, const N: usize> From<&'a [F; N]> for Batch<'a, F> {
    fn from(x: &'a [F; N]) -> Self {
        x.as_slice().into()
    }
}
