//! Products with a sparse x: what is zero is left out.
//!
//! Four fifths of MNIST's pixels are zero, and zeros come in patches. x `[M, D]` is stored as runs of [`RUN`] neighbouring
//! pixels: for each run of columns, the rows in which it is not all zero, and its values there. Both products that the first
//! layer needs (x W forward, xᵀ δ backward) pass over the same lists, each with the same chain of multiply-adds for an element
//! as the dense product, so that their bits agree with it for finite weights. (A weight that is not finite
//! does not reach rows whose pixel is zero.)

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::isa;
use super::product::{load_row, panels, store_row, with_vectors};

/// Pixels in a run.
pub const RUN: usize = 4;

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
        // one place more than needed: `fill` writes before it knows whether to keep
        let places = runs * max_rows + 1;
        Self { d, max_rows, counts: vec![0; runs], rows: vec![0; places], values: vec![[0.0; RUN]; places] }
    }

    /// Takes over x `[M, D]`. Rows beyond `max_rows` are left out.
    pub fn fill(&mut self, x: &[f32]) {
        self.counts.fill(0);
        let d = self.d.max(1);
        for (row, x) in x.chunks_exact(d).take(self.max_rows).enumerate() {
            let (whole, rest) = x.as_chunks::<RUN>();
            let mut last = [0.0; RUN];
            last[..rest.len()].copy_from_slice(rest);
            let runs = whole.iter().copied().chain((!rest.is_empty()).then_some(last));
            for (run, (values, count)) in runs.zip(&mut self.counts).enumerate() {
                let place = run * self.max_rows + *count;
                self.values[place] = values;
                self.rows[place] = row as u32;
                // without a branch: which runs are zero cannot be foreseen
                *count += usize::from(values.map(f32::to_bits) != [0; RUN]);
            }
        }
    }

    /// The share of x's runs that are not all zero, without taking it over (and as if its rows were one).
    pub fn share(x: &[f32]) -> f64 {
        let runs = x.chunks(RUN).map(|run| run.iter().any(|v| v.to_bits() != 0));
        runs.clone().filter(|some| *some).count() as f64 / runs.len().max(1) as f64
    }

    /// `out ← out + x W`; W `[D, n]`, out `[M, n]`.
    pub fn multiply_add(&self, w: &[f32], out: &mut [f32], n: usize) {
        isa::arch().dispatch(Forward { x: self, w, out, n });
    }

    /// `out ← xᵀ δ`, or `out ← out + xᵀ δ`, for the pixels of some `runs`; δ `[M, n]`, out `[pixels of these runs, n]`.
    pub fn transposed_multiply(&self, runs: Range<usize>, delta: &[f32], out: &mut [f32], n: usize, accumulate: bool) {
        isa::arch().dispatch(Backward { x: self, runs, delta, out, n, accumulate });
    }

    /// The rows in which a run of columns is not all zero, and its values there.
    #[inline(always)]
    fn run(&self, run: usize) -> impl Iterator<Item = (usize, [f32; RUN])> {
        let places = run * self.max_rows..run * self.max_rows + self.counts[run];
        self.rows[places.clone()].iter().map(|row| *row as usize).zip(self.values[places].iter().copied())
    }
}

struct Forward<'a> {
    x: &'a BlockSparse,
    w: &'a [f32],
    out: &'a mut [f32],
    n: usize,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, out, n } = self;
        for (col, width) in panels::<S>(n) {
            with_vectors!(width.div_ceil(S::F32_LANES), |NV| {
                simd.vectorize(ForwardPanel::<NV> { x, w, out: &mut *out, n, col, width })
            });
        }
    }
}

/// Columns `col..col + width` of [`Forward`]: a run's weights stay in registers while the rows pass.
struct ForwardPanel<'a, const NV: usize> {
    x: &'a BlockSparse,
    w: &'a [f32],
    out: &'a mut [f32],
    n: usize,
    col: usize,
    width: usize,
}

impl<const NV: usize> WithSimd for ForwardPanel<'_, NV> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, out, n, col, width } = self;
        for run in 0..x.counts.len() {
            let mut weights = [[simd.splat_f32s(0.0); NV]; RUN];
            for (pixel, weights) in (run * RUN..x.d).zip(&mut weights) {
                *weights = load_row(simd, &w[pixel * n + col..][..width]);
            }
            for (row, values) in x.run(run) {
                let place = &mut out[row * n + col..][..width];
                let mut sums: [S::f32s; NV] = load_row(simd, place);
                for i in 0..RUN {
                    let value = simd.splat_f32s(values[i]);
                    for v in 0..NV {
                        sums[v] = simd.mul_add_e_f32s(value, weights[i][v], sums[v]);
                    }
                }
                store_row(simd, place, sums);
            }
        }
    }
}

