//! Matrix products: one checked function; `f32` runs on the kernel in `product.rs`, `f64`, the plain reference, on
//! the `gemm` crate.

use ndarray::ArrayViewMut2;

use super::matrix::begin;
pub use super::matrix::{Mat, Start, matrix_mut};
pub use super::packed::Packed;
use super::{Precision, Real};
use crate::{Error, Result};

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
