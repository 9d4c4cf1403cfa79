//! Mixed precision: products of values rounded to bf16, summed in `f32`.
//!
//! bf16 is the upper half of an `f32`: its range, with 8 bits of precision instead of 24. Rounding is to nearest, ties to even;
//! NaN stays NaN. The product of two such values is exact in `f32`, so C[i, j] is, as in `product`, one chain of
//! additions in the order of the inner index, and its bits do not depend on how rows or columns are divided, nor on the inner
//! index if that is divided at even places.
//!
//! Two paths. With AVX512-BF16 (path `avx512` on Zen 4, Cooper Lake, Sapphire Rapids and later) both operands are packed as
//! pairs of neighbours along the inner index, and one instruction adds two products to each of 16 sums; the first of a pair lies
//! in the upper half, which the instruction adds first. Elsewhere copies of the operands are rounded and multiplied by the `f32`
//! kernel, which takes a little longer than without. The two have agreed in all bits wherever tried (Sapphire Rapids and Zen 5;
//! Intel's manual defines it so), but for results below 2⁻¹²⁶, which the instruction takes for zero; the tests ask for a
//! tolerance only, in case another maker's rounds otherwise.
//!
//! Whether it pays is the machine's choice: on Zen 5 the instruction does nearly twice the operations of an `f32` multiply-add in
//! the same time (500 against 275 GFLOP/s a core), and a training step takes three quarters of the time. On Sapphire Rapids it
//! does half (78 against 165), and mixed precision is *slower*: `cargo bench -p vae_core --bench kernels` compares.

use std::cell::RefCell;

use ndarray::ArrayViewMut2;
use pulp::Arch;
use serde::{Deserialize, Serialize};

use super::gemm::{Mat, Start};
use super::product;

/// The precision of a training step's dense products. Everything else is `f32`: parameters, sums, the optimiser, elementary
/// functions, evaluation, inference and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// `f32` throughout.
    #[default]
    F32,
    /// Activations, weights and δ are rounded to bf16 where a product reads them, and summed in `f32`. A first layer that
    /// [leaves out the zeros](super::block_sparse) of its input stays in `f32`. Models in `f64` do not know it.
    MixedBf16,
}

