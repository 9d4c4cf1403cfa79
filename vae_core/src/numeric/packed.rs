//! How B is packed for the dense product: in blocks of rows, each as panels of a few vectors' width.
//!
//! A product packs a block at a time into a buffer of its thread; what many products read is packed once ([`Packed`]).

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::isa;
use super::matrix::Mat;
use super::registers::{load_row, store_row, with_vectors};

/// Rows of B in a block, at most; with 64 columns, 50 KiB.
const BLOCK: usize = 200;

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
            let to = &mut to[first * stride..][..depth * stride];
            pack_block(simd, to, self.b, (first, depth));
            for panel in panels::<S>(n) {
                pack_panel(simd, to, self.b, (first, depth), panel);
            }
        }
    }
}

/// First rows and heights of the blocks of B: as few as possible, of nearly equal height.
#[inline(always)]
pub(super) fn blocks(k: usize) -> impl Iterator<Item = (usize, usize)> {
    let block = k.div_ceil(k.div_ceil(BLOCK));
    (0..k).step_by(block).map(move |first| (first, block.min(k - first)))
}

/// Packs a block of B as panels, if it is stored row by row.
#[inline(always)]
pub(super) fn pack_block<S: Simd>(simd: S, packed: &mut [f32], b: Mat<'_, f32>, (first, depth): (usize, usize)) {
    if !b.transposed {
        for band in (0..depth).step_by(BAND) {
            for panel in panels::<S>(b.cols) {
                pack(simd, packed, b, (first, depth), band..(band + BAND).min(depth), panel);
            }
        }
    }
}

/// Packs a panel of a block of B, if its transpose is stored row by row: those rows are read a cache line at a time, and the panel is
/// complete before it leaves the first-level cache.
#[inline(always)]
pub(super) fn pack_panel<S: Simd>(
    simd: S,
    packed: &mut [f32],
    b: Mat<'_, f32>,
    (first, depth): (usize, usize),
    panel: (usize, usize),
) {
    if b.transposed {
        for band in (0..depth).step_by(LINE) {
            pack(simd, packed, b, (first, depth), band..(band + LINE).min(depth), panel);
        }
    }
}

/// Packs some rows, the `band`, of a panel of the block of B that begins with row `first` and has `depth` of them.
#[inline(always)]
fn pack<S: Simd>(
    simd: S,
    packed: &mut [f32],
    b: Mat<'_, f32>,
    (first, depth): (usize, usize),
    band: Range<usize>,
    (col, width): (usize, usize),
) {
    let stride = width.next_multiple_of(S::F32_LANES);
    let to = &mut packed[col * depth + band.start * stride..][..band.len() * stride];
    let block = Block { first: first + band.start, depth: band.len(), col, width };
    with_vectors!(stride / S::F32_LANES, |NV| simd.vectorize(Pack::<NV> { to, b, block }));
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

/// First columns and widths of the panels of an `n` columns wide matrix: as few panels as possible, of nearly equal width.
#[inline(always)]
pub(super) fn panels<S: Simd>(n: usize) -> impl Iterator<Item = (usize, usize)> {
    // All sums, a row of B and a value of A must fit the registers. A "vector" of the portable path is one value; the
    // compiler makes a vector of four.
    let most = if S::REGISTER_COUNT >= 32 || S::F32_LANES == 1 { 4 } else { 2 };
    let vectors = n.div_ceil(S::F32_LANES);
    let count = vectors.div_ceil(most);
    let edge = move |i: usize| (i * vectors).div_ceil(count.max(1)) * S::F32_LANES;
    (0..count).map(move |i| (edge(i), edge(i + 1).min(n) - edge(i)))
}

/// Copies a block of B into rows of `NV` vectors, padded with zeros.
struct Pack<'a, const NV: usize> {
    to: &'a mut [f32],
    b: Mat<'a, f32>,
    block: Block,
}

impl<const NV: usize> WithSimd for Pack<'_, NV> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { to, b, block: Block { first, depth, col, width } } = self;
        let stride = NV * S::F32_LANES;
        if !b.transposed {
            for (l, to) in to.chunks_exact_mut(stride).enumerate() {
                let row: [S::f32s; NV] = load_row(simd, &b.data[(first + l) * b.stride + col..][..width]);
                store_row(simd, to, row);
            }
            return;
        }
        if width < stride {
            to.fill(0.0);
        }
        let row = |j: usize| &b.data[(col + j) * b.stride + first..][..depth];
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
