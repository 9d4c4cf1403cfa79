//! The marginal likelihood by importance sampling: log p(x) ≈ log 1/K Σ_k p(x, z_k) / q(z_k | x), z_k ~ q(z | x).
//!
//! A lower bound in expectation, exact as K → ∞ (Burda et al. 2016, eq. 8). Any proposal will do, so that x
//! is not corrupted. Streaming: K samples of one datapoint are taken in blocks, and the logarithm of the mean is carried along.

use crate::estimators::{Estimator, Form};
use crate::models::Vae;
use crate::numeric::{LogMeanExp, Real};
use crate::rng::{Stream, rng};
use crate::step::Workspace;
use crate::threads::{self, Pool};
use crate::{Error, Result};

/// Samples for which the encoder runs once.
const BLOCK: usize = 5000;

/// log p(x) of each row of x `[M, D]` with `k` importance samples, nats, on so many threads. Row i uses index i of the evaluation
/// stream.
///
/// # Errors
/// [`Error::Config`] if `k` is 0 or the posterior has no density, [`Error::Shape`] if x does not fit the model.
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
    let workspaces = Pool::new(|| Ok([workspace(&full)?.with_packed_decoder(model), workspace(&rest)?]));
    threads::in_parallel(x.len() / d, threads, |i| {
        workspaces.with(|[for_full, for_rest]| {
            let mut rng = rng(seed, Stream::Marginal, i as u64);
            let mut mean = LogMeanExp::default();
            let mut left = k;
            while left > 0 {
                let (estimator, ws) = if left >= block { (full, &mut *for_full) } else { (rest, &mut *for_rest) };
                ws.draw_noise(model, 1, &mut rng)?;
                ws.value(model, &x[i * d..(i + 1) * d])?;
                for (px, pz, qz) in ws.log_densities() {
                    mean.push(px.f64() + pz.f64() - qz.f64());
                }
                left -= estimator.samples;
            }
            Ok(mean.value())
        })
    })
}
