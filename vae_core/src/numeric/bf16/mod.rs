//! Mixed precision: products of values rounded to bf16, summed in `f32`.
//!
//! bf16 is the upper half of an `f32`: its range, with 8 bits of precision instead of 24. Rounding is to nearest, ties to even;
//! NaN stays NaN. The product of two such values is exact in `f32`; their bits do not depend on how rows or columns are divided.
//!
//! Three paths. With AMX (path `amx`) a unit of its own multiplies matrices, 32 products of the inner index at once. With
//! AVX512-BF16 (path `avx512`) one instruction adds two products to each of 16 sums. Elsewhere copies of the operands are rounded
//! and multiplied by the `f32` kernel, which takes longer than without: for comparison only, training [refuses](Precision::check) it.
//! On the last two C[i, j] is, as in `product`, one chain of additions in the order of the inner index, the first of a pair before the
//! second. They agree in all bits wherever tried (Intel's manual defines it so), but for results
//! below 2⁻¹²⁶, which the instruction takes for zero; the tests ask for a tolerance only, in case another maker's rounds otherwise.
//! AMX adds in another order, and differs in the last bits.
//!
//! What it gains is the machine's choice: see `benches/README.md`; `cargo bench -p vae_core --bench kernels` compares.

#[cfg(target_arch = "x86_64")]
mod pairs;
#[cfg(target_arch = "x86_64")]
pub(super) mod tiles;

use std::cell::RefCell;

use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::isa::{self, Bf16, Path};
use super::matrix::{Mat, Start};
use super::product;
use crate::{Error, Result};

/// The precision of a training step's dense products. Everything else is `f32`: parameters, sums, the optimiser, elementary
/// functions, evaluation, inference and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// `f32` throughout.
    #[default]
    F32,
    /// Activations, weights and δ are rounded to bf16 where a product reads them, and summed in `f32`. A first layer that
    /// [leaves out the zeros](super::block_sparse) of its input stays in `f32`; with AMX only one of very few other values does, because
    /// the whole product is faster. Models in `f64` do not know it. It trains only where there are [instructions](Self::check) for it.
    MixedBf16,
}

impl Precision {
    /// Whether the path of this process has instructions for it. Without, mixed precision would take longer than `f32`.
    ///
    /// # Errors
    /// [`Error::Config`] that says what to do.
    pub fn check(self) -> Result<()> {
        let path = isa::path();
        if self == Self::F32 || !matches!(path.bf16, Bf16::Vectors) {
            return Ok(());
        }
        let reason = format!(
            "is mixed_bf16, for which this machine has no instructions (path {}), so that it would take longer than f32: use \
             `.precision(Precision::F32)`, or a machine with AVX512-BF16 or AMX",
            path.name
        );
        Err(Error::config("precision", reason))
    }
}

/// The nearest bf16, as an `f32` with an empty lower half.
#[inline(always)]
pub fn round(x: f32) -> f32 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // a NaN could become an infinity, or lose all bits that make it one
    f32::from_bits((if x.is_nan() { bits | 0x0040_0000 } else { nearest }) & 0xffff_0000)
}

/// `C ← start + A·B` of A and B rounded; shapes were checked by [`matmul`](super::gemm::matmul), and the inner one is not 0.
pub(super) fn multiply(path: Path, c: ArrayViewMut2<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, start: Start<'_, f32>) {
    if c.is_empty() {
        return;
    }
    match path.bf16 {
        #[cfg(target_arch = "x86_64")]
        Bf16::Tiles(simd) => tiles::multiply(simd, c, a, b, start),
        #[cfg(target_arch = "x86_64")]
        Bf16::Pairs(simd) => pairs::multiply(simd, c, a, b, start),
        Bf16::Vectors => ROUNDED.with_borrow_mut(|[a_rounded, b_rounded]| {
            product::multiply(path.arch, c, rounded(a, a_rounded), rounded(b, b_rounded), start);
        }),
    }
}

thread_local! {
    /// Rounded copies of A and B, for machines without the instruction.
    static ROUNDED: RefCell<[Vec<f32>; 2]> = RefCell::default();
}

