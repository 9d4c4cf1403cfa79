//! Rows of vectors between memory and registers: what the products share.

use ndarray::ArrayViewMut1;
use pulp::Simd;

use super::matrix::Start;

/// Does something with the constant `NV`, the number of vectors in a panel: 1 to 4.
macro_rules! with_vectors {
    ($count:expr, |$nv:ident| $body:expr) => {
        match $count {
            1 => {
                const $nv: usize = 1;
                $body
            }
            2 => {
                const $nv: usize = 2;
                $body
            }
            3 => {
                const $nv: usize = 3;
                $body
            }
            _ => {
                const $nv: usize = 4;
                $body
            }
        }
    };
}
pub(super) use with_vectors;

/// The next rows. Whoever takes them cuts all to one width, so that the compiler sees that they agree: without that it keeps no sums
/// in registers.
#[inline(always)]
pub(super) fn take<'a, const MR: usize>(
    rows: &mut impl Iterator<Item = ArrayViewMut1<'a, f32>>,
) -> [&'a mut [f32]; MR] {
    std::array::from_fn(|_| rows.next().and_then(ArrayViewMut1::into_slice).unwrap_or_default())
}

/// Adds `value(i)` times a row of B to each row's sums. Loops over indices, which the compiler unrolls early enough to keep all sums in
/// registers.
#[inline(always)]
pub(super) fn add_outer<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    sums: &mut [[S::f32s; NV]; MR],
    value: impl Fn(usize) -> f32,
    b: [S::f32s; NV],
) {
    for (i, sums) in sums.iter_mut().enumerate() {
        let value = simd.splat_f32s(value(i));
        for v in 0..NV {
            sums[v] = simd.mul_add_e_f32s(value, b[v], sums[v]);
        }
    }
}

/// Calls for the cache line of a value, which need not exist.
#[inline(always)]
pub(super) fn call_for(values: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing and cannot fail, whatever the address; SSE is part of every x86-64 machine.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, at);
}

/// What the sums of `MR` rows of C, `width` values wide, begin with.
#[inline(always)]
pub(super) fn first_sums<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    c: &[&mut [f32]; MR],
    width: usize,
    start: Start<'_, f32>,
) -> [[S::f32s; NV]; MR] {
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    match start {
        Start::Zero => {}
        Start::Row(row) => sums = [load_row(simd, row); MR],
        Start::Sums => {
            for i in 0..MR {
                sums[i] = load_row(simd, &c[i][..width]);
            }
        }
    }
    sums
}

/// A row of at most `NV` vectors from memory; what lies beyond it is zero.
///
/// Only constant indices into the vectors, here and below: a variable one would force them out of the registers.
#[inline(always)]
pub(super) fn load_row<S: Simd, const NV: usize>(simd: S, from: &[f32]) -> [S::f32s; NV] {
    let (whole, _) = S::as_simd_f32s(from);
    if let Ok(whole) = whole.try_into() {
        return whole;
    }
    let mut row = [simd.splat_f32s(0.0); NV];
    for (v, part) in row.iter_mut().enumerate() {
        let rest = &from[(v * S::F32_LANES).min(from.len())..];
        *part = simd.partial_load_f32s(&rest[..S::F32_LANES.min(rest.len())]);
    }
    row
}

/// The reverse of [`load_row`].
#[inline(always)]
pub(super) fn store_row<S: Simd, const NV: usize>(simd: S, to: &mut [f32], row: [S::f32s; NV]) {
    let (whole, _) = S::as_mut_simd_f32s(to);
    if let Ok(whole) = <&mut [S::f32s; NV]>::try_from(whole) {
        *whole = row;
        return;
    }
    for (v, part) in row.into_iter().enumerate() {
        let start = (v * S::F32_LANES).min(to.len());
        let rest = &mut to[start..];
        let width = S::F32_LANES.min(rest.len());
        simd.partial_store_f32s(&mut rest[..width], part);
    }
}
