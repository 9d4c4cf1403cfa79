//! How B is packed for the dense product: in blocks of rows, each as panels of a few vectors' width.
//!
//! A product packs a block at a time into a buffer of its thread; what many products read is packed once ([`Packed`]).

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::isa;
use super::matrix::Mat;
use super::registers::{call_for, load_row, store_row, with_vectors};

/// Rows of B in a block, at most; with 64 columns, 50 KiB.
const BLOCK: usize = 200;

/// Rows and columns that are transposed at once.
const SQUARE: usize = 8;

/// Columns of B that are packed at once; with 200 rows, 100 KiB.
const GROUP: usize = 128;

/// Rows of B that are packed together, panel by panel, so that memory is read as it lies.
const BAND: usize = 8;

/// B `[k, n]`, packed once for many products, on the path of this process.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    pub(super) shape: (usize, usize),
    values: Vec<f32>,
    /// Where they begin: with a cache line.
    at: usize,
}

impl Packed {
    /// Packs another B, of whose slice it takes what is there, in the same place; the inner index is not 0.
    pub(super) fn pack(&mut self, b: Mat<'_, f32>) {
        isa::arch().dispatch(PackAll { b, to: &mut self.values });
        self.at = self.values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        self.shape = b.shape();
    }

    /// The `depth` packed rows of all columns from row `first` on, `stride` values each.
    #[inline(always)]
    pub(super) fn block(&self, first: usize, depth: usize, stride: usize) -> &[f32] {
        &self.values[self.at + first * stride..][..depth * stride]
    }
}

struct PackAll<'a> {
    b: Mat<'a, f32>,
    to: &'a mut Vec<f32>,
}

impl WithSimd for PackAll<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (k, n) = self.b.shape();
        let stride = n.next_multiple_of(S::F32_LANES);
        let to = aligned(self.to, k * stride);
        for (first, depth) in blocks(k) {
            for (col, width) in groups::<S>(n) {
                let (to, b) = (&mut to[first * stride + col * depth..], self.b.part(col..col + width));
                pack_block(simd, to, b, (first, depth));
                for panel in panels::<S>(width, FEW) {
                    pack_panel(simd, to, b, (first, depth), panel);
                }
            }
        }
    }
}

/// First rows and heights of the blocks of B: as few as possible, of nearly equal height, which squares fill.
#[inline(always)]
pub(super) fn blocks(k: usize) -> impl Iterator<Item = (usize, usize)> {
    let block = k.div_ceil(k.div_ceil(BLOCK)).next_multiple_of(SQUARE);
    (0..k).step_by(block).map(move |first| (first, block.min(k - first)))
}

/// Packs a block of B as panels, if it is stored row by row.
#[inline(always)]
pub(super) fn pack_block<S: Simd>(simd: S, to: &mut [f32], b: Mat<'_, f32>, (first, depth): (usize, usize)) {
    if !b.transposed {
        simd.vectorize(PackRows { to, b, first, depth });
    }
}

/// Packs a panel of a block of B, if its transpose is stored row by row: the panel is complete before it leaves the first-level cache.
#[inline(always)]
pub(super) fn pack_panel<S: Simd>(
    simd: S,
    packed: &mut [f32],
    b: Mat<'_, f32>,
    (first, depth): (usize, usize),
    (col, width): (usize, usize),
) {
    if b.transposed {
        let stride = width.next_multiple_of(S::F32_LANES);
        let to = &mut packed[col * depth..][..depth * stride];
        simd.vectorize(PackColumns { to, b, block: Block { first, depth, col, width } });
    }
}

/// Values in a cache line.
pub(super) const LINE: usize = 16;

/// A part of a buffer that begins with a cache line, with room for so many values; it holds what it may.
#[inline(always)]
pub(super) fn aligned(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize((len + LINE).max(buffer.len()), 0.0);
    let skip = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
    &mut buffer[skip..][..len]
}

/// A block of B: `depth` rows from `first` on, `width` columns from `col` on.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    depth: usize,
    col: usize,
    width: usize,
}

