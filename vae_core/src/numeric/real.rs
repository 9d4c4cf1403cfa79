//! The two precisions of the crate: `f32` trains, `f64` checks. All mathematics is written once, over [`Real`].

use ndarray::{ArrayViewMut2, NdFloat};
use rand_distr::{Distribution, StandardNormal};

use super::matrix::{Mat, Start, begin};
use super::{Precision, bf16, isa, product};
use crate::rng::Rng;

/// Fills with draws of N(0, 1), the same in both precisions but for rounding.
pub fn fill_normals<F: Real>(values: &mut [F], rng: &mut Rng) {
    for value in values {
        let normal: f64 = StandardNormal.sample(rng);
        *value = F::of(normal);
    }
}

/// log 2π.
pub const LOG_2PI: f64 = 1.837_877_066_409_345_3;

/// A floating-point number that the model can be made of.
///
/// `exp_v` and its kin are the elementary functions of the training step. For `f32` they are branch-free
/// approximations that a compiler turns into vector code; for `f64` they are the standard library's.
pub trait Real: NdFloat + Default + From<u8> + std::iter::Sum + 'static {
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;
    /// From a double.
    fn of(x: f64) -> Self;
    /// To a double.
    fn f64(self) -> f64;
    /// eˣ.
    fn exp_v(self) -> Self;
    /// eˣ of x ≤ 0.
    fn exp_negative_v(self) -> Self;
    /// tanh x.
    fn tanh_v(self) -> Self;
    /// √x of x ≥ 0.
    fn sqrt_v(self) -> Self;
    /// log(1 + t) for t in \[0, 1\].
    fn ln_1p_v(self) -> Self;
    /// `C ← start + A·B`. Not for general use: [`matmul`](super::gemm::matmul) checks the shapes.
    #[doc(hidden)]
    fn multiply(
        precision: Precision,
        c: ArrayViewMut2<'_, Self>,
        a: Mat<'_, Self>,
        b: Mat<'_, Self>,
        start: Start<'_, Self>,
    );
    /// The slice itself if this is `f32`, for what exists only there.
    #[doc(hidden)]
    fn as_f32(_: &[Self]) -> Option<&[f32]> {
        None
    }
    /// As [`as_f32`](Self::as_f32), to be changed.
    #[doc(hidden)]
    fn as_f32_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
    /// As [`as_f32_mut`](Self::as_f32_mut), of a matrix.
    #[doc(hidden)]
    fn as_f32_view(_: ArrayViewMut2<'_, Self>) -> Option<ArrayViewMut2<'_, f32>> {
        None
    }
}

