//! The path with AMX, the matrix unit of Intel's servers (`amx_bf16`): 16 × 16 values of C take 32 products each at once.
//!
//! Stable Rust has its instructions in assembly only. A tile is 16 rows of 64 bytes, 1 KiB. Of A it holds 16 rows of C and of each 16
//! pairs of neighbours along the inner index, of B 16 such pairs (rows) of 16 columns, of C 16 × 16 sums. Both operands are packed
//! as such tiles, padded with zeros. Element C[i, j] is a chain of one addition for each 32 values of the inner index, of the sum of
//! their products (even ones and odd ones apart, then both), and last the start; its bits do not depend on how rows or columns are divided.
//! Subnormal numbers are taken for zero.
//!
//! Half of a product's time is packing; `benches/README.md` says what it gains.

use std::arch::asm;
use std::cell::RefCell;

use ndarray::ArrayViewMut2;
use pulp::x86::V4;
use pulp::{Simd, f32x16, u32x16};

use super::pairs::{interleaved, load, neighbours, transpose};
use crate::numeric::isa::amx_permitted;
use crate::numeric::matrix::{Mat, Start};
use crate::numeric::registers::{first_sums, store_row, take};

/// Rows of a tile, and pairs or columns in each.
const SIDE: usize = 16;
/// Values of the inner index in a tile.
const DEPTH: usize = 2 * SIDE;
/// Rows and columns of C that are summed at once, in two tiles by two.
const SQUARE: usize = 2 * SIDE;

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Tile([u32x16; SIDE]);

const ZERO: Tile = Tile([u32x16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); SIDE]);
const ZEROS: f32x16 = f32x16(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0);

/// Sums of two tiles by two.
#[repr(C, align(64))]
struct Sums([[f32x16; 2]; SQUARE]);

/// Packed operands, as large as they were ever needed, and a place for sums.
struct Buffers {
    /// Of each 16 rows of A the tiles along the inner index.
    a: Vec<Tile>,
    /// Of each 16 columns of B the tiles along the inner index.
    b: Vec<Tile>,
    sums: Sums,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> =
        const { RefCell::new(Buffers { a: Vec::new(), b: Vec::new(), sums: Sums([[ZEROS; 2]; SQUARE]) }) };
}

/// As [`multiply`](super::multiply). `simd` proves that the machine has AVX-512.
pub(super) fn multiply(simd: V4, c: ArrayViewMut2<'_, f32>, a: Mat<'_, f32>, b: Mat<'_, f32>, start: Start<'_, f32>) {
    assert!(amx_permitted() && std::is_x86_feature_detected!("avx512bf16"), "`isa` gives no path without them");
    // SAFETY: a `V4` exists only where all of these features but the last were found; that one and AMX were found above.
    BUFFERS.with_borrow_mut(|buffers| unsafe { multiply_here(simd, c, a, b, start, buffers) });
}

#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma")]
fn multiply_here(
    simd: V4,
    mut c: ArrayViewMut2<'_, f32>,
    a: Mat<'_, f32>,
    b: Mat<'_, f32>,
    start: Start<'_, f32>,
    Buffers { a: a_tiles, b: b_tiles, sums }: &mut Buffers,
) {
    let (m, n) = c.dim();
    let steps = a.shape().1.div_ceil(DEPTH);
    pack(simd, a_tiles, a, steps, a.transposed);
    pack(simd, b_tiles, b.t(), steps, b.transposed);
    configure();
    let rows = &mut c.rows_mut().into_iter();
    for (row, a) in (0..m).step_by(SQUARE).zip(a_tiles.chunks_exact(2 * steps)) {
        let mut c: [&mut [f32]; SQUARE] = take(rows);
        let c = &mut c[..SQUARE.min(m - row)];
        for (col, b) in (0..n).step_by(SQUARE).zip(b_tiles.chunks_exact(2 * steps)) {
            multiply_tiles(a, b, sums);
            let width = SQUARE.min(n - col);
            let start = start.columns(col..col + width);
            for (c, sums) in c.iter_mut().zip(&sums.0) {
                let c = [&mut c[col..col + width]];
                let [mut row]: [[f32x16; 2]; 1] = first_sums(simd, &c, width, start);
                for (row, sums) in row.iter_mut().zip(sums) {
                    *row = simd.add_f32s(*row, *sums);
                }
                let [c] = c;
                store_row(simd, c, row);
            }
        }
    }
    release();
}

