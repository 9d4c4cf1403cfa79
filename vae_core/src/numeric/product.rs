//! The dense product in `f32`: C ← start + A·B, packed and kept in registers.
//!
//! B is cut into blocks of rows, [packed](super::packed) as panels of a few vectors' width, of which each stays in the
//! first-level cache while tiles of up to [`ROWS`] rows of C then pass over it with their sums in
//! registers. Element C[i, j] is one chain of multiply-adds in the order of the inner index, whatever the shape, so its bits
//! do not depend on how rows or columns are divided among calls and threads, nor on the width of the vectors: AVX-512, AVX2
//! and NEON agree bit by bit (all fuse the multiply-add), the portable path differs in the last bits (it does not).
//!
//! Why by hand: the `gemm` crate, which runs the `f64` reference, is as fast on these shapes, but its order of summation is its
//! own, and may change with shape and version.

use std::cell::RefCell;

use ndarray::{ArrayViewMut2, s};
use pulp::{Arch, Simd, WithSimd};

use super::isa;
use super::matrix::{Mat, Start};
use super::packed::{Ahead, FEW, Packed, aligned, blocks, groups, pack_block, pack_panel, panels};
use super::registers::{add_outer, first_sums, store_row, take, with_vectors};

/// Rows of C in a tile.
const ROWS: usize = 6;

thread_local! {
    /// The packed rows of B: one buffer for each thread, as large as it was ever needed.
    static PACKED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// `C ← start + A·B`; shapes were checked by [`matmul`](super::gemm::matmul), and the inner one is not 0.
pub(super) fn multiply(arch: Arch, c: ArrayViewMut2<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, start: Start<'_, f32>) {
    if c.is_empty() {
        return;
    }
    PACKED.with_borrow_mut(|buffer| arch.dispatch(Product { c, a, b: Operand::Stored(b, buffer), start }));
}

impl Packed {
    /// `C ← start + A·B` with the same bits as [`multiply`]; shapes were checked by [`matmul_packed`](super::gemm::matmul_packed).
    pub(super) fn multiply(&self, c: ArrayViewMut2<'_, f32>, a: Mat<'_, f32>, start: Start<'_, f32>) {
        if !c.is_empty() {
            isa::arch().dispatch(Product { c, a, b: Operand::Packed(self), start });
        }
    }
}

/// B of a product: as it is stored, with a buffer for what is packed of it; or packed.
enum Operand<'a> {
    Stored(Mat<'a, f32>, &'a mut Vec<f32>),
    Packed(&'a Packed),
}

struct Product<'a> {
    c: ArrayViewMut2<'a, f32>,
    a: Mat<'a, f32>,
    b: Operand<'a>,
    start: Start<'a, f32>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { mut c, a, mut b, start } = self;
        let (k, n) = match &b {
            Operand::Stored(b, _) => b.shape(),
            Operand::Packed(b) => b.shape,
        };
        let all = n.next_multiple_of(S::F32_LANES);
        let mut parts = blocks(k).flat_map(|block| groups::<S>(n).map(move |group| (block, group))).peekable();
        while let Some((block, (left, columns))) = parts.next() {
            let ((first, depth), here) = (block, left..left + columns);
            let len = depth * columns.next_multiple_of(S::F32_LANES);
            let mut ahead = None;
            if let Operand::Stored(b, buffer) = &mut b {
                pack_block(simd, aligned(buffer, len), b.part(here.clone()), block);
                let times = a.shape().0.div_ceil(ROWS) * columns.div_ceil(S::F32_LANES * FEW);
                let next = parts.peek().filter(|_| !b.transposed);
                ahead = next.map(|&(block, (left, columns))| Ahead::new(b.part(left..left + columns), block, times));
            }
            for (col, width) in panels::<S>(columns, FEW) {
                let stride = width.next_multiple_of(S::F32_LANES);
                let packed = match &mut b {
                    Operand::Stored(b, buffer) => {
                        let packed = aligned(buffer, len);
                        pack_panel(simd, packed, b.part(here.clone()), block, (col, width));
                        &packed[col * depth..]
                    }
                    Operand::Packed(b) => &b.block(first, depth, all)[(left + col) * depth..],
                };
                let packed = &packed[..depth * stride];
                let col = left + col;
                let c = c.slice_mut(s![.., col..col + width]);
                let start = if first > 0 { Start::Sums } else { start.columns(col..col + width) };
                let place = Place { row: 0, first, width, start };
                with_vectors!(stride / S::F32_LANES, |NV| tiles::<S, NV>(simd, c, a, packed, place, &mut ahead));
            }
        }
    }
}