impl Precision {
    /// Whether this is the default, which configurations do not mention.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
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
pub(super) fn multiply(arch: Arch, c: ArrayViewMut2<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, start: Start<'_, f32>) {
    if c.is_empty() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = super::isa::bf16(arch) {
        return pairs::multiply(simd, c, a, b, start);
    }
    ROUNDED.with_borrow_mut(|[a_rounded, b_rounded]| {
        product::multiply(arch, c, rounded(a, a_rounded), rounded(b, b_rounded), start);
    });
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

/// The path with `vdpbf16ps`. Built as `product` is; that A is packed too is the difference.
#[cfg(target_arch = "x86_64")]
mod pairs {
    use std::arch::x86_64::*;
    use std::cell::RefCell;
    use std::mem::transmute;
    use std::ops::Range;

    use ndarray::{ArrayViewMut2, s};
    use pulp::x86::V4;
    use pulp::{Simd, f32x16, u32x16};

    use super::super::gemm::{Mat, Start};
    use super::super::product::{first_sums, panels, store_row, take, with_vectors};

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
    pub(super) fn multiply(
        simd: V4,
        c: ArrayViewMut2<'_, f32>,
        a: Mat<'_, f32>,
        b: Mat<'_, f32>,
        start: Start<'_, f32>,
    ) {
        assert!(std::is_x86_feature_detected!("avx512bf16"), "`isa::bf16` gives no path without it");
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
        for (col, width) in panels::<V4>(n) {
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
    fn load(simd: V4, row: &[f32], at: usize) -> f32x16 {
        let row = &row[at.min(row.len())..];
        match row.first_chunk::<LANES>() {
            Some(whole) => pulp::cast(*whole),
            None => simd.partial_load_f32s(row),
        }
    }

    /// Pair i of the values i of both.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn interleaved(first: f32x16, second: f32x16) -> u32x16 {
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
    fn neighbours(first: f32x16, second: f32x16) -> u32x16 {
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
    fn transpose(rows: [u32x16; LANES]) -> [u32x16; LANES] {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::numeric::gemm::matmul_in;
    use crate::numeric::isa;
    use crate::numeric::product::tests::{by_halves, mat, values, view};
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
        for x in values(10_000, 0.37) {
            assert!((round(x) - x).abs() <= x.abs() / 256.0 && round(round(x)) == round(x));
        }
    }

    proptest! {
        /// Σ of products of rounded values in f64, within the rounding of a chain of k additions in f32.
        #[test]
        fn agrees_with_the_definition_on_every_path(
            m in 0usize..40, n in 0usize..150, k in 1usize..600, ta: bool, tb: bool, which in 0usize..3,
        ) {
            let (a, b, sums) = (values(m * k, 0.7), values(k * n, 1.3), values(m * n, 0.3));
            let start = [Start::Zero, Start::Sums, Start::Row(&sums[..n.min(sums.len())])][which];
            let at = |i: usize, l: usize| f64::from(round(if ta { a[l * m + i] } else { a[i * k + l] }));
            let bt = |l: usize, j: usize| f64::from(round(if tb { b[j * k + l] } else { b[l * n + j] }));
            let mut in_f32: Option<Vec<f32>> = None;
            for (name, arch) in isa::all() {
                let mut c = sums.clone();
                multiply(arch, view(&mut c, m, n), mat(&a, m, k, ta), mat(&b, k, n, tb), start);
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
                if name != "avx512" {
                    prop_assert!(in_f32.get_or_insert_with(|| c.clone()) == &c, "{name} has other bits");
                }
            }
        }

        #[test]
        fn bits_do_not_depend_on_how_the_work_is_divided(
            m in 1usize..30, n in 1usize..140, k in 1usize..600, cut in 0.0f64..1.0, ta: bool, tb: bool,
        ) {
            let (a, b) = (values(m * k, 0.7), values(k * n, 1.3));
            let at = |i: usize, l: usize| if ta { a[l * m + i] } else { a[i * k + l] };
            let bt = |l: usize, j: usize| if tb { b[j * k + l] } else { b[l * n + j] };
            for (name, arch) in isa::all() {
                let mut whole = vec![0.0; m * n];
                multiply(arch, view(&mut whole, m, n), mat(&a, m, k, ta), mat(&b, k, n, tb), Start::Zero);
                let split = (cut * m as f64) as usize;
                let rows = |rows: std::ops::Range<usize>| {
                    let (part, mut c) = (stored(rows.len(), k, ta, |i, l| at(rows.start + i, l)), vec![0.0; rows.len() * n]);
                    multiply(arch, view(&mut c, rows.len(), n), mat(&part, rows.len(), k, ta), mat(&b, k, n, tb), Start::Zero);
                    c
                };
                prop_assert_eq!([rows(0..split), rows(split..m)].concat(), whole.clone(), "{}", name);
                let split = (cut * n as f64) as usize;
                let c = by_halves((m, n, k), split, (&b, tb), |c, b| multiply(arch, c, mat(&a, m, k, ta), b, Start::Zero));
                prop_assert_eq!(&c, &whole);
                let split = (cut * k as f64) as usize / 2 * 2;
                let mut c = vec![0.0; m * n];
                for (part, start) in [(0..split, Start::Zero), (split..k, Start::Sums)] {
                    let a = stored(m, part.len(), ta, |i, l| at(i, part.start + l));
                    let b = stored(part.len(), n, tb, |l, j| bt(part.start + l, j));
                    let (a, b) = (mat(&a, m, part.len(), ta), mat(&b, part.len(), n, tb));
                    if !part.is_empty() {
                        multiply(arch, view(&mut c, m, n), a, b, start);
                    }
                }
                prop_assert_eq!(c, whole);
            }
        }

        #[test]
        fn nan_and_infinity_reach_exactly_their_row_and_column(
            m in 1usize..20, n in 1usize..70, k in 1usize..300, at in any::<[prop::sample::Index; 3]>(), which in 0usize..3,
        ) {
            // the last rounds to infinity
            let bad = [f32::NAN, f32::INFINITY, f32::MAX][which];
            let (i, l, j) = (at[0].index(m), at[1].index(k), at[2].index(n));
            for (name, arch) in isa::all() {
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

        /// Columns of a wider matrix, as the strips of a weight gradient take them.
        #[test]
        fn columns_are_taken_where_they_lie(k in 1usize..40, wide in 1usize..60, cut in any::<[prop::sample::Index; 2]>()) {
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
