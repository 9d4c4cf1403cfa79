//! The path with AVX512-BF16's `vdpbf16ps`. Built as `product` is; that A is packed too is the difference.
//!
//! Both operands are packed as pairs of neighbours along the inner index; the first of a pair lies in the upper half, which the
//! instruction adds first.

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::mem::transmute;
use std::ops::Range;

use ndarray::{ArrayViewMut2, s};
use pulp::x86::V4;
use pulp::{Simd, f32x16, u32x16};

use crate::numeric::matrix::{Mat, Start};
use crate::numeric::packed::{FEW, panels};
use crate::numeric::registers::{first_sums, store_row, take, with_vectors};

/// Values of the inner index in a block of B; even. With 64 columns, 32 KiB.
const BLOCK: usize = 256;
/// Rows of C in a tile.
const ROWS: usize = 6;
const LANES: usize = 16;
/// The widest panel, in values.
const WIDEST: usize = 4 * LANES;

/// A packed block of B, aligned to cache lines; row p holds the pairs (2p, 2p + 1) of the panel's columns.
#[repr(C, align(64))]
struct Packed([u32; BLOCK / 2 * WIDEST]);

struct Buffers {
    /// All of A; line p holds the pairs (2p, 2p + 1) of all rows of A.
    a: Vec<u32>,
    b: Packed,
}

thread_local! {
    /// Made when a thread first multiplies.
    static BUFFERS: RefCell<Box<Buffers>> =
        RefCell::new(Box::new(Buffers { a: Vec::new(), b: Packed([0; BLOCK / 2 * WIDEST]) }));
}

/// As the function above. `simd` proves that the machine has AVX-512.
pub(super) fn multiply(simd: V4, c: ArrayViewMut2<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, start: Start<'_, f32>) {
    assert!(std::is_x86_feature_detected!("avx512bf16"), "`isa` gives no path without it");
    // SAFETY: a `V4` exists only where all of these features but the last were found, and the last was found above.
    BUFFERS.with_borrow_mut(|buffers| unsafe { multiply_here(simd, c, a, b, start, buffers) });
}

#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma")]
fn multiply_here(
    simd: V4,
    mut c: ArrayViewMut2<'_, f32>,
    a: Mat<'_, f32>,
    b: Mat<'_, f32>,
    start: Start<'_, f32>,
    buffers: &mut Buffers,
) {
    let ((m, k), (_, n)) = (a.shape(), b.shape());
    let stride = m.next_multiple_of(LANES);
    let len = k.div_ceil(2) * stride;
    buffers.a.resize(len.max(buffers.a.len()), 0); // as large as it was ever needed
    for first in (0..k).step_by(BLOCK) {
        let depth = BLOCK.min(k - first);
        pack(simd, &mut buffers.a[first / 2 * stride..], a.t(), first..first + depth, 0..m, stride);
    }
    let job = Job { simd, a: &buffers.a, stride, b, m, k, start };
    for (col, width) in panels::<V4>(n, FEW) {
        let (c, packed) = (c.slice_mut(s![.., col..col + width]), &mut buffers.b);
        with_vectors!(width.div_ceil(LANES), |NV| panel::<NV>(job, c, packed, col..col + width));
    }
}

#[derive(Clone, Copy)]
struct Job<'a> {
    simd: V4,
    /// Packed in rows of `stride`.
    a: &'a [u32],
    stride: usize,
    b: Mat<'a, f32>,
    m: usize,
    k: usize,
    start: Start<'a, f32>,
}

/// Some columns of C, which take `NV` vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma")]
fn panel<const NV: usize>(job: Job<'_>, mut c: ArrayViewMut2<'_, f32>, packed: &mut Packed, cols: Range<usize>) {
    let Job { simd, stride, m, k, .. } = job;
    for first in (0..k).step_by(BLOCK) {
        let depth = BLOCK.min(k - first);
        let b = &mut packed.0[..depth.div_ceil(2) * NV * LANES];
        pack(simd, b, job.b, first..first + depth, cols.clone(), NV * LANES);
        let (a, b) = (&job.a[first / 2 * stride..], &*b);
        let start = if first > 0 { Start::Sums } else { job.start.columns(cols.clone()) };
        let (mut row, rows) = (0, &mut c.rows_mut().into_iter());
        while row < m {
            let (a, at) = (&a[row..], (stride, cols.len()));
            row += match m - row {
                ROWS.. => tile::<ROWS, NV>(simd, take(rows), a, b, at, start),
                4.. => tile::<4, NV>(simd, take(rows), a, b, at, start),
                2.. => tile::<2, NV>(simd, take(rows), a, b, at, start),
                _ => tile::<1, NV>(simd, take(rows), a, b, at, start),
            };
        }
    }
}

/// `MR` rows of C by `NV` vectors, of which `width` values exist; a from the tile's first element on, in rows of `stride` values.
/// Returns the number of rows done.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma")]
fn tile<const MR: usize, const NV: usize>(
    simd: V4,
    c: [&mut [f32]; MR],
    a: &[u32],
    b: &[u32],
    (stride, width): (usize, usize),
    start: Start<'_, f32>,
) -> usize {
    let (b, _) = V4::as_simd_u32s(b).0.as_chunks::<NV>();
    let mut sums: [[_; NV]; MR] = first_sums(simd, &c, width, start);
    for (p, b) in b.iter().enumerate() {
        let b = *b;
        let a = a[p * stride..].as_chunks::<MR>().0[0];
        for i in 0..MR {
            let pair = simd.splat_u32s(a[i]);
            for v in 0..NV {
                sums[i][v] = add_products(sums[i][v], pair, b[v]);
            }
        }
    }
    for i in 0..MR {
        store_row(simd, &mut c[i][..width], sums[i]);
    }
    MR
}

