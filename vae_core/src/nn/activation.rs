//! Activation functions and their derivatives.

use serde::{Deserialize, Serialize};

use crate::numeric::real::{sigmoid, softplus};
use crate::numeric::{Real, vmath};

/// The nonlinearity of a hidden layer, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// h = a: output layers.
    Identity,
    /// h = tanh a, the paper's choice.
    #[default]
    Tanh,
    /// h = 1 / (1 + e⁻ᵃ).
    Sigmoid,
    /// h = max(a, 0).
    Relu,
    /// h = log(1 + eᵃ).
    Softplus,
    /// h = ½ a (1 + tanh(√(2/π) (a + 0.044715 a³))), the tanh form of Hendrycks & Gimpel (2016).
    Gelu,
}

const GELU_SCALE: f64 = 0.797_884_560_802_865_4; // √(2/π)
const GELU_CUBIC: f64 = 0.044_715;

impl Activation {
    /// Whether [`backward`](Self::backward) needs the input `a`; otherwise the output is enough.
    pub fn needs_input(self) -> bool {
        self == Self::Gelu
    }

    /// `a ← f(a)`, element by element.
    pub fn forward<F: Real>(self, a: &mut [F]) {
        match self {
            Self::Identity => {}
            Self::Tanh => vmath::map(a, |a| a.tanh_v()),
            Self::Sigmoid => vmath::map(a, sigmoid),
            // written so that NaN passes
            Self::Relu => vmath::map(a, |a| if a < F::zero() { F::zero() } else { a }),
            Self::Softplus => vmath::map(a, softplus),
            Self::Gelu => {
                let (half, scale, cubic) = (F::of(0.5), F::of(GELU_SCALE), F::of(GELU_CUBIC));
                vmath::map(a, |a| half * a * (F::one() + (scale * (a + cubic * a * a * a)).tanh_v()));
            }
        }
    }

    /// `δ ← δ ⊙ f′(a)`. `saved` is the output f(a), or the input a where [`needs_input`](Self::needs_input).
    pub fn backward<F: Real>(self, delta: &mut [F], saved: &[F]) {
        let one = F::one();
        match self {
            Self::Identity => {}
            Self::Tanh => vmath::zip(delta, saved, |d, h| d * (one - h * h)),
            Self::Sigmoid => vmath::zip(delta, saved, |d, h| d * h * (one - h)),
            Self::Relu => vmath::zip(delta, saved, |d, h| if h > F::zero() { d } else { F::zero() }),
            // f′ = sigmoid(a) = 1 − e⁻ʰ
            Self::Softplus => vmath::zip(delta, saved, |d, h| d * (one - (-h).exp_v())),
            Self::Gelu => {
                let (half, scale, cubic) = (F::of(0.5), F::of(GELU_SCALE), F::of(GELU_CUBIC));
                let three = F::of(3.0);
                vmath::zip(delta, saved, |d, a| {
                    let t = (scale * (a + cubic * a * a * a)).tanh_v();
                    d * half * (one + t + a * (one - t * t) * scale * (one + three * cubic * a * a))
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const ALL: [Activation; 6] = [
        Activation::Identity,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Relu,
        Activation::Softplus,
        Activation::Gelu,
    ];

    fn value(f: Activation, a: f64) -> f64 {
        let mut y = [a];
        f.forward(&mut y);
        y[0]
    }

    proptest! {
        #[test]
        fn derivative_is_that_of_the_function(a in -6.0f64..6.0) {
            prop_assume!(a.abs() > 1e-4); // ReLU has a kink at 0
            for f in ALL {
                let mut d = [1.0];
                f.backward(&mut d, &[if f.needs_input() { a } else { value(f, a) }]);
                let h = 1e-5;
                let numeric = (value(f, a + h) - value(f, a - h)) / (2.0 * h);
                prop_assert!((d[0] - numeric).abs() < 1e-8, "{f:?} at {a}: {} not {numeric}", d[0]);
            }
        }

        #[test]
        fn single_precision_agrees_with_double(a in -30.0f32..30.0) {
            for f in ALL {
                let mut y = [a];
                f.forward(&mut y);
                let exact = value(f, f64::from(a));
                prop_assert!((f64::from(y[0]) - exact).abs() < 1e-6 * (1.0 + exact.abs()), "{f:?} at {a}");
            }
        }
    }

    #[test]
    fn nan_is_passed_on() {
        for f in ALL {
            let mut y = [f32::NAN];
            f.forward(&mut y);
            assert!(y[0].is_nan(), "{f:?}");
        }
    }
}