/// First columns and widths of the panels of an `n` columns wide matrix: as few panels as possible, of nearly equal width; of `few` vectors
/// where there are only 16 registers.
#[inline(always)]
pub(super) fn panels<S: Simd>(n: usize, few: usize) -> impl Iterator<Item = (usize, usize)> {
    let vectors = n.div_ceil(S::F32_LANES);
    let count = vectors.div_ceil(most::<S>(few));
    let edge = move |i: usize| (i * vectors).div_ceil(count.max(1)) * S::F32_LANES;
    (0..count).map(move |i| (edge(i), edge(i + 1).min(n) - edge(i)))
}

/// Vectors in a panel, at most: all sums, a row of B and a value of A must fit the registers. A "vector" of the portable path is one value;
/// the compiler makes a vector of four.
#[inline(always)]
fn most<S: Simd>(few: usize) -> usize {
    if S::REGISTER_COUNT >= 32 || S::F32_LANES == 1 { 4 } else { few }
}

/// Vectors in a panel of a dense product where there are only 16 registers.
pub(super) const FEW: usize = 2;

/// First columns and widths of the groups of an `n` columns wide matrix: whole panels; the last one is not the smallest.
#[inline(always)]
pub(super) fn groups<S: Simd>(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let panel = most::<S>(FEW) * S::F32_LANES;
    let panels = n.div_ceil(panel);
    let count = panels.div_ceil(GROUP / panel);
    let edge = move |i: usize| i * panels / count.max(1) * panel;
    (0..count).map(move |i| (edge(i), edge(i + 1).min(n) - edge(i)))
}

/// Rows of a part of B that is packed next: their cache lines are called for while the tiles are at work.
pub(super) struct Ahead<'a> {
    b: Mat<'a, f32>,
    rows: Range<usize>,
    /// Rows to be called for at a time.
    some: usize,
}

impl<'a> Ahead<'a> {
    /// Those of a block of B, in so many `times`.
    #[inline(always)]
    pub(super) fn new(b: Mat<'a, f32>, (first, depth): (usize, usize), times: usize) -> Self {
        Self { b, rows: first..first + depth, some: depth.div_ceil(times) }
    }

    /// Calls for some of them.
    #[inline(always)]
    pub(super) fn call(&mut self) {
        for row in self.rows.by_ref().take(self.some) {
            for at in (0..self.b.cols).step_by(LINE) {
                call_for(self.b.data, row * self.b.stride + at);
            }
        }
    }
}

/// Copies a block of B, `depth` rows from `first` on, into panels whose rows are padded with zeros.
struct PackRows<'a> {
    to: &'a mut [f32],
    b: Mat<'a, f32>,
    first: usize,
    depth: usize,
}

impl WithSimd for PackRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { to, b, first, depth } = self;
        for band in (0..depth).step_by(BAND) {
            let rows = BAND.min(depth - band);
            for (col, width) in panels::<S>(b.cols, FEW) {
                let stride = width.next_multiple_of(S::F32_LANES);
                let to = &mut to[col * depth + band * stride..][..rows * stride];
                with_vectors!(stride / S::F32_LANES, |NV| {
                    for (l, to) in to.chunks_exact_mut(NV * S::F32_LANES).enumerate() {
                        let row: [S::f32s; NV] =
                            load_row(simd, &b.data[(first + band + l) * b.stride + col..][..width]);
                        store_row(simd, to, row);
                    }
                });
            }
        }
    }
}

/// Copies a panel of a transposed B into rows that are padded with zeros.
struct PackColumns<'a> {
    to: &'a mut [f32],
    b: Mat<'a, f32>,
    block: Block,
}