/// What a packed block of B, `NV` vectors wide, adds to its columns of C.
#[inline(always)]
fn tiles<S: Simd, const NV: usize>(
    simd: S,
    mut c: ArrayViewMut2<'_, f32>,
    a: Mat<'_, f32>,
    b: &[f32],
    place: Place<'_>,
    ahead: &mut Option<Ahead<'_>>,
) {
    let (m, _) = a.shape();
    // two rows alone would not keep the machine busy: the last eight are two fours
    let whole = if m % ROWS == 2 { m.saturating_sub(8) } else { m / ROWS * ROWS };
    let mut row = 0;
    let rows = &mut c.rows_mut().into_iter();
    while row < m {
        let place = Place { row, ..place };
        if let Some(ahead) = ahead {
            ahead.call();
        }
        row += match (if row < whole { ROWS } else { 4.min(m - row) }, a.transposed) {
            (ROWS.., false) => simd.vectorize(Tile::<ROWS, NV, false> { c: take(rows), a, b, place }),
            (4.., false) => simd.vectorize(Tile::<4, NV, false> { c: take(rows), a, b, place }),
            (2.., false) => simd.vectorize(Tile::<2, NV, false> { c: take(rows), a, b, place }),
            (_, false) => simd.vectorize(Tile::<1, NV, false> { c: take(rows), a, b, place }),
            (ROWS.., true) => simd.vectorize(Tile::<ROWS, NV, true> { c: take(rows), a, b, place }),
            (4.., true) => simd.vectorize(Tile::<4, NV, true> { c: take(rows), a, b, place }),
            (2.., true) => simd.vectorize(Tile::<2, NV, true> { c: take(rows), a, b, place }),
            (_, true) => simd.vectorize(Tile::<1, NV, true> { c: take(rows), a, b, place }),
        };
    }
}

/// Where a tile lies: its first row of C, the first row of B's block, the width of both, and what its sums begin with.
#[derive(Clone, Copy)]
struct Place<'a> {
    row: usize,
    first: usize,
    width: usize,
    start: Start<'a, f32>,
}

/// `MR` rows of C by `NV` vectors; `T` if A is transposed. Its output is the number of rows done.
struct Tile<'a, const MR: usize, const NV: usize, const T: bool> {
    /// The tile's part of each row.
    c: [&'a mut [f32]; MR],
    a: Mat<'a, f32>,
    b: &'a [f32],
    place: Place<'a>,
}

