//! Loops over slices, compiled for the vector units that the machine has (chosen at run time).
//!
//! Every loop is element by element, without fused multiply-add, so its bits do not depend on the vector width. Sums
//! are taken in [`LANES`] fixed partial sums for the same reason.

use std::ops::Range;

use super::{Real, isa};

/// Consumed by the closures below, so that they can be called only once: a closure that could be called again reaches
/// the vector code through a shim that is not inlined, and is then compiled for the baseline machine.
struct Once;

impl Once {
    #[inline(always)]
    fn spend(self) {}
}

/// Runs the expression compiled for the machine's vector units.
macro_rules! vectorised {
    ($body:expr) => {{
        let once = Once;
        isa::arch().dispatch(
            #[inline(always)]
            move || {
                once.spend();
                $body
            },
        )
    }};
}

/// Number of partial sums of a reduction.
pub const LANES: usize = 16;

/// `y ← f(y)`.
#[inline(always)]
pub fn map<F: Real>(y: &mut [F], f: impl Fn(F) -> F) {
    vectorised!({
        for y in y.iter_mut() {
            *y = f(*y);
        }
    });
}

/// `y ← f(x)`; the slices have the same length.
#[inline(always)]
pub fn map_bytes<F: Real>(y: &mut [F], x: &[u8], f: impl Fn(F) -> F) {
    debug_assert_eq!(y.len(), x.len());
    vectorised!({
        for (y, &x) in y.iter_mut().zip(x) {
            *y = f(x.into());
        }
    });
}

/// `y ← f(y, x)`; the slices have the same length.
#[inline(always)]
pub fn zip<F: Real>(y: &mut [F], x: &[F], f: impl Fn(F, F) -> F) {
    debug_assert_eq!(y.len(), x.len());
    vectorised!({
        for (y, &x) in y.iter_mut().zip(x) {
            *y = f(*y, x);
        }
    });
}

/// `(y, z) ← f(y, z, x)`; the slices have the same length.
#[inline(always)]
pub fn zip2<F: Real>(y: &mut [F], z: &mut [F], x: &[F], f: impl Fn(F, F, F) -> (F, F)) {
    debug_assert!(y.len() == x.len() && z.len() == x.len());
    vectorised!({
        for ((y, z), &x) in y.iter_mut().zip(z.iter_mut()).zip(x) {
            (*y, *z) = f(*y, *z, x);
        }
    });
}

/// `(w, y, z) ← f(w, y, z, x)`; the slices have the same length.
#[inline(always)]
pub fn zip3<F: Real>(w: &mut [F], y: &mut [F], z: &mut [F], x: &[F], f: impl Fn(F, F, F, F) -> (F, F, F)) {
    debug_assert!(w.len() == x.len() && y.len() == x.len() && z.len() == x.len());
    vectorised!({
        for (((w, y), z), &x) in w.iter_mut().zip(y.iter_mut()).zip(z.iter_mut()).zip(x) {
            (*w, *y, *z) = f(*w, *y, *z, x);
        }
    });
}

/// `f(y, x)` updates `y` in place and returns a term; the terms are summed.
#[inline(always)]
pub fn zip_sum<F: Real>(y: &mut [F], x: &[F], f: impl Fn(&mut F, F) -> F) -> F {
    vectorised!(laned(
        y.len(),
        #[inline(always)]
        |range, terms| {
            for ((term, y), &x) in terms.iter_mut().zip(&mut y[range.clone()]).zip(&x[range]) {
                *term = f(y, x);
            }
        },
    ))
}

/// As [`zip_sum`], with two slices updated in place.
#[inline(always)]
pub fn zip2_sum<F: Real>(y: &mut [F], z: &mut [F], x: &[F], f: impl Fn(&mut F, &mut F, F) -> F) -> F {
    vectorised!(laned(
        y.len(),
        #[inline(always)]
        |range, terms| {
            let updated = y[range.clone()].iter_mut().zip(&mut z[range.clone()]);
            for ((term, (y, z)), &x) in terms.iter_mut().zip(updated).zip(&x[range]) {
                *term = f(y, z, x);
            }
        },
    ))
}

/// Σ f(x, y).
#[inline(always)]
pub fn sum2<F: Real>(x: &[F], y: &[F], f: impl Fn(F, F) -> F) -> F {
    vectorised!(laned(
        x.len(),
        #[inline(always)]
        |range, terms| {
            for ((term, &x), &y) in terms.iter_mut().zip(&x[range.clone()]).zip(&y[range]) {
                *term = f(x, y);
            }
        },
    ))
}

/// Σ f(x, y, z).
#[inline(always)]
pub fn sum3<F: Real>(x: &[F], y: &[F], z: &[F], f: impl Fn(F, F, F) -> F) -> F {
    vectorised!(laned(
        x.len(),
        #[inline(always)]
        |range, terms| {
            let pairs = x[range.clone()].iter().zip(&y[range.clone()]);
            for ((term, (&x, &y)), &z) in terms.iter_mut().zip(pairs).zip(&z[range]) {
                *term = f(x, y, z);
            }
        },
    ))
}

/// Terms that are computed before they are summed, a multiple of [`LANES`].
const BLOCK: usize = 512;

/// Σ_i of n terms in [`LANES`] partial sums, term i in lane i mod `LANES`; `fill(range, terms)` computes some of them. Two
/// loops, because the compiler makes vector code of each, and scalar code of one that does both.
#[inline(always)]
fn laned<F: Real>(n: usize, mut fill: impl FnMut(Range<usize>, &mut [F])) -> F {
    let mut sums = [F::zero(); LANES];
    let mut terms = [F::zero(); BLOCK];
    for start in (0..n).step_by(BLOCK) {
        let terms = &mut terms[..BLOCK.min(n - start)];
        fill(start..start + terms.len(), terms);
        let (whole, rest) = terms.as_chunks::<LANES>();
        for terms in whole {
            for lane in 0..LANES {
                sums[lane] += terms[lane];
            }
        }
        for (sum, term) in sums.iter_mut().zip(rest) {
            *sum += *term;
        }
    }
    total(sums)
}

/// The sum of the lanes, pairwise.
#[inline(always)]
fn total<F: Real>(mut sums: [F; LANES]) -> F {
    let mut n = LANES;
    while n > 1 {
        n /= 2;
        for lane in 0..n {
            let other = sums[lane + n];
            sums[lane] += other;
        }
    }
    sums[0]
}

/// `sums ← sums + Σ_rows a`: the column sums of a row-major matrix with `sums.len()` columns.
pub fn add_columns<F: Real>(sums: &mut [F], a: &[F]) {
    for row in a.chunks_exact(sums.len().max(1)) {
        zip(sums, row, |s, v| s + v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_agree_with_plain_loops() {
        for n in [0, 1, 15, 16, 17, 100, 784] {
            let x: Vec<f64> = (0..n).map(|i| f64::from(i as u32).sin()).collect();
            let mut y = vec![1.0; n];
            let sum = zip_sum(&mut y, &x, |y, x| {
                *y += x;
                x * x
            });
            assert!((sum - x.iter().map(|v| v * v).sum::<f64>()).abs() < 1e-12);
            assert!(y.iter().zip(&x).all(|(y, x)| *y == 1.0 + x));
        }
    }

    #[test]
    fn column_sums_of_a_small_matrix() {
        let mut sums = [0.0f32; 3];
        add_columns(&mut sums, &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
        assert_eq!(sums, [11.0, 22.0, 33.0]);
        add_columns(&mut sums, &[]);
        assert_eq!(sums, [11.0, 22.0, 33.0]);
    }
}