/// A matrix whose rows are along the inner index (A, or the transpose of B) as tiles: of each 16 rows those along the inner index, for an
/// even number of such groups. A tile is filled line by line as the values are stored, and then transposed where its use wants it so.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma")]
fn pack(simd: V4, to: &mut Vec<Tile>, x: Mat<'_, f32>, steps: usize, transposed: bool) {
    let groups = x.shape().0.div_ceil(SQUARE) * 2;
    to.resize((groups * steps).max(to.len()), ZERO);
    let row = |i: usize| if i < x.rows { &x.data[i * x.stride..][..x.cols] } else { &[] };
    let turn = |tile: &mut Tile| {
        if transposed {
            tile.0 = transpose(tile.0);
        }
    };
    // in the order in which the values lie in memory
    if x.transposed {
        for step in 0..steps {
            for p in 0..SIDE {
                let [even, odd] = [row(DEPTH * step + 2 * p), row(DEPTH * step + 2 * p + 1)];
                for group in 0..groups {
                    let at = SIDE * group;
                    to[group * steps + step].0[p] = interleaved(load(simd, even, at), load(simd, odd, at));
                }
            }
            for group in 0..groups {
                turn(&mut to[group * steps + step]);
            }
        }
        return;
    }
    for group in 0..groups {
        for i in 0..SIDE {
            let row = row(SIDE * group + i);
            for step in 0..steps {
                let at = DEPTH * step;
                to[group * steps + step].0[i] = neighbours(load(simd, row, at), load(simd, row, at + SIDE));
            }
        }
        for step in 0..steps {
            turn(&mut to[group * steps + step]);
        }
    }
}

/// All tiles have 16 rows of 64 bytes.
fn configure() {
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }
    static CONFIGURATION: Configuration = Configuration {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
        rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    // SAFETY: `multiply` checked that there is AMX; these are 64 bytes as the instruction wants them.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack, readonly, preserves_flags)) };
}

/// Tells the system that the tiles need not be kept.
fn release() {
    // SAFETY: `multiply` checked that there is AMX.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
}

/// The product of two groups of A's tiles and two of B's.
#[inline]
fn multiply_tiles(a: &[Tile], b: &[Tile], sums: &mut Sums) {
    let steps = a.len() / 2;
    assert!(a.len() == 2 * steps && b.len() == 2 * steps && steps > 0);
    // SAFETY: the tiles were configured; each step reads one tile of 1 KiB from each half of a and b, and the end writes all sums. No
    // other code uses the tile registers.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{a} + {line}]",
            "tileloadd tmm6, [{b} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b_right} + {line}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a_low} + {line}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 1024",
            "add {a_low}, 1024",
            "add {b}, 1024",
            "add {b_right}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + 2*{line}], tmm0",
            "tilestored [{sums} + 2*{line} + 64], tmm1",
            "tilestored [{sums} + 2*{line} + 2048], tmm2",
            "tilestored [{sums} + 2*{line} + 2112], tmm3",
            a = inout(reg) a.as_ptr() => _,
            a_low = inout(reg) a[steps..].as_ptr() => _,
            b = inout(reg) b.as_ptr() => _,
            b_right = inout(reg) b[steps..].as_ptr() => _,
            steps = inout(reg) steps => _,
            line = in(reg) 64_usize,
            sums = in(reg) sums,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
