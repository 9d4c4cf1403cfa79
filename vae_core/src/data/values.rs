//! The pixels of a data set: bytes, or real numbers.

use ndarray::{Array2, Axis, s};

/// One image a row, `[N, D]`.
#[derive(Clone, PartialEq)]
pub enum Values {
    /// Intensities 0–255.
    Bytes(Array2<u8>),
    /// Real numbers that the model sees as they are ([`Scale::AsIs`](crate::data::preprocess::Scale)). Figures draw 0 as
    /// black and 1 as white, and clip what lies outside.
    Real(Array2<f32>),
}

impl Values {
    /// `(N, D)`.
    pub fn dim(&self) -> (usize, usize) {
        match self {
            Self::Bytes(values) => values.dim(),
            Self::Real(values) => values.dim(),
        }
    }

    /// Number of images, N.
    pub fn nrows(&self) -> usize {
        self.dim().0
    }

    /// Number of pixels, D.
    pub fn ncols(&self) -> usize {
        self.dim().1
    }

    /// Whether they are real numbers.
    pub fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    /// The intensities `[N, D]`; `None` of real numbers.
    pub fn bytes(&self) -> Option<&Array2<u8>> {
        match self {
            Self::Bytes(values) => Some(values),
            Self::Real(_) => None,
        }
    }

    /// The real numbers `[N, D]`; `None` of bytes.
    pub fn real(&self) -> Option<&Array2<f32>> {
        match self {
            Self::Bytes(_) => None,
            Self::Real(values) => Some(values),
        }
    }

    /// `(row, column, value)` of the first real number that fails a test; bytes pass any.
    pub(crate) fn find_real(&self, fails: impl Fn(f32) -> bool) -> Option<(usize, usize, f32)> {
        let found = self.real()?.indexed_iter().find(|(_, value)| fails(**value));
        found.map(|((row, column), value)| (row, column, *value))
    }

    /// The images in these rows, in this order; `rows` must exist.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Bytes(values) => Self::Bytes(values.select(Axis(0), rows)),
            Self::Real(values) => Self::Real(values.select(Axis(0), rows)),
        }
    }

    /// The first `n`, or all if there are fewer.
    pub(super) fn first(&self, n: usize) -> Self {
        let n = n.min(self.nrows());
        match self {
            Self::Bytes(values) => Self::Bytes(values.slice(s![..n, ..]).to_owned()),
            Self::Real(values) => Self::Real(values.slice(s![..n, ..]).to_owned()),
        }
    }

    /// Row after row in memory, so that a row is a slice.
    pub(super) fn in_standard_layout(self) -> Self {
        match self {
            Self::Bytes(values) if !values.is_standard_layout() => {
                Self::Bytes(values.as_standard_layout().into_owned())
            }
            Self::Real(values) if !values.is_standard_layout() => Self::Real(values.as_standard_layout().into_owned()),
            values => values,
        }
    }
}

impl From<Array2<u8>> for Values {
    fn from(values: Array2<u8>) -> Self {
        Self::Bytes(values)
    }
}

impl From<Array2<f32>> for Values {
    fn from(values: Array2<f32>) -> Self {
        Self::Real(values)
    }
}

/// Sizes only: a notebook that shows them should not print a million numbers.
impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, (n, d)) = (if self.is_real() { "Real" } else { "Bytes" }, self.dim());
        write!(f, "{kind}([{n}, {d}])")
    }
}