/// A matrix rounded into a buffer.
fn rounded<'a>(from: Mat<'_, f32>, to: &'a mut Vec<f32>) -> Mat<'a, f32> {
    let Mat { data, rows, cols, stride, transposed } = from;
    to.clear();
    for row in 0..rows {
        to.extend(data[row * stride..][..cols].iter().map(|x| round(*x)));
    }
    Mat { data: to, rows, cols, stride: cols, transposed }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::numeric::gemm::matmul_in;
    use crate::numeric::product::tests::{CUT, by_halves, mat, values, view};
    use proptest::prelude::*;

    /// The values of a matrix as they are stored.
    fn stored(rows: usize, cols: usize, transposed: bool, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let (r, c) = if transposed { (cols, rows) } else { (rows, cols) };
        (0..r * c).map(|e| if transposed { value(e % c, e / c) } else { value(e / c, e % c) }).collect()
    }

    #[test]
    fn rounds_to_nearest_even() {
        for (x, expected) in [
            (1.0, 1.0),
            (1.0 + 1.0 / 256.0, 1.0),              // half way: to even
            (1.0 + 3.0 / 256.0, 1.0 + 1.0 / 64.0), // half way: to even
            (1.0 + 1.01 / 256.0, 1.0 + 1.0 / 128.0),
            (-0.0, -0.0),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
        ] {
            assert_eq!(round(x).to_bits(), f32::to_bits(expected), "{x}");
        }
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff, 0xff80_8000] {
            assert!(f32::from_bits(bits).is_nan() && round(f32::from_bits(bits)).is_nan(), "{bits:x}");
        }
        for x in values(10_000 / CUT, 0.37) {
            assert!((round(x) - x).abs() <= x.abs() / 256.0 && round(round(x)) == round(x));
        }
    }

    proptest! {
        /// Σ of products of rounded values in f64, within the rounding of a chain of k additions in f32.
        #[test]
        fn agrees_with_the_definition_on_every_path(
            m in 0..40 / CUT, n in 0..150 / CUT, k in 1..600 / CUT, ta: bool, tb: bool, which in 0usize..3,
        ) {
            let (a, b, sums) = (values(m * k, 0.7), values(k * n, 1.3), values(m * n, 0.3));
            let start = [Start::Zero, Start::Sums, Start::Row(&sums[..n.min(sums.len())])][which];
            let at = |i: usize, l: usize| f64::from(round(if ta { a[l * m + i] } else { a[i * k + l] }));
            let bt = |l: usize, j: usize| f64::from(round(if tb { b[j * k + l] } else { b[l * n + j] }));
            let mut in_f32: Option<Vec<f32>> = None;
            for path in isa::all() {
                let name = path.name;
                let mut c = sums.clone();
                multiply(path, view(&mut c, m, n), mat(&a, m, k, ta), mat(&b, k, n, tb), start);
                for i in 0..m {
                    for j in 0..n {
                        let from = [0.0, f64::from(sums[i * n + j]), f64::from(sums[j])][which];
                        let exact = from + (0..k).map(|l| at(i, l) * bt(l, j)).sum::<f64>();
                        let size = from.abs() + (0..k).map(|l| (at(i, l) * bt(l, j)).abs()).sum::<f64>();
                        let (found, most) = (f64::from(c[i * n + j]), size * (k + 2) as f64 * 6e-8 + 1e-30);
                        prop_assert!((found - exact).abs() <= most, "{name} [{i}, {j}]: {found}, {exact}");
                    }
                }
                // Products of bf16 are exact, so that fused and separate operations agree.
                if matches!(path.bf16, Bf16::Vectors) {
                    prop_assert!(in_f32.get_or_insert_with(|| c.clone()) == &c, "{name} has other bits");
                }
            }
        }

        #[test]
        fn bits_do_not_depend_on_how_the_work_is_divided(
            m in 1..30 / CUT, n in 1..140 / CUT, k in 1..600 / CUT, cut in 0.0f64..1.0, ta: bool, tb: bool,
        ) {
            let (a, b) = (values(m * k, 0.7), values(k * n, 1.3));
            let at = |i: usize, l: usize| if ta { a[l * m + i] } else { a[i * k + l] };
            let bt = |l: usize, j: usize| if tb { b[j * k + l] } else { b[l * n + j] };
            for path in isa::all() {
                let name = path.name;
                let mut whole = vec![0.0; m * n];
                multiply(path, view(&mut whole, m, n), mat(&a, m, k, ta), mat(&b, k, n, tb), Start::Zero);
                let split = (cut * m as f64) as usize;
                let rows = |rows: std::ops::Range<usize>| {
                    let (part, mut c) = (stored(rows.len(), k, ta, |i, l| at(rows.start + i, l)), vec![0.0; rows.len() * n]);
                    multiply(path, view(&mut c, rows.len(), n), mat(&part, rows.len(), k, ta), mat(&b, k, n, tb), Start::Zero);
                    c
                };
                prop_assert_eq!([rows(0..split), rows(split..m)].concat(), whole.clone(), "{}", name);
                let split = (cut * n as f64) as usize;
                let c = by_halves((m, n, k), split, (&b, tb), |c, b| multiply(path, c, mat(&a, m, k, ta), b, Start::Zero));
                prop_assert_eq!(&c, &whole);
                if name == "amx" {
                    continue; // it adds the start last
                }
                let split = (cut * k as f64) as usize / 2 * 2;
                let mut c = vec![0.0; m * n];
                for (part, start) in [(0..split, Start::Zero), (split..k, Start::Sums)] {
                    let a = stored(m, part.len(), ta, |i, l| at(i, part.start + l));
                    let b = stored(part.len(), n, tb, |l, j| bt(part.start + l, j));
                    let (a, b) = (mat(&a, m, part.len(), ta), mat(&b, part.len(), n, tb));
                    if !part.is_empty() {
                        multiply(path, view(&mut c, m, n), a, b, start);
                    }
                }
                prop_assert_eq!(c, whole);
            }
        }

        #[test]
        fn nan_and_infinity_reach_exactly_their_row_and_column(
            m in 1..24 / CUT, n in 1..72 / CUT, k in 1..300 / CUT, at in any::<[prop::sample::Index; 3]>(), which in 0usize..3,
        ) {
            // the last rounds to infinity
            let bad = [f32::NAN, f32::INFINITY, f32::MAX][which];
            let (i, l, j) = (at[0].index(m), at[1].index(k), at[2].index(n));
            for path in isa::all() {
                let name = path.name;
                let (mut a, mut b) = (vec![0.5; m * k], vec![0.25; k * n]);
                a[i * k + l] = bad;
                let mut c = vec![0.0; m * n];
                multiply(path, view(&mut c, m, n), Mat::new(&a, m, k), Mat::new(&b, k, n), Start::Zero);
                prop_assert!((0..m * n).all(|e| c[e].is_finite() == (e / n != i)), "{name}");
                a[i * k + l] = 0.5;
                b[l * n + j] = bad;
                multiply(path, view(&mut c, m, n), Mat::new(&a, m, k), Mat::new(&b, k, n), Start::Zero);
                prop_assert!((0..m * n).all(|e| c[e].is_finite() == (e % n != j)), "{name}");
            }
        }

        /// Columns of a wider matrix, as the strips of a weight gradient take them.
        #[test]
        fn columns_are_taken_where_they_lie(k in 1..40 / CUT, wide in 1usize..60, cut in any::<[prop::sample::Index; 2]>()) {
            let (x, delta) = (values(k * wide, 0.7), values(k * 20, 1.3));
            let (from, to) = (cut[0].index(wide), cut[1].index(wide) + 1);
            let cols = from.min(to - 1)..to.max(from + 1);
            let (mut whole, mut part) = (vec![0.0; wide * 20], vec![0.0; cols.len() * 20]);
            let (x, delta) = (Mat::new(&x, k, wide), Mat::new(&delta, k, 20));
            matmul_in(Precision::MixedBf16, view(&mut whole, wide, 20), x.t(), delta, Start::Zero).unwrap();
            matmul_in(Precision::MixedBf16, view(&mut part, cols.len(), 20), x.columns(cols.clone()).t(), delta, Start::Zero).unwrap();
            prop_assert_eq!(&part[..], &whole[cols.start * 20..cols.end * 20]);
        }
    }

    #[test]
    fn an_empty_inner_index_and_wrong_shapes() {
        let mut c = [1.0f32; 6];
        matmul_in(Precision::MixedBf16, view(&mut c, 2, 3), Mat::new(&[], 2, 0), Mat::new(&[], 0, 3), Start::Sums)
            .unwrap();
        assert_eq!(c, [1.0; 6]);
        matmul_in(Precision::MixedBf16, view(&mut c, 2, 3), Mat::new(&[], 2, 0), Mat::new(&[], 0, 3), Start::Zero)
            .unwrap();
        assert_eq!(c, [0.0; 6]);
        let x = [1.0f32; 6];
        assert!(
            matmul_in(Precision::MixedBf16, view(&mut c, 2, 3), Mat::new(&x, 2, 3), Mat::new(&x, 2, 3), Start::Zero)
                .is_err()
        );
    }

    #[test]
    fn doubles_stay_doubles() {
        let (third, mut c) = ([1.0f64 / 3.0], [0.0]);
        let view64 = ArrayViewMut2::from_shape((1, 1), &mut c[..]).unwrap();
        matmul_in(Precision::MixedBf16, view64, Mat::new(&third, 1, 1), Mat::new(&[1.0], 1, 1), Start::Zero).unwrap();
        assert_eq!(c, third);
    }
}