impl<const MR: usize, const NV: usize, const T: bool> WithSimd for Tile<'_, MR, NV, T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let Self { c, a, b, place: Place { row, first, width, start } } = self;
        let (b, _) = S::as_simd_f32s(b).0.as_chunks::<NV>();
        let depth = b.len();
        let mut sums: [[_; NV]; MR] = first_sums(simd, &c, width, start);
        let rows: [&[f32]; MR] =
            std::array::from_fn(|i| if T { &[][..] } else { &a.data[(row + i) * a.stride + first..][..depth] });
        // By fours, so that finding their places takes less of what the machine can do beside multiply-adds.
        let fours: [&[[f32; 4]]; MR] = rows.map(|row| row.as_chunks().0);
        let count = if T { 0 } else { depth / 4 };
        for (q, b) in b.as_chunks::<4>().0[..count].iter().enumerate() {
            let values: [&[f32; 4]; MR] = std::array::from_fn(|i| &fours[i][q]);
            for u in 0..4 {
                add_outer(simd, &mut sums, |i| values[i][u], b[u]);
            }
        }
        for (l, b) in b.iter().enumerate().skip(4 * count) {
            // of a transposed A the values of one step are neighbours
            let neighbours = if T { a.data[(first + l) * a.stride + row..].as_chunks::<MR>().0[0] } else { [0.0; MR] };
            add_outer(simd, &mut sums, |i| if T { neighbours[i] } else { rows[i][l] }, *b);
        }
        for i in 0..MR {
            store_row(simd, &mut c[i][..width], sums[i]);
        }
        MR
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::Axis;
    use proptest::prelude::*;

    /// Miri takes a thousand times as long: it gets smaller shapes.
    pub(in crate::numeric) const CUT: usize = if cfg!(miri) { 8 } else { 1 };

    pub(in crate::numeric) fn values(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * seed).sin()).collect()
    }

    pub(in crate::numeric) fn view(data: &mut [f32], rows: usize, cols: usize) -> ArrayViewMut2<'_, f32> {
        ArrayViewMut2::from_shape((rows, cols), data).unwrap()
    }

    pub(in crate::numeric) fn mat(data: &[f32], rows: usize, cols: usize, transposed: bool) -> Mat<'_, f32> {
        if transposed { Mat::new(data, cols, rows).t() } else { Mat::new(data, rows, cols) }
    }

    /// C `[m, n]` in two products, on both sides of a column, each with its columns of B `[k, n]`.
    pub(in crate::numeric) fn by_halves(
        (m, n, k): (usize, usize, usize),
        split: usize,
        (b, transposed): (&[f32], bool),
        multiply: impl Fn(ArrayViewMut2<'_, f32>, Mat<'_, f32>),
    ) -> Vec<f32> {
        let mut c = vec![0.0; m * n];
        let (left, right) = view(&mut c, m, n).split_at(Axis(1), split);
        for (c, cols) in [(left, 0..split), (right, split..n)] {
            let b = if transposed { Mat::new(b, n, k).rows(cols).t() } else { Mat::new(b, k, n).columns(cols) };
            multiply(c, b);
        }
        c
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition_on_every_path(
            m in 0..40 / CUT, n in 0..150 / CUT, k in 1..420 / CUT, ta: bool, tb: bool, which in 0usize..3,
        ) {
            let (a, b) = (values(m * k, 0.7), values(k * n, 1.3));
            let sums = values(m * n, 0.3);
            let start = [Start::Zero, Start::Sums, Start::Row(&sums[..n.min(sums.len())])][which];
            let at = |i: usize, l: usize| f64::from(if ta { a[l * m + i] } else { a[i * k + l] });
            let bt = |l: usize, j: usize| f64::from(if tb { b[j * k + l] } else { b[l * n + j] });
            let mut first: Option<Vec<f32>> = None;
            for isa::Path { name, arch, .. } in isa::all() {
                let mut c = sums.clone();
                multiply(arch, view(&mut c, m, n), mat(&a, m, k, ta), mat(&b, k, n, tb), start);
                for i in 0..m {
                    for j in 0..n {
                        let from = [0.0, f64::from(sums[i * n + j]), f64::from(sums[j])][which];
                        let exact = from + (0..k).map(|l| at(i, l) * bt(l, j)).sum::<f64>();
                        let found = f64::from(c[i * n + j]);
                        prop_assert!((found - exact).abs() < 2e-6 * (1.0 + k as f64), "{name} [{i}, {j}]: {found}, {exact}");
                    }
                }
                if name != "portable" {
                    prop_assert!(first.get_or_insert_with(|| c.clone()) == &c, "{name} has other bits");
                }
            }
        }

        #[test]
        fn bits_do_not_depend_on_how_rows_or_columns_are_divided_nor_on_who_packs(
            m in 1..30 / CUT, n in 1..140 / CUT, k in 2..400 / CUT, cut in 0.0f64..1.0, ta: bool, tb: bool,
        ) {
            let (a, b) = (values(m * k, 0.7), values(k * n, 1.3));
            let mut whole = vec![0.0; m * n];
            multiply(isa::arch(), view(&mut whole, m, n), mat(&a, m, k, ta), mat(&b, k, n, tb), Start::Zero);
            let split = (cut * m as f64) as usize;
            let part = |rows: std::ops::Range<usize>| -> Vec<f32> {
                let a: Vec<f32> = rows.clone().flat_map(|i| (0..k).map(move |l| (i, l)))
                    .map(|(i, l)| if ta { a[l * m + i] } else { a[i * k + l] }).collect();
                let mut c = vec![0.0; rows.len() * n];
                multiply(isa::arch(), view(&mut c, rows.len(), n), Mat::new(&a, rows.len(), k), mat(&b, k, n, tb), Start::Zero);
                c
            };
            prop_assert_eq!([part(0..split), part(split..m)].concat(), whole.clone());
            let split = (cut * n as f64) as usize;
            let c = by_halves((m, n, k), split, (&b, tb), |c, b| multiply(isa::arch(), c, mat(&a, m, k, ta), b, Start::Zero));
            prop_assert_eq!(&c, &whole);
            let mut c = vec![0.5; m * n];
            let mut packed = Packed::default();
            packed.pack(mat(&a, m, k, ta)); // old contents must not matter
            packed.pack(mat(&b, k, n, tb));
            packed.multiply(view(&mut c, m, n), mat(&a, m, k, ta), Start::Zero);
            prop_assert_eq!(&c, &whole);
            // nor on where the sum is interrupted
            let split = ((cut * k as f64) as usize).clamp(1, k - 1);
            let mut c = vec![0.0; m * n];
            for (part, start) in [(0..split, Start::Zero), (split..k, Start::Sums)] {
                let a: Vec<f32> = (0..m).flat_map(|i| part.clone().map(move |l| (i, l)))
                    .map(|(i, l)| if ta { a[l * m + i] } else { a[i * k + l] }).collect();
                let b: Vec<f32> = part.clone().flat_map(|l| (0..n).map(move |j| (l, j)))
                    .map(|(l, j)| if tb { b[j * k + l] } else { b[l * n + j] }).collect();
                multiply(isa::arch(), view(&mut c, m, n), Mat::new(&a, m, part.len()), Mat::new(&b, part.len(), n), start);
            }
            prop_assert_eq!(c, whole);
        }

        #[test]
        fn nan_and_infinity_reach_exactly_their_row_and_column(
            m in 1..24 / CUT, n in 1..72 / CUT, k in 1..210 / CUT, at in any::<[prop::sample::Index; 3]>(), nan: bool,
        ) {
            let bad = if nan { f32::NAN } else { f32::INFINITY };
            let (i, l, j) = (at[0].index(m), at[1].index(k), at[2].index(n));
            for isa::Path { name, arch, .. } in isa::all() {
                let (mut a, mut b) = (vec![0.5; m * k], vec![0.25; k * n]);
                a[i * k + l] = bad;
                let mut c = vec![0.0; m * n];
                multiply(arch, view(&mut c, m, n), Mat::new(&a, m, k), Mat::new(&b, k, n), Start::Zero);
                prop_assert!((0..m * n).all(|e| c[e].is_finite() == (e / n != i)), "{name}");
                a[i * k + l] = 0.5;
                b[l * n + j] = bad;
                multiply(arch, view(&mut c, m, n), Mat::new(&a, m, k), Mat::new(&b, k, n), Start::Zero);
                prop_assert!((0..m * n).all(|e| c[e].is_finite() == (e % n != j)), "{name}");
            }
        }
    }
}
