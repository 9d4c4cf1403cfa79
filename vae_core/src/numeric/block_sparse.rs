//! Products with a sparse x: what is zero is left out.
//!
//! Four fifths of MNIST's pixels are zero, and zeros come in patches. x `[M, D]` is stored as runs of [`RUN`] neighbouring
//! pixels: for each run of columns, the rows in which it is not all zero, and its values there. Both products that the first
//! layer needs (x W forward, xᵀ δ backward) pass over the same lists, each with the same chain of multiply-adds for an element
//! as the dense product, so that their bits agree with it for finite weights. (A weight that is not finite
//! does not reach rows whose pixel is zero.)

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayViewMut2, s};
use pulp::{Simd, WithSimd};

use super::matrix::Mat;
use super::packed::{LINE, aligned, panels};
use super::registers::{add_outer, call_for, load_row, store_row, with_vectors};
use super::{Precision, isa};
use crate::threads::join;

/// Pixels in a run.
pub const RUN: usize = 4;

/// Vectors in a panel where there are only 16 registers: those of a run's pixels, of a row and of a value fill them.
const FEW: usize = 3;

/// x `[M, D]` as lists of runs. Allocated once for up to `max_rows` rows.
#[derive(Clone, Debug)]
pub struct BlockSparse {
    d: usize,
    max_rows: usize,
    /// Of each run of columns: in how many rows it is not all zero.
    counts: Vec<usize>,
    /// Those rows, rising; `max_rows` places for each run of columns.
    rows: Vec<u32>,
    /// The run's values there.
    values: Vec<[f32; RUN]>,
}

impl BlockSparse {
    /// Room for `max_rows` rows of `d` values.
    pub fn new(max_rows: usize, d: usize) -> Self {
        let runs = d.div_ceil(RUN);
        let places = runs * max_rows;
        Self { d, max_rows, counts: vec![0; runs], rows: vec![0; places], values: vec![[0.0; RUN]; places] }
    }

    /// Takes over x `[M, D]`, on so many threads of the rayon pool in which it is called. Rows beyond `max_rows` are left out.
    pub fn fill(&mut self, x: &[f32], threads: usize) {
        let lists = Lists { first: 0, counts: &mut self.counts, rows: &mut self.rows, values: &mut self.values };
        lists.fill(x, (self.d, self.max_rows), threads);
    }

    /// The share of x's runs that are not all zero, without taking it over (and as if its rows were one).
    fn share(x: &[f32]) -> f64 {
        let runs = x.chunks(RUN).map(|run| run.iter().any(|v| v.to_bits() != 0));
        runs.clone().filter(|some| *some).count() as f64 / runs.len().max(1) as f64
    }

    /// Whether it pays to leave out the zeros of x, whose dense products are in this precision. (With MNIST's zeros it takes half of the
    /// time in `f32`, but AMX does the whole product in less.)
    pub fn pays(x: &[f32], precision: Precision) -> bool {
        let dense_is_fast = precision == Precision::MixedBf16 && isa::path().has_tiles();
        Self::share(x) <= if dense_is_fast { 0.15 } else { 0.7 }
    }

    /// `out ← x W + b`; W `[D, n]`, b `[n]`, out `[M, n]`.
    pub fn multiply(&self, w: Mat<'_, f32>, bias: &[f32], out: ArrayViewMut2<'_, f32>) {
        SUMS.with_borrow_mut(|sums| isa::arch().dispatch(Forward { x: self, w, bias, out, sums }));
    }

    /// `out ← xᵀ δ` for the pixels of some `runs`; δ `[M, n]`, out `[pixels of these runs, n]`.
    pub fn transposed_multiply(&self, runs: Range<usize>, delta: &[f32], out: &mut [f32], n: usize) {
        isa::arch().dispatch(Backward { x: self, runs, delta, out, n });
    }

    /// The rows in which a run of columns is not all zero, and its values there: by reference, so that each is spread over a vector by
    /// its load, not by a shuffle in place of a multiply-add.
    #[inline(always)]
    fn run(&self, run: usize) -> impl Iterator<Item = (usize, &[f32; RUN])> {
        let places = run * self.max_rows..run * self.max_rows + self.counts[run];
        self.rows[places.clone()].iter().map(|row| *row as usize).zip(&self.values[places])
    }
}

/// The lists of some neighbouring runs, from the `first` on.
struct Lists<'a> {
    first: usize,
    counts: &'a mut [usize],
    rows: &'a mut [u32],
    values: &'a mut [[f32; RUN]],
}