struct Backward<'a> {
    x: &'a BlockSparse,
    runs: Range<usize>,
    delta: &'a [f32],
    out: &'a mut [f32],
    n: usize,
    accumulate: bool,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, runs, delta, out, n, accumulate } = self;
        for (col, width) in panels::<S>(n) {
            let (runs, out) = (runs.clone(), &mut *out);
            with_vectors!(width.div_ceil(S::F32_LANES), |NV| {
                simd.vectorize(BackwardPanel::<NV> { x, runs, delta, out, n, col, width, accumulate })
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
    accumulate: bool,
}

impl<const NV: usize> WithSimd for BackwardPanel<'_, NV> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, runs, delta, out, n, col, width, accumulate } = self;
        let first = runs.start * RUN;
        for run in runs {
            let pixels = RUN.min(x.d - run * RUN);
            let mut sums = [[simd.splat_f32s(0.0); NV]; RUN];
            if accumulate {
                for i in 0..RUN {
                    if i < pixels {
                        sums[i] = load_row(simd, &out[(run * RUN + i - first) * n + col..][..width]);
                    }
                }
            }
            for (row, values) in x.run(run) {
                let delta: [S::f32s; NV] = load_row(simd, &delta[row * n + col..][..width]);
                for i in 0..RUN {
                    let value = simd.splat_f32s(values[i]);
                    for v in 0..NV {
                        sums[i][v] = simd.mul_add_e_f32s(value, delta[v], sums[i][v]);
                    }
                }
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
    use crate::numeric::gemm::{Mat, matmul};
    use proptest::prelude::*;

    /// x `[m, d]` with about `share` of its pixels not zero, in patches.
    fn image(m: usize, d: usize, share: f32) -> Vec<f32> {
        (0..m * d).map(|i| ((i / 3) as f32 * 1.7).sin() + 2.0 * share - 1.0).map(|v| v.max(0.0)).collect()
    }

    proptest! {
        #[test]
        fn both_products_have_the_bits_of_the_dense_ones(
            m in 0usize..40, d in 1usize..60, n in 1usize..140, share in 0.0f32..1.0, cut in 0.0f64..1.0,
        ) {
            let x = image(m, d, share);
            let (w, delta): (Vec<f32>, Vec<f32>) =
                ((0..d * n).map(|i| (i as f32).sin()).collect(), (0..m * n).map(|i| (i as f32 * 0.3).cos()).collect());
            let mut sparse = BlockSparse::new(m + 2, d);
            sparse.fill(&image(m, d, 0.9)); // old contents must not matter
            sparse.fill(&x);
            let density = BlockSparse::share(&x);
            prop_assert!((0.0..=1.0).contains(&density));

            let (mut out, mut dense) = (vec![0.5; m * n], vec![0.5; m * n]);
            sparse.multiply_add(&w, &mut out, n);
            matmul(&mut dense, Mat::new(&x, m, d), Mat::new(&w, d, n), true).unwrap();
            prop_assert_eq!(out, dense);

            let mut dense = vec![0.25; d * n];
            matmul(&mut dense, Mat::new(&x, m, d).t(), Mat::new(&delta, m, n), true).unwrap();
            let runs = d.div_ceil(RUN);
            let split = (cut * runs as f64) as usize;
            for part in [0..split, split..runs] {
                let pixels = part.start * RUN..(part.end * RUN).min(d).max(part.start * RUN);
                let mut out = vec![0.25; pixels.len() * n];
                sparse.transposed_multiply(part, &delta, &mut out, n, true);
                prop_assert_eq!(&out, &dense[pixels.start * n..pixels.end * n]);
            }
        }
    }

    #[test]
    fn nan_pixels_are_not_lost() {
        let mut sparse = BlockSparse::new(1, 5);
        let x = [0.0, 0.0, 0.0, 0.0, f32::NAN];
        assert!((BlockSparse::share(&x) - 0.5).abs() < 1e-12);
        sparse.fill(&x);
        let mut out = [0.0; 2];
        sparse.multiply_add(&[1.0; 10], &mut out, 2);
        assert!(out.iter().all(|v| v.is_nan()));
    }
}