impl WithSimd for PackColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { to, b, block } = self;
        let stride = block.width.next_multiple_of(S::F32_LANES);
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if S::F32_LANES >= SQUARE {
            // SAFETY: where vectors are so wide, there is AVX.
            done = unsafe { pack_squares(to, b, block, stride) };
        }
        let Block { first, depth, col, width } = block;
        let to = &mut to[done * stride..];
        let row = |j: usize| &b.data[(col + j) * b.stride + first..][done..depth];
        let depth = depth - done;
        if width < stride {
            to.fill(0.0);
        }
        let (wide, deep) = (width / 4 * 4, depth / 4 * 4);
        for j in (0..wide).step_by(4) {
            let rows = [row(j), row(j + 1), row(j + 2), row(j + 3)];
            let fours = rows.map(|row| row.as_chunks::<4>().0);
            for l in 0..deep / 4 {
                let square = transpose([fours[0][l], fours[1][l], fours[2][l], fours[3][l]]);
                for q in 0..4 {
                    to[(4 * l + q) * stride + j..][..4].copy_from_slice(&square[q]);
                }
            }
            for l in deep..depth {
                to[l * stride + j..][..4].copy_from_slice(&rows.map(|row| row[l]));
            }
        }
        for j in wide..width {
            for (l, &value) in row(j).iter().enumerate() {
                to[l * stride + j] = value;
            }
        }
    }
}

/// Packs the whole squares of a panel whose last vector is whole; returns the number of its rows that are done.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
fn pack_squares(to: &mut [f32], b: Mat<'_, f32>, Block { first, depth, col, width }: Block, stride: usize) -> usize {
    use std::arch::x86_64::*;
    if width < stride {
        return 0;
    }
    for j in (0..width).step_by(SQUARE) {
        let row = |i: usize| b.data[(col + j + i) * b.stride + first..][..depth].as_chunks::<SQUARE>().0;
        let rows = [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)];
        for (l, to) in to.chunks_exact_mut(SQUARE * stride).enumerate() {
            let mut r: [__m256; SQUARE] = pulp::cast([
                rows[0][l], rows[1][l], rows[2][l], rows[3][l], rows[4][l], rows[5][l], rows[6][l], rows[7][l],
            ]);
            // pairs, fours and eights of rows are transposed
            for i in [0, 2, 4, 6] {
                (r[i], r[i + 1]) = (_mm256_unpacklo_ps(r[i], r[i + 1]), _mm256_unpackhi_ps(r[i], r[i + 1]));
            }
            for i in [0, 4] {
                let [a, b, c, d] = [r[i], r[i + 1], r[i + 2], r[i + 3]];
                (r[i], r[i + 1]) = (_mm256_shuffle_ps::<0x44>(a, c), _mm256_shuffle_ps::<0xee>(a, c));
                (r[i + 2], r[i + 3]) = (_mm256_shuffle_ps::<0x44>(b, d), _mm256_shuffle_ps::<0xee>(b, d));
            }
            for i in 0..4 {
                let (low, high) = (r[i], r[i + 4]);
                r[i] = _mm256_permute2f128_ps::<0x20>(low, high);
                r[i + 4] = _mm256_permute2f128_ps::<0x31>(low, high);
            }
            let square: [[f32; SQUARE]; SQUARE] = pulp::cast(r);
            for (to, row) in to.chunks_exact_mut(stride).zip(&square) {
                to[j..j + SQUARE].copy_from_slice(row);
            }
        }
    }
    depth / SQUARE * SQUARE
}

/// The transpose of a square. By name of the instructions, because the compiler does not find them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    use std::arch::x86_64::{__m128, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps};
    let [a, b, c, d]: [__m128; 4] = pulp::cast(rows);
    // SAFETY: SSE is part of every x86-64 machine.
    let square: [__m128; 4] = unsafe {
        let (ab, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (cd, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        [_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab), _mm_movelh_ps(ab_high, cd_high), _mm_movehl_ps(cd_high, ab_high)]
    };
    pulp::cast(square)
}

/// The transpose of a square.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn transpose(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    let column = |j: usize| [rows[0][j], rows[1][j], rows[2][j], rows[3][j]];
    [column(0), column(1), column(2), column(3)]
}
