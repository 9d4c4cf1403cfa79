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

/// `f(y, x)` updates `y` in place and returns a term and a factor in \[1, 2\]: the sum of the terms minus the logarithm of the
/// product of the factors.
#[inline(always)]
pub fn zip_sum_log<F: Real>(y: &mut [F], x: &[F], f: impl Fn(&mut F, F) -> (F, F)) -> F {
    vectorised!(laned_log(
        y.len(),
        #[inline(always)]
        |range, terms, factors| {
            let places = terms.iter_mut().zip(factors);
            for ((place, y), &x) in places.zip(&mut y[range.clone()]).zip(&x[range]) {
                (*place.0, *place.1) = f(y, x);
            }
        },
    ))
}

/// As [`zip_sum_log`], of two slices that stay as they are.
#[inline(always)]
pub fn sum_log<F: Real>(x: &[F], y: &[F], f: impl Fn(F, F) -> (F, F)) -> F {
    vectorised!(laned_log(
        x.len(),
        #[inline(always)]
        |range, terms, factors| {
            let places = terms.iter_mut().zip(factors);
            for ((place, &x), &y) in places.zip(&x[range.clone()]).zip(&y[range]) {
                (*place.0, *place.1) = f(x, y);
            }
        },
    ))
}

/// `f(y, z, x)` updates `y` and `z` in place and returns a term; the terms are summed.
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

/// Whether |x| is below the limit for all x; a NaN is not.
pub fn all_below<F: Real>(x: &[F], limit: F) -> bool {
    let beyond = |x: F| if x.abs() < limit { F::zero() } else { F::one() };
    let beyond = vectorised!({
        let mut counts = [[F::zero(); LANES]; 4]; // so that no addition waits for the one before
        let (whole, rest) = x.as_chunks::<LANES>();
        let (fours, others) = whole.as_chunks::<4>();
        for four in fours {
            for (counts, x) in counts.iter_mut().zip(four) {
                for lane in 0..LANES {
                    counts[lane] += beyond(x[lane]);
                }
            }
        }
        let rest = others.as_flattened().iter().chain(rest);
        counts.as_flattened().iter().copied().sum::<F>() + rest.map(|x| beyond(*x)).sum::<F>()
    });
    beyond == F::zero()
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
const BLOCK: usize = 400;
/// Blocks of factors of up to 2 whose product an `f64` can hold, and that of one lane an `f32`.
const FACTOR_BLOCKS: usize = 2;

/// Σ_i of n terms in [`LANES`] partial sums, term i in lane i mod `LANES`; `fill(range, terms)` computes some of them. Two
/// loops, because the compiler makes vector code of each, and scalar code of one that does both.
#[inline(always)]
fn laned<F: Real>(n: usize, mut fill: impl FnMut(Range<usize>, &mut [F])) -> F {
    let mut sums = [F::zero(); LANES];
    let mut terms = [F::zero(); BLOCK];
    for start in (0..n).step_by(BLOCK) {
        let terms = &mut terms[..BLOCK.min(n - start)];
        fill(start..start + terms.len(), terms);
        into_lanes(
            &mut sums,
            terms,
            #[inline(always)]
            |sum, term| sum + term,
        );
    }
    pairwise(
        sums,
        #[inline(always)]
        |a, b| a + b,
    )
}

/// Σ_i of n terms minus log Π_i of as many factors in \[1, 2\], as [`laned`].
#[inline(always)]
fn laned_log<F: Real>(n: usize, mut fill: impl FnMut(Range<usize>, &mut [F], &mut [F])) -> F {
    let mut factors = [F::one(); BLOCK];
    let (mut products, mut blocks, mut log) = ([F::one(); LANES], 0, 0.0);
    let sum = laned(
        n,
        #[inline(always)]
        |range, terms| {
            let factors = &mut factors[..terms.len()];
            fill(range, terms, factors);
            if blocks == FACTOR_BLOCKS {
                log += log_of_product(products);
                (products, blocks) = ([F::one(); LANES], 0);
            }
            into_lanes(
                &mut products,
                factors,
                #[inline(always)]
                |product, factor| product * factor,
            );
            blocks += 1;
        },
    );
    sum - F::of(log + log_of_product(products))
}

#[inline(always)]
fn log_of_product<F: Real>(lanes: [F; LANES]) -> f64 {
    let product = pairwise(
        lanes.map(F::f64),
        #[inline(always)]
        |a, b| a * b,
    );
    product.ln()
}

/// `lanes[i mod LANES] ← f(lanes[i mod LANES], values[i])`, in the order of i.
#[inline(always)]
fn into_lanes<F: Real>(lanes: &mut [F; LANES], values: &[F], f: impl Fn(F, F) -> F) {
    let (whole, rest) = values.as_chunks::<LANES>();
    for values in whole {
        for i in 0..LANES {
            lanes[i] = f(lanes[i], values[i]);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = f(*lane, *value);
    }
}

/// All lanes in one, pairwise.
#[inline(always)]
fn pairwise<F: Real>(mut lanes: [F; LANES], f: impl Fn(F, F) -> F) -> F {
    let mut n = LANES;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = f(lanes[i], lanes[i + n]);
        }
    }
    lanes[0]
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
            let (mut y, mut z) = (vec![1.0; n], vec![2.0; n]);
            let sum = zip2_sum(&mut y, &mut z, &x, |y, z, x| {
                (*y, *z) = (*y + x, *z - x);
                x * x
            });
            assert!((sum - x.iter().map(|v| v * v).sum::<f64>()).abs() < 1e-12);
            assert!(all_below(&x, 1.1) && (n == 0 || !all_below(&x, 0.0)));
            for bad in [f64::NAN, f64::NEG_INFINITY, 2.0] {
                // first, last, and in every place of a vector of lanes
                for at in (0..n).filter(|at| at % 47 == 0 || at + 1 == n) {
                    let mut x = x.clone();
                    x[at] = bad;
                    assert!(!all_below(&x, 1.1), "{bad} at {at} of {n}");
                }
            }
            assert!(y.iter().zip(&z).zip(&x).all(|((y, z), x)| *y == 1.0 + x && *z == 2.0 - x));
        }
    }

    /// With 3000 factors of 2, whose product no number holds, and with none.
    #[test]
    fn sums_of_logarithms_agree_with_plain_loops() {
        for n in [0, 1, 15, 16, 17, 399, 400, 784, 801, 3000] {
            let x: Vec<f64> = (0..n).map(|i| f64::from(i as u32).sin()).collect();
            let twos = vec![2.0; n];
            let plain = x.iter().sum::<f64>() - n as f64 * 2f64.ln();
            assert!((sum_log(&x, &twos, |x, two| (x, two)) - plain).abs() < 1e-10);
            let (x32, mut y) = (x.iter().map(|x| *x as f32).collect::<Vec<_>>(), vec![1.0; n]);
            let found = zip_sum_log(&mut y, &x32, |y, x| {
                *y += x;
                (x, 1.0 + x.abs())
            });
            let plain = x32.iter().map(|x| f64::from(*x) - f64::from(1.0 + x.abs()).ln()).sum::<f64>();
            assert!((f64::from(found) - plain).abs() < 1e-6 * (n as f64 + 1.0), "{found} {plain}");
            assert!(y.iter().zip(&x32).all(|(y, x)| *y == 1.0 + x));
        }
        assert!(sum_log(&[0.0], &[f32::NAN], |x, y| (x, y)).is_nan());
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