impl Lists<'_> {
    fn fill(self, x: &[f32], (d, max_rows): (usize, usize), threads: usize) {
        let Self { first, counts, rows, values } = self;
        if threads > 1 && counts.len() > 1 {
            let half = counts.len() / 2;
            let (counts, counts_right) = counts.split_at_mut(half);
            let (rows, rows_right) = rows.split_at_mut(half * max_rows);
            let (values, values_right) = values.split_at_mut(half * max_rows);
            let left = Lists { first, counts, rows, values };
            let right = Lists { first: first + half, counts: counts_right, rows: rows_right, values: values_right };
            let shape = (d, max_rows);
            join(|| left.fill(x, shape, threads / 2), || right.fill(x, shape, threads - threads / 2));
            return;
        }
        counts.fill(0);
        for (row, x) in x.chunks_exact(d.max(1)).take(max_rows).enumerate() {
            let (whole, rest) = x[first * RUN..].as_chunks::<RUN>();
            let mut last = [0.0; RUN];
            last[..rest.len()].copy_from_slice(rest);
            let runs = whole.iter().copied().chain((!rest.is_empty()).then_some(last));
            for (run, (run_values, count)) in runs.zip(counts.iter_mut()).enumerate() {
                let place = run * max_rows + *count;
                values[place] = run_values;
                rows[place] = row as u32;
                // without a branch: which runs are zero cannot be foreseen
                *count += usize::from(run_values.map(f32::to_bits) != [0; RUN]);
            }
        }
    }
}

thread_local! {
    /// Sums of a panel's columns: one buffer for each thread, as large as it was ever needed.
    static SUMS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

struct Forward<'a> {
    x: &'a BlockSparse,
    w: Mat<'a, f32>,
    bias: &'a [f32],
    out: ArrayViewMut2<'a, f32>,
    sums: &'a mut Vec<f32>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, bias, mut out, sums } = self;
        for (col, width) in panels::<S>(out.ncols(), FEW) {
            let (w, bias) = (w.columns(col..col + width), &bias[col..col + width]);
            let out = out.slice_mut(s![.., col..col + width]);
            let sums = aligned(sums, out.nrows() * width.next_multiple_of(S::F32_LANES));
            with_vectors!(width.div_ceil(S::F32_LANES), |NV| {
                simd.vectorize(ForwardPanel::<NV> { x, w, bias, out, sums })
            });
        }
    }
}

/// Some columns of [`Forward`]: a run's weights stay in registers while the rows' sums, in the first-level cache, pass.
struct ForwardPanel<'a, const NV: usize> {
    x: &'a BlockSparse,
    w: Mat<'a, f32>,
    bias: &'a [f32],
    out: ArrayViewMut2<'a, f32>,
    sums: &'a mut [f32],
}

impl<const NV: usize> WithSimd for ForwardPanel<'_, NV> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, bias, mut out, sums } = self;
        let width = out.ncols();
        let (sums, _) = S::as_mut_simd_f32s(sums).0.as_chunks_mut::<NV>();
        sums[..out.nrows()].fill(load_row(simd, bias));
        for run in 0..x.counts.len() {
            let mut weights = [[simd.splat_f32s(0.0); NV]; RUN];
            for (pixel, weights) in (run * RUN..x.d).zip(&mut weights) {
                *weights = load_row(simd, &w.data[pixel * w.stride..][..width]);
                for v in 0..NV {
                    call_for(w.data, (pixel + RUN) * w.stride + v * LINE); // of the next run
                }
            }
            for (row, values) in x.run(run) {
                let mut row_sums = sums[row];
                for i in 0..RUN {
                    let value = simd.splat_f32s(values[i]);
                    for v in 0..NV {
                        row_sums[v] = simd.mul_add_e_f32s(value, weights[i][v], row_sums[v]);
                    }
                }
                sums[row] = row_sums;
            }
        }
        for (row, sums) in out.rows_mut().into_iter().zip(sums) {
            store_row(simd, row.into_slice().unwrap_or_default(), *sums);
        }
    }
}

struct Backward<'a> {
    x: &'a BlockSparse,
    runs: Range<usize>,
    delta: &'a [f32],
    out: &'a mut [f32],
    n: usize,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, runs, delta, out, n } = self;
        for (col, width) in panels::<S>(n, FEW) {
            let (runs, out) = (runs.clone(), &mut *out);
            with_vectors!(width.div_ceil(S::F32_LANES), |NV| {
                simd.vectorize(BackwardPanel::<NV> { x, runs, delta, out, n, col, width })
            });
        }
    }
}

