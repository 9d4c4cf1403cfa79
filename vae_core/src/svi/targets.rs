//! Densities of two dimensions that no Gaussian with a diagonal covariance has, each known in closed form: what an inference that can do more
//! must find (section 7).
//!
//! As a [`LogJoint`] the likelihood is t(θ) / N(θ; 0, I), so that t is the posterior, the evidence is 1, and a bound is −D_KL(q ‖ t).

use statrs::function::erf::erf;

use super::log_joint::LogJoint;
use crate::numeric::real::LOG_2PI;

/// A density t over the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// ½ N((−1.5, 0), 0.5² I) + ½ N((1.5, 0), 0.5² I).
    TwoModes,
    /// θ₁ ~ N(0, 1), θ₂ ~ N(½ θ₁² − 1, 0.3²).
    Banana,
    /// exp(−½ ((|θ| − 1.5) / 0.25)²), normalised.
    Ring,
}

/// Half the distance of the modes and their standard deviation; the banana's width; the ring's radius and width.
const MODE: f64 = 1.5;
const MODE_SD: f64 = 0.5;
const BANANA_SD: f64 = 0.3;
const RADIUS: f64 = 1.5;
const RING_SD: f64 = 0.25;

impl Target {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TwoModes, Self::Banana, Self::Ring];

    /// log t(θ), and its gradient, overwritten.
    pub fn log_density(self, theta: &[f64], gradient: &mut [f64]) -> f64 {
        let (a, b) = (theta[0], theta[1]);
        match self {
            Self::TwoModes => {
                let precision = MODE_SD.powi(-2);
                let log_mode = |centre: f64| -0.5 * precision * ((a - centre).powi(2) + b * b);
                let (left, right) = (log_mode(-MODE), log_mode(MODE));
                let most = left.max(right);
                let sum = (left - most).exp() + (right - most).exp();
                let share = (right - most).exp() / sum;
                gradient[0] = -precision * (a - MODE * (2.0 * share - 1.0));
                gradient[1] = -precision * b;
                most + (0.5 * sum).ln() - LOG_2PI - 2.0 * MODE_SD.ln()
            }
            Self::Banana => {
                let precision = BANANA_SD.powi(-2);
                let off = b - 0.5 * a * a + 1.0;
                gradient[0] = -a + a * off * precision;
                gradient[1] = -off * precision;
                -0.5 * (a * a + off * off * precision) - LOG_2PI - BANANA_SD.ln()
            }
            Self::Ring => {
                let r = a.hypot(b);
                let off = (r - RADIUS) / RING_SD;
                let slope = if r > 0.0 { -off / RING_SD / r } else { 0.0 };
                (gradient[0], gradient[1]) = (slope * a, slope * b);
                -0.5 * off * off - ring_area().ln()
            }
        }
    }
}

/// ∫ exp(−½ ((r − R)/s)²) 2π r dr = 2π (s² e^(−½R²/s²) + R s √(π/2) (1 + erf(R / (s √2)))).
fn ring_area() -> f64 {
    let half = RADIUS / RING_SD * std::f64::consts::FRAC_1_SQRT_2;
    let pi = std::f64::consts::PI;
    2.0 * pi * (RING_SD.powi(2) * (-half * half).exp() + RADIUS * RING_SD * (0.5 * pi).sqrt() * (1.0 + erf(half)))
}

impl LogJoint for Target {
    fn dim(&self) -> usize {
        2
    }

    fn log_likelihood(&self, theta: &[f64], gradient: &mut [f64]) -> f64 {
        let log_t = self.log_density(theta, gradient);
        gradient.iter_mut().zip(theta).for_each(|(g, theta)| *g += theta);
        log_t - self.log_prior(theta)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::svi::log_evidence_by_quadrature;

    /// But for what lies beyond the grid: of the banana some 10⁻⁵.
    #[test]
    fn targets_integrate_to_one() {
        for target in Target::ALL {
            assert!(log_evidence_by_quadrature(&target).unwrap().abs() < 2e-5, "{target:?}");
        }
    }

    #[test]
    fn gradients_are_central_differences() {
        for target in Target::ALL {
            for theta in [[0.3, -0.7], [-1.4, 0.2], [1.6, 1.1]] {
                let mut gradient = [0.0; 2];
                target.log_likelihood(&theta, &mut gradient);
                for j in 0..2 {
                    let at = |h: f64| {
                        let mut moved = theta;
                        moved[j] += h;
                        target.log_likelihood(&moved, &mut [0.0; 2])
                    };
                    let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                    assert!((gradient[j] - numeric).abs() < 1e-6 * (1.0 + numeric.abs()), "{target:?} {theta:?}");
                }
            }
        }
    }
}
