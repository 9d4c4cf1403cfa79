//! Numbers out of several runs.

use super::store::Run;
use crate::figures::Curve;
use crate::{Error, Result};

/// A final number of a run, nats per datapoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The training bound of the last record.
    Train,
    /// The validation bound.
    Valid,
    /// The test bound.
    Test,
    /// Validation: E[log p(x | z)].
    Reconstruction,
    /// Validation: D_KL(q(z | x) ‖ p(z)).
    Kl,
    /// Training minus validation bound.
    Overfit,
}

impl Quantity {
    /// Of one run; NaN if it has no history.
    pub fn of(self, run: &Run) -> f64 {
        let train = run.history().last().map_or(f64::NAN, |r| r.train.bound);
        match self {
            Self::Train => train,
            Self::Valid => run.result.valid.bound,
            Self::Test => run.result.test.bound,
            Self::Reconstruction => run.result.valid.reconstruction,
            Self::Kl => run.result.valid.kl,
            Self::Overfit => train - run.result.valid.bound,
        }
    }
}

/// The quantity of each run with this N_z, in the order of the list: one value a seed.
pub fn values(runs: &[Run], n_z: usize, quantity: Quantity) -> Vec<f64> {
    runs.iter().filter(|r| r.result.config.model.latent == n_z).map(|r| quantity.of(r)).collect()
}

/// Its mean over the runs with each of these N_z.
pub fn means(runs: &[Run], latent: &[usize], quantity: Quantity) -> Vec<f64> {
    latent
        .iter()
        .map(|&n_z| {
            let values = values(runs, n_z, quantity);
            values.iter().sum::<f64>() / values.len() as f64
        })
        .collect()
}

/// The mean learning curve of runs that differ by their seed, with a band of one standard deviation if there are several.
///
/// # Errors
/// [`Error::Shape`] if there are none, or their records are at different sample counts.
pub fn mean_curve(label: impl Into<String>, runs: &[Run]) -> Result<Curve> {
    let samples = runs.first().map(|r| r.history().samples()).unwrap_or_default();
    if samples.is_empty() || runs.iter().any(|r| r.history().samples() != samples) {
        let found = format!("{} runs", runs.len());
        return Err(Error::Shape { what: "runs", expected: "runs with records at the same samples".into(), found });
    }
    let moments = |f: fn(&Run) -> Vec<f64>| {
        let all: Vec<Vec<f64>> = runs.iter().map(f).collect();
        let n = all.len() as f64;
        (0..samples.len())
            .map(|k| {
                let mean = all.iter().map(|v| v[k]).sum::<f64>() / n;
                let sd = (all.iter().map(|v| (v[k] - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
                (mean, sd)
            })
            .collect::<Vec<_>>()
    };
    let (train, held_out) = (moments(|r| r.history().train()), moments(|r| r.history().valid()));
    let band = |m: &[(f64, f64)]| (runs.len() > 1).then(|| m.iter().map(|(mean, sd)| (mean - sd, mean + sd)).collect());
    Ok(Curve {
        label: label.into(),
        samples,
        train_band: band(&train),
        held_out_band: band(&held_out),
        train: train.iter().map(|m| m.0).collect(),
        held_out: held_out.iter().map(|m| m.0).collect(),
    })
}
