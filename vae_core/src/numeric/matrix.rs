//! Matrices in slices, and what a product begins with.

use ndarray::{ArrayViewMut2, NdFloat};

use crate::{Error, Result};

/// The first `rows × cols` values of `data`, row by row, to be changed, and to be cut into columns.
///
/// # Errors
/// [`Error::Shape`] if there are not so many.
pub fn matrix_mut<F>(data: &mut [F], rows: usize, cols: usize) -> Result<ArrayViewMut2<'_, F>> {
    let len = data.len();
    let too_few = || {
        let (expected, found) = (format!("{rows} rows of {cols} values"), format!("{len} values"));
        Error::Shape { what: "matrix", expected, found }
    };
    let values = rows.checked_mul(cols).and_then(|n| data.get_mut(..n)).ok_or_else(too_few)?;
    ArrayViewMut2::from_shape((rows, cols), values).map_err(|_| too_few())
}

/// A row-major matrix, or its transpose, seen through a slice.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, F> {
    /// As stored: `rows × cols`, row by row.
    pub(super) data: &'a [F],
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// From the start of a stored row to that of the next.
    pub(super) stride: usize,
    /// Whether the matrix meant is the transpose of what is stored.
    pub(super) transposed: bool,
}

impl<'a, F> Mat<'a, F> {
    /// The first `rows × cols` values of `data`, row by row.
    pub fn new(data: &'a [F], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, stride: cols, transposed: false }
    }

    /// Some of the stored columns, without moving anything.
    pub fn columns(self, columns: std::ops::Range<usize>) -> Self {
        let start = columns.start.min(self.data.len());
        Self { data: &self.data[start..], cols: columns.len(), ..self }
    }

    /// Some of the stored rows, without moving anything.
    pub fn rows(self, rows: std::ops::Range<usize>) -> Self {
        let start = (rows.start * self.stride).min(self.data.len());
        Self { data: &self.data[start..], rows: rows.len(), ..self }
    }

    /// Some columns of the matrix that is meant.
    #[inline(always)]
    pub(super) fn part(self, columns: std::ops::Range<usize>) -> Self {
        if self.transposed { self.rows(columns) } else { self.columns(columns) }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Stored rows × columns.
    pub(crate) fn len(&self) -> usize {
        self.rows * self.cols
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        if self.transposed { (self.cols, self.rows) } else { (self.rows, self.cols) }
    }

    pub(super) fn strides(&self) -> (isize, isize) {
        let (row, col) = (self.stride as isize, 1);
        if self.transposed { (col, row) } else { (row, col) }
    }

    /// Whether all rows lie within the slice.
    pub(super) fn fits(&self) -> bool {
        let before = self.rows.saturating_sub(1).checked_mul(self.stride);
        let all = if self.rows == 0 { Some(0) } else { before.and_then(|n| n.checked_add(self.cols)) };
        self.cols <= self.stride && all.is_some_and(|n| n <= self.data.len())
    }
}

/// What the sums of a product `C ← start + A·B` begin with.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, F> {
    /// 0.
    Zero,
    /// What C holds.
    Sums,
    /// The same `n` values in each row: a bias.
    Row(&'a [F]),
}

impl<'a, F> Start<'a, F> {
    /// That of some of the columns.
    #[inline(always)]
    pub(super) fn columns(self, columns: std::ops::Range<usize>) -> Self {
        match self {
            Self::Row(row) => Self::Row(&row[columns]),
            other => other,
        }
    }
}

/// `C ← start`.
pub(super) fn begin<F: NdFloat>(c: &mut ArrayViewMut2<'_, F>, start: Start<'_, F>) {
    for mut row in c.rows_mut() {
        match (start, row.as_slice_mut()) {
            (Start::Zero, _) => row.fill(F::zero()),
            (Start::Row(start), Some(row)) => row.copy_from_slice(start),
            _ => {}
        }
    }
}