/// Each sum plus the products of its two pairs' upper and lower halves, in this order.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add_products(sum: f32x16, a: u32x16, b: u32x16) -> f32x16 {
    // SAFETY: all these types are 512 bits without padding, of which every pattern is valid.
    unsafe {
        let (a, b) = (transmute::<u32x16, __m512bh>(a), transmute::<u32x16, __m512bh>(b));
        transmute::<__m512, f32x16>(_mm512_dpbf16_ps(transmute::<f32x16, __m512>(sum), a, b))
    }
}

/// Pairs of neighbouring rows of B, of some columns, into rows of `stride` values (a multiple of a vector), padded with
/// zeros. An odd last row is paired with zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma")]
fn pack(simd: V4, to: &mut [u32], b: Mat<'_, f32>, rows: Range<usize>, cols: Range<usize>, stride: usize) {
    // what does not exist is an empty row
    let row = |i: usize, n: usize, from: &Range<usize>| {
        if i < n { &b.data[i * b.stride + from.start..][..from.len()] } else { &[] }
    };
    let mut lines = to.chunks_exact_mut(stride).take(rows.len().div_ceil(2));
    if !b.transposed {
        for (p, line) in lines.enumerate() {
            let [first, second] = [0, 1].map(|i| row(rows.start + 2 * p + i, rows.end, &cols));
            for (j, line) in line.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                let at = LANES * j;
                *line = pulp::cast(interleaved(load(simd, first, at), load(simd, second, at)));
            }
        }
        return;
    }
    // Along rows as stored, and then the transpose.
    for l in (0..rows.len()).step_by(2 * LANES) {
        let mut group: [&mut [u32]; LANES] = std::array::from_fn(|_| lines.next().unwrap_or_default());
        for j in (0..stride).step_by(LANES) {
            let mut square = [simd.splat_u32s(0); LANES];
            for (i, line) in square.iter_mut().enumerate() {
                let row = row(cols.start + j + i, cols.end, &rows);
                *line = neighbours(load(simd, row, l), load(simd, row, l + LANES));
            }
            let square = transpose(square);
            for (line, pairs) in group.iter_mut().zip(square) {
                if let Some(to) = line.get_mut(j..j + LANES) {
                    to.copy_from_slice(&pulp::cast::<u32x16, [u32; LANES]>(pairs));
                }
            }
        }
    }
}

/// 16 values of a row from `at` on; what lies beyond its end is zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma")]
pub(super) fn load(simd: V4, row: &[f32], at: usize) -> f32x16 {
    let row = &row[at.min(row.len())..];
    match row.first_chunk::<LANES>() {
        Some(whole) => pulp::cast(*whole),
        None => simd.partial_load_f32s(row),
    }
}

/// Pair i of the values i of both.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn interleaved(first: f32x16, second: f32x16) -> u32x16 {
    const ORDER: [u16; 2 * LANES] = {
        let mut order = [0; 2 * LANES];
        let mut i = 0;
        while i < LANES {
            (order[2 * i], order[2 * i + 1]) = (i as u16, (LANES + i) as u16);
            i += 1;
        }
        order
    };
    pulp::cast(_mm512_permutexvar_epi16(pulp::cast(ORDER), both(first, second)))
}

/// Pair i of the values 2i and 2i + 1 of both in a row.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn neighbours(first: f32x16, second: f32x16) -> u32x16 {
    pulp::cast(_mm512_rol_epi32::<16>(both(second, first)))
}

/// Rounded: the second below the first.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn both(first: f32x16, second: f32x16) -> __m512i {
    let rounded = _mm512_cvtne2ps_pbh(pulp::cast(first), pulp::cast(second));
    // SAFETY: both are 512 bits without padding, of which every pattern is valid.
    unsafe { transmute::<__m512bh, __m512i>(rounded) }
}

/// The transpose of a square: of its squares of four, and then of these.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(rows: [u32x16; LANES]) -> [u32x16; LANES] {
    let mut r: [__m512i; LANES] = pulp::cast(rows);
    for four in r.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *four;
        let (ab, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        *four = [
            _mm512_unpacklo_epi64(ab, cd),
            _mm512_unpackhi_epi64(ab, cd),
            _mm512_unpacklo_epi64(ab_high, cd_high),
            _mm512_unpackhi_epi64(ab_high, cd_high),
        ];
    }
    let mut to = r;
    for i in 0..4 {
        let [a, b, c, d] = [r[i], r[4 + i], r[8 + i], r[12 + i]];
        let (ab, ab_high) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (cd, cd_high) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        to[i] = _mm512_shuffle_i32x4::<0x88>(ab, cd);
        to[4 + i] = _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high);
        to[8 + i] = _mm512_shuffle_i32x4::<0xdd>(ab, cd);
        to[12 + i] = _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high);
    }
    pulp::cast(to)
}