/// Columns `col..col + width` of [`Backward`]: the sums of a run's pixels stay in registers while the rows pass.
struct BackwardPanel<'a, const NV: usize> {
    x: &'a BlockSparse,
    runs: Range<usize>,
    delta: &'a [f32],
    out: &'a mut [f32],
    n: usize,
    col: usize,
    width: usize,
}

impl<const NV: usize> WithSimd for BackwardPanel<'_, NV> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, runs, delta, out, n, col, width } = self;
        let first = runs.start * RUN;
        for run in runs {
            let pixels = RUN.min(x.d - run * RUN);
            let mut sums = [[simd.splat_f32s(0.0); NV]; RUN];
            for (row, values) in x.run(run) {
                let delta: [S::f32s; NV] = load_row(simd, &delta[row * n + col..][..width]);
                add_outer(simd, &mut sums, |i| values[i], delta);
            }
            for i in 0..RUN {
                if i < pixels {
                    store_row(simd, &mut out[(run * RUN + i - first) * n + col..][..width], sums[i]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::numeric::gemm::{Start, matmul, matrix_mut};
    use crate::numeric::product::tests::CUT;
    use ndarray::Axis;
    use proptest::prelude::*;

    /// x `[m, d]` with about `share` of its pixels not zero, in patches.
    fn image(m: usize, d: usize, share: f32) -> Vec<f32> {
        (0..m * d).map(|i| ((i / 3) as f32 * 1.7).sin() + 2.0 * share - 1.0).map(|v| v.max(0.0)).collect()
    }

    proptest! {
        #[test]
        fn both_products_have_the_bits_of_the_dense_ones(
            m in 0..40 / CUT, d in 1usize..60, n in 1..140 / CUT, share in 0.0f32..1.0, cut in 0.0f64..1.0, threads in 1usize..4,
        ) {
            let x = image(m, d, share);
            let (w, delta): (Vec<f32>, Vec<f32>) =
                ((0..d * n).map(|i| (i as f32).sin()).collect(), (0..m * n).map(|i| (i as f32 * 0.3).cos()).collect());
            let mut sparse = BlockSparse::new(m + 2, d);
            sparse.fill(&image(m, d, 0.9), 1); // old contents must not matter
            sparse.fill(&x, threads);
            let density = BlockSparse::share(&x);
            prop_assert!((0.0..=1.0).contains(&density));

            let (bias, mut out, mut dense) = (&w[..n], vec![0.5; m * n], vec![0.5; m * n]);
            let half = n / 2;
            let (left, right) = matrix_mut(&mut out, m, n).unwrap().split_at(Axis(1), half);
            sparse.multiply(Mat::new(&w, d, n).columns(0..half), &bias[..half], left);
            sparse.multiply(Mat::new(&w, d, n).columns(half..n), &bias[half..], right);
            matmul(&mut dense, Mat::new(&x, m, d), Mat::new(&w, d, n), Start::Row(bias)).unwrap();
            prop_assert_eq!(out, dense);

            let mut dense = vec![0.25; d * n];
            matmul(&mut dense, Mat::new(&x, m, d).t(), Mat::new(&delta, m, n), Start::Zero).unwrap();
            let runs = d.div_ceil(RUN);
            let split = (cut * runs as f64) as usize;
            for part in [0..split, split..runs] {
                let pixels = part.start * RUN..(part.end * RUN).min(d).max(part.start * RUN);
                let mut out = vec![0.25; pixels.len() * n];
                sparse.transposed_multiply(part, &delta, &mut out, n);
                prop_assert_eq!(&out, &dense[pixels.start * n..pixels.end * n]);
            }
        }
    }

    #[test]
    fn nan_pixels_are_not_lost() {
        let mut sparse = BlockSparse::new(1, 5);
        let x = [0.0, 0.0, 0.0, 0.0, f32::NAN];
        assert!((BlockSparse::share(&x) - 0.5).abs() < 1e-12);
        sparse.fill(&x, 1);
        let mut out = [0.0; 2];
        sparse.multiply(Mat::new(&[1.0; 10], 5, 2), &[0.0; 2], matrix_mut(&mut out, 1, 2).unwrap());
        assert!(out.iter().all(|v| v.is_nan()));
    }
}