impl Real for f64 {
    const NAME: &'static str = "f64";
    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn exp_v(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn exp_negative_v(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn tanh_v(self) -> Self {
        self.tanh()
    }
    #[inline(always)]
    fn sqrt_v(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn ln_1p_v(self) -> Self {
        self.ln_1p()
    }

    fn multiply(
        _: Precision,
        mut c: ArrayViewMut2<'_, Self>,
        a: Mat<'_, Self>,
        b: Mat<'_, Self>,
        start: Start<'_, Self>,
    ) {
        let accumulate = !matches!(start, Start::Zero);
        if accumulate {
            begin(&mut c, start);
        }
        let ((m, k), (_, n)) = (a.shape(), b.shape());
        assert!(k == b.shape().0 && a.fits() && b.fits() && c.dim() == (m, n), "shapes are checked by `matmul`");
        let ((a_rs, a_cs), (b_rs, b_cs)) = (a.strides(), b.strides());
        let (a, b, serial) = (a.data.as_ptr(), b.data.as_ptr(), gemm::Parallelism::None);
        let (c_rs, c_cs) = (c.strides()[0], c.strides()[1]);
        // SAFETY: the three matrices were checked above, and `c` is borrowed exclusively.
        unsafe {
            let (c, f, t) = (c.as_mut_ptr(), 1.0, false);
            gemm::gemm(m, n, k, c, c_cs, c_rs, accumulate, a, a_cs, a_rs, b, b_cs, b_rs, f, f, t, t, t, serial);
        }
    }
}

impl Real for f32 {
    const NAME: &'static str = "f32";
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }

    /// Relative error below 2·10⁻⁷ on \[−87, 88\]; 0 below, +∞ above, NaN stays NaN.
    #[inline(always)]
    fn exp_v(self) -> Self {
        let (n, p) = exp_parts(self.clamp(-104.0, 89.0));
        // 2ⁿ in two factors, so that n = 128 overflows to ∞ and n < −126 passes through the subnormals.
        let half = (n * 0.5 + ROUND) - ROUND;
        p * pow2(half) * pow2(n - half)
    }

    /// As `exp_v`, with 0 in place of the subnormals.
    #[inline(always)]
    fn exp_negative_v(self) -> Self {
        let (n, p) = exp_parts(if self < -88.0 { -88.0 } else { self });
        p * pow2(n)
    }

    /// Absolute error below 5·10⁻⁷; a ratio of odd and even polynomials on |x| ≤ 7.9, ±1 beyond (Eigen's coefficients).
    #[inline(always)]
    fn tanh_v(self) -> Self {
        let x = self.clamp(-7.905_311, 7.905_311);
        let y = x * x;
        let mut p = -2.760_768_5e-16;
        for c in [2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619_3e-4, 4.893_524_6e-3] {
            p = p * y + c;
        }
        let mut q = 1.198_258_4e-6;
        for c in [1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3] {
            q = q * y + c;
        }
        x * p / q
    }

    /// Relative error below 3·10⁻⁷; x below 10⁻³⁶ is taken for that (subnormal numbers would cost 20 times the time). Twice as fast as the machine's instruction, which the
    /// optimisers would wait for: 1/√x from its exponent bits (Lomont 2003) and three Newton steps, times x.
    #[inline(always)]
    fn sqrt_v(self) -> Self {
        let x = if self < 1e-36 { 1e-36 } else { self };
        let half = 0.5 * x;
        let mut y = f32::from_bits(0x5f37_5a86_u32.wrapping_sub(x.to_bits() >> 1));
        for _ in 0..3 {
            y *= 1.5 - half * y * y;
        }
        x * y
    }

    /// Relative error below 3·10⁻⁷: log(1 + t) = 2 artanh(t / (2 + t)), by the series of artanh up to s¹⁵.
    #[inline(always)]
    fn ln_1p_v(self) -> Self {
        let s = self / (2.0 + self);
        let y = s * s;
        let mut p = 1.0 / 15.0;
        for c in [1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0, 1.0] {
            p = p * y + c;
        }
        2.0 * s * p
    }

    fn multiply(
        precision: Precision,
        c: ArrayViewMut2<'_, Self>,
        a: Mat<'_, Self>,
        b: Mat<'_, Self>,
        start: Start<'_, Self>,
    ) {
        match precision {
            Precision::F32 => product::multiply(isa::arch(), c, a, b, start),
            Precision::MixedBf16 => bf16::multiply(isa::path(), c, a, b, start),
        }
    }
    fn as_f32(x: &[Self]) -> Option<&[f32]> {
        Some(x)
    }
    fn as_f32_mut(x: &mut [Self]) -> Option<&mut [f32]> {
        Some(x)
    }
    fn as_f32_view(x: ArrayViewMut2<'_, Self>) -> Option<ArrayViewMut2<'_, f32>> {
        Some(x)
    }
}

/// Adding and subtracting it rounds to an integer: 1.5·2²³.
const ROUND: f32 = 12_582_912.0;

/// n and eʳ of x = n ln 2 + r with |r| ≤ ½ ln 2 (ln 2 in two parts), eʳ by its Taylor polynomial: eˣ = 2ⁿ eʳ.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, f32) {
    const LN2_HI: f32 = 0.693_359_4;
    const LN2_LO: f32 = -2.121_944_4e-4;
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = (x - n * LN2_HI) - n * LN2_LO;
    let mut p = 1.0 / 5040.0;
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * r + c;
    }
    (n, p)
}

/// 2ⁿ for an integral n in \[−126, 127\], 0 for −127; anything else (NaN) gives some number, to be multiplied with a NaN.
#[inline(always)]
fn pow2(n: f32) -> f32 {
    // n + 1.5·2²³ holds n in its low mantissa bits: no conversion instruction, no branch
    f32::from_bits((n + 12_583_039.0).to_bits() << 23)
}

/// t = e^(−|x|) and the logistic function 1 / (1 + e⁻ˣ), without overflow for any x. With t, log(1 + eˣ) = max(x, 0) + log(1 + t).
#[inline(always)]
pub fn decay_sigmoid<F: Real>(x: F) -> (F, F) {
    let t = (-x.abs()).exp_negative_v();
    let s = F::one() / (F::one() + t);
    (t, if x > F::zero() { s } else { t * s })
}

/// max(x, 0); 0 for NaN.
#[inline(always)]
pub fn relu<F: Real>(x: F) -> F {
    if x > F::zero() { x } else { F::zero() }
}

/// log(1 + eˣ).
#[inline(always)]
pub fn softplus<F: Real>(x: F) -> F {
    let t = (-x.abs()).exp_negative_v();
    let positive = if x < F::zero() { F::zero() } else { x }; // and NaN, without a branch
    positive + t.ln_1p_v()
}

/// The logistic function 1 / (1 + e⁻ˣ).
#[inline(always)]
pub fn sigmoid<F: Real>(x: F) -> F {
    decay_sigmoid(x).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a sweep, and steps from one to the next: Miri, which is slow, takes few.
    const POINTS: usize = 200_000;
    const STEP: usize = if cfg!(miri) { 500 } else { 1 };

    fn sweep(lo: f32, hi: f32) -> impl Iterator<Item = f32> {
        (0..=POINTS).step_by(STEP).map(move |i| lo + (hi - lo) * i as f32 / POINTS as f32)
    }

    #[test]
    fn exp_is_accurate() {
        for x in sweep(-86.0, 88.0) {
            let exact = f64::from(x).exp();
            assert!((x.exp_v().f64() - exact).abs() <= 2e-7 * exact, "exp({x}) = {} not {exact}", x.exp_v());
        }
        assert_eq!(f32::NEG_INFINITY.exp_v(), 0.0);
        assert_eq!((-200f32).exp_v(), 0.0);
        assert_eq!(f32::INFINITY.exp_v(), f32::INFINITY);
        assert_eq!(100f32.exp_v(), f32::INFINITY);
        assert_eq!(0f32.exp_v(), 1.0);
        assert!(f32::NAN.exp_v().is_nan());
    }

    #[test]
    fn tanh_is_accurate() {
        for x in sweep(-12.0, 12.0) {
            assert!((x.tanh_v().f64() - f64::from(x).tanh()).abs() < 5e-7, "tanh({x}) = {}", x.tanh_v());
        }
        for x in [1e-3f32, -1e-6, 1e-20] {
            assert!((x.tanh_v() / x.tanh() - 1.0).abs() < 1e-6);
        }
        assert!((f32::INFINITY.tanh_v() - 1.0).abs() < 3e-7 && f32::NAN.tanh_v().is_nan());
    }

    #[test]
    fn sqrt_is_accurate() {
        for x in (0..190_000).step_by(STEP).map(|i| 1.1e-36 * (i as f32 * 8.6e-4).exp()) {
            let exact = f64::from(x).sqrt();
            assert!((x.sqrt_v().f64() - exact).abs() <= 3e-7 * exact, "√{x} = {} not {exact}", x.sqrt_v());
        }
        assert!(0f32.sqrt_v() < 1.1e-18 && f32::NAN.sqrt_v().is_nan());
        assert!(f32::MAX.sqrt_v().is_finite());
    }

    #[test]
    fn softplus_and_sigmoid_are_accurate() {
        for x in sweep(-60.0, 60.0) {
            let (sp, sg) = (softplus(x), sigmoid(x));
            let (sp64, sg64) = (softplus(f64::from(x)), sigmoid(f64::from(x)));
            assert!((sp.f64() - sp64).abs() <= 4e-7 * sp64, "softplus({x}) = {sp} not {sp64}");
            assert!((sg.f64() - sg64).abs() <= 4e-7 * sg64, "sigmoid({x}) = {sg} not {sg64}");
        }
        for x in sweep(-86.0, 0.0) {
            assert_eq!(x.exp_negative_v().to_bits(), x.exp_v().to_bits(), "{x}");
        }
        for x in sweep(-120.0, -87.4) {
            assert!(x.exp_negative_v() < f32::MIN_POSITIVE, "{x}");
        }
        assert_eq!((softplus(f32::INFINITY), sigmoid(f32::INFINITY)), (f32::INFINITY, 1.0));
        assert_eq!((softplus(f32::NEG_INFINITY), sigmoid(f32::NEG_INFINITY)), (0.0, 0.0));
        assert!(softplus(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && f32::NAN.exp_negative_v().is_nan());
        assert_eq!(softplus(-800f64), 0.0);
        assert!((softplus(0.3f64) - 0.3f64.exp().ln_1p()).abs() < 1e-15);
    }
}
