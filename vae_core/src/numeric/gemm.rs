//! Matrix products: one checked function; `f32` runs on the kernel in `product.rs`, `f64`, the plain reference, on
//! the `gemm` crate.

use ndarray::ArrayViewMut2;

pub use super::packed::Packed;
use super::{Precision, Real};
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

/// `C ← start + A·B`; `C` is row-major `[m, n]`, A `[m, k]`, B `[k, n]`.
///
/// # Errors
/// [`Error::Shape`] if the shapes do not fit each other or their slices.
pub fn matmul<F: Real>(c: &mut [F], a: Mat<'_, F>, b: Mat<'_, F>, start: Start<'_, F>) -> Result<()> {
    let ((m, _), (_, n)) = (a.shape(), b.shape());
    matmul_in(Precision::F32, matrix_mut(c, m, n)?, a, b, start)
}

/// [`matmul`] in this precision, which means something for `f32` only, into some columns of a matrix.
///
/// # Errors
/// As there.
pub fn matmul_in<F: Real>(
    precision: Precision,
    mut c: ArrayViewMut2<'_, F>,
    a: Mat<'_, F>,
    b: Mat<'_, F>,
    start: Start<'_, F>,
) -> Result<()> {
    check(&c, a, b.shape(), b.fits(), start)?;
    if c.is_empty() {
        return Ok(());
    }
    if a.shape().1 == 0 {
        begin(&mut c, start);
        return Ok(());
    }
    F::multiply(precision, c, a, b, start);
    Ok(())
}

/// Packs B `[k, n]` for many products, in `f32`; in `f64`, or without values, it does nothing and says so.
pub fn pack<F: Real>(b: Mat<'_, F>, to: &mut Packed) -> bool {
    let Mat { data, rows, cols, stride, transposed } = b;
    let b = F::as_f32(data).map(|data| Mat { data, rows, cols, stride, transposed });
    let b = b.filter(|b| b.fits() && b.len() > 0);
    b.map(|b| to.pack(b)).is_some()
}

/// [`matmul`] by a packed B, with the same bits.
///
/// # Errors
/// As there.
pub fn matmul_packed(c: ArrayViewMut2<'_, f32>, a: Mat<'_, f32>, b: &Packed, start: Start<'_, f32>) -> Result<()> {
    check(&c, a, b.shape, true, start)?;
    b.multiply(c, a, start);
    Ok(())
}

fn check<F>(
    c: &ArrayViewMut2<'_, F>,
    a: Mat<'_, F>,
    (kb, n): (usize, usize),
    b_fits: bool,
    start: Start<'_, F>,
) -> Result<()> {
    let (m, k) = a.shape();
    let in_rows = c.nrows() == 0 || c.ncols() <= 1 || c.strides()[1] == 1;
    let start_fits = !matches!(start, Start::Row(row) if row.len() != n);
    if k == kb && a.fits() && b_fits && c.dim() == (m, n) && in_rows && start_fits {
        return Ok(());
    }
    Err(Error::Shape {
        what: "matrix product",
        expected: format!("A [m, k] · B [k, n] within their slices, C [{m}, {n}] in rows, and a start of {n} values"),
        found: format!("A [{m}, {k}], B [{kb}, {n}], C {:?}", c.shape()),
    })
}

/// `C ← start`.
pub(super) fn begin<F: Real>(c: &mut ArrayViewMut2<'_, F>, start: Start<'_, F>) {
    for mut row in c.rows_mut() {
        match (start, row.as_slice_mut()) {
            (Start::Zero, _) => row.fill(F::zero()),
            (Start::Row(start), Some(row)) => row.copy_from_slice(start),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The definition: C[i, j] = Σ_k A[i, k] B[k, j].
    fn reference(c: &mut [f64], a: &dyn Fn(usize, usize) -> f64, b: &dyn Fn(usize, usize) -> f64, mnk: [usize; 3]) {
        let [m, n, k] = mnk;
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] += (0..k).map(|l| a(i, l) * b(l, j)).sum::<f64>();
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(m in 0usize..20, n in 0usize..20, k in 0usize..20, ta: bool, tb: bool, which in 0..3) {
            let a: Vec<f64> = (0..m * k).map(|i| (i as f64 * 0.7).sin()).collect();
            let b: Vec<f64> = (0..k * n).map(|i| (i as f64 * 1.3).cos()).collect();
            let mut c = vec![0.5; m * n];
            let row: Vec<f64> = (0..n).map(|j| j as f64).collect();
            let start = [Start::Zero, Start::Sums, Start::Row(&row)][which as usize];
            let mut expected = [vec![0.0; m * n], c.clone(), row.repeat(m)][which as usize].clone();
            let at = |i: usize, l: usize| if ta { a[l * m + i] } else { a[i * k + l] };
            let bt = |l: usize, j: usize| if tb { b[j * k + l] } else { b[l * n + j] };
            reference(&mut expected, &at, &bt, [m, n, k]);
            let a = if ta { Mat::new(&a, k, m).t() } else { Mat::new(&a, m, k) };
            let b = if tb { Mat::new(&b, n, k).t() } else { Mat::new(&b, k, n) };
            matmul(&mut c, a, b, start).unwrap();
            for (c, e) in c.iter().zip(&expected) {
                prop_assert!((c - e).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn wrong_shapes_are_errors() {
        let x = [1.0f32; 6];
        assert!(matmul(&mut [0.0; 4], Mat::new(&x, 2, 3), Mat::new(&x, 2, 3), Start::Zero).is_err());
        assert!(matmul(&mut [0.0; 3], Mat::new(&x, 2, 3), Mat::new(&x, 3, 2), Start::Zero).is_err());
        assert!(matmul(&mut [0.0; 4], Mat::new(&x, 2, 4), Mat::new(&x, 3, 2), Start::Zero).is_err());
        assert!(matmul(&mut [0.0; 4], Mat::new(&x, 2, 3), Mat::new(&x, 3, 2), Start::Row(&x[..3])).is_err());
        let mut b = Packed::default();
        assert!(pack(Mat::new(&x, 3, 2), &mut b));
        let mut c = [0.0; 4];
        let mut by_packed =
            |a: Mat<'_, f32>, rows| matmul_packed(matrix_mut(&mut c, rows, 2).unwrap(), a, &b, Start::Zero);
        assert!(by_packed(Mat::new(&x, 2, 3), 2).is_ok() && by_packed(Mat::new(&x, 2, 3), 1).is_err());
        assert!(by_packed(Mat::new(&x, 2, 2), 2).is_err() && by_packed(Mat::new(&x, 3, 3), 2).is_err());
        assert!(!pack(Mat::new(&x, 3, 3), &mut b) && !pack(Mat::new(&x, 0, 3), &mut b));
        assert!(!pack(Mat::new(&[1.0f64], 1, 1), &mut b));
    }
}
