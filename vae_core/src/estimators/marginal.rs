//! The marginal likelihood by importance sampling: log p(x) ≈ log 1/K Σ_k p(x, z_k) / q(z_k | x), z_k ~ q(z | x).
//!
//! A lower bound in expectation, exact as K → ∞ (Burda et al. 2016, eq. 8). Streaming: K samples of one datapoint are
//! taken in blocks, and the logarithm of the mean is carried along.

use super::sgvb::{Estimator, Form};
use super::workspace::Workspace;
use crate::models::Vae;
use crate::numeric::Real;
use crate::rng::{Stream, rng};
use crate::threads::{self, Pool};
use crate::{Error, Result};

/// The logarithm of a mean of exponentials, carried along without overflow.
#[derive(Clone, Copy, Debug)]
pub struct LogMeanExp {
    max: f64,
    sum: f64,
    count: u64,
}

impl Default for LogMeanExp {
    fn default() -> Self {
        Self { max: f64::NEG_INFINITY, sum: 0.0, count: 0 }
    }
}

impl LogMeanExp {
    /// Takes one more term eᵛ into the mean.
    pub fn push(&mut self, v: f64) {
        self.count += 1;
        if v <= self.max {
            if v > f64::NEG_INFINITY {
                self.sum += (v - self.max).exp();
            }
        } else if v.is_nan() {
            (self.max, self.sum) = (f64::NAN, f64::NAN);
        } else {
            self.sum = self.sum * (self.max - v).exp() + 1.0;
            self.max = v;
        }
    }

    /// log (1/n Σ eᵛ); −∞ for no terms.
    pub fn value(&self) -> f64 {
        if self.count == 0 { f64::NEG_INFINITY } else { self.max + self.sum.ln() - (self.count as f64).ln() }
    }
}

/// Samples for which the encoder runs once.
const BLOCK: usize = 5000;

/// log p(x) of each row of x `[M, D]` with `k` importance samples, nats, on so many threads. Row i uses index i of the evaluation
/// stream.
///
/// # Errors
/// [`Error::Config`] if `k` is 0, [`Error::Shape`] if x does not fit the model.
pub fn log_marginal<F: Real>(model: &Vae<F>, x: &[F], k: usize, (seed, threads): (u64, usize)) -> Result<Vec<f64>> {
    if k == 0 {
        return Err(Error::config("k", "is 0; importance sampling needs at least one sample"));
    }
    let d = model.data_width();
    if !x.len().is_multiple_of(d) {
        return Err(Error::Shape {
            what: "x [M, D]",
            expected: format!("rows of {d}"),
            found: format!("{} values", x.len()),
        });
    }
    let block = k.min(BLOCK);
    let full = Estimator { form: Form::A, samples: block };
    let rest = Estimator { form: Form::A, samples: (k % block).max(1) };
    let workspace = |estimator: &Estimator| Workspace::new(model, estimator, 1, false);
    let workspaces = Pool::new(|| [workspace(&full).for_values_of(model), workspace(&rest)]);
    threads::in_parallel(x.len() / d, threads, |i| {
        workspaces.with(|[for_full, for_rest]| {
            let mut rng = rng(seed, Stream::Evaluation, i as u64);
            let mut mean = LogMeanExp::default();
            let mut left = k;
            while left > 0 {
                let (estimator, ws) = if left >= block { (full, &mut *for_full) } else { (rest, &mut *for_rest) };
                ws.draw_noise(1, model.latent(), &mut rng)?;
                estimator.value(model, &x[i * d..(i + 1) * d], ws)?;
                for (px, pz, qz) in ws.log_densities() {
                    mean.push(px.f64() + pz.f64() - qz.f64());
                }
                left -= estimator.samples;
            }
            Ok(mean.value())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn log_mean_exp_is_the_direct_formula(v in prop::collection::vec(-600.0f64..600.0, 1..50)) {
            let mut stream = LogMeanExp::default();
            v.iter().for_each(|&v| stream.push(v));
            let max = v.iter().copied().fold(f64::MIN, f64::max);
            let direct = max + (v.iter().map(|v| (v - max).exp()).sum::<f64>() / v.len() as f64).ln();
            prop_assert!((stream.value() - direct).abs() < 1e-10);
        }
    }

    #[test]
    fn log_mean_exp_at_the_edges() {
        assert_eq!(LogMeanExp::default().value(), f64::NEG_INFINITY);
        let mut s = LogMeanExp::default();
        s.push(f64::NEG_INFINITY);
        assert_eq!(s.value(), f64::NEG_INFINITY);
        s.push(0.0);
        assert!((s.value() + 2f64.ln()).abs() < 1e-15);
        s.push(f64::NAN);
        assert!(s.value().is_nan());
    }
}
