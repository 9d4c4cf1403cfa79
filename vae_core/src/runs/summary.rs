//! Numbers out of one run and out of several.

use super::numbers::with_decimals;
use super::result::{Run, RunResult};
use crate::data::batches::BatchScheme;
use crate::data::dataset::DatasetKind;
use crate::kernel::{Training, print};

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
    pub fn of(self, run: &impl AsRef<RunResult>) -> f64 {
        let result = run.as_ref();
        let train = result.history.last().map_or(f64::NAN, |r| r.train.bound);
        match self {
            Self::Train => train,
            Self::Valid => result.valid.bound,
            Self::Test => result.test.bound,
            Self::Reconstruction => result.valid.reconstruction,
            Self::Kl => result.valid.kl,
            Self::Overfit => train - result.valid.bound,
        }
    }

    /// Of each run.
    pub fn of_each(self, runs: &[impl AsRef<RunResult>]) -> Vec<f64> {
        runs.iter().map(|run| self.of(run)).collect()
    }
}

/// The quantity of each run with this N_z, in the order of the list: one value a seed.
pub fn values(runs: &[impl AsRef<RunResult>], n_z: usize, quantity: Quantity) -> Vec<f64> {
    runs.iter().filter(|r| r.as_ref().config.model.latent == n_z).map(|r| quantity.of(r)).collect()
}

/// Its mean over the runs with each of these N_z.
pub fn means(runs: &[impl AsRef<RunResult>], latent: &[usize], quantity: Quantity) -> Vec<f64> {
    latent
        .iter()
        .map(|&n_z| {
            let values = values(runs, n_z, quantity);
            values.iter().sum::<f64>() / values.len() as f64
        })
        .collect()
}

/// Means and standard deviations over runs, one of each for every place of the series that `of` gives; all as long as
/// the shortest.
pub(crate) fn moments(runs: &[impl AsRef<RunResult>], of: fn(&RunResult) -> Vec<f64>) -> Vec<(f64, f64)> {
    let all: Vec<Vec<f64>> = runs.iter().map(|run| of(run.as_ref())).collect();
    let n = all.len() as f64;
    (0..all.iter().map(Vec::len).min().unwrap_or(0))
        .map(|k| {
            let mean = all.iter().map(|v| v[k]).sum::<f64>() / n;
            let sd = (all.iter().map(|v| (v[k] - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
            (mean, sd)
        })
        .collect()
}

/// "−105.30", or "−105.30 ± 0.12 (3)": the mean, and for several values their standard deviation and number.
pub fn mean_sd(values: &[f64], decimals: usize) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let number = |v: f64| with_decimals(v, decimals).replace('-', "−");
    match values.len() {
        0 => "–".into(),
        1 => number(mean),
        count => {
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
            format!("{} ± {} ({count})", number(mean), number(variance.sqrt()))
        }
    }
}

impl Run {
    /// Two lines, or three: what it was, what was left out, and where it ended.
    pub fn summary(&self) -> String {
        let (c, r) = (&self.result.config, &self.result);
        let samples = r.history.last().map_or(0, |r| r.samples);
        let [train, valid, test] = [Quantity::Train, Quantity::Valid, Quantity::Test].map(|q| match q.of(self) {
            unknown if unknown.is_nan() => "–".to_owned(),
            bound => mean_sd(&[bound], 2),
        });
        let stopped = match r.stopped.as_deref() {
            None => String::new(),
            Some(Training::INTERRUPTED) => {
                " (stopped early: interrupted; run the cell again to go on from here)".to_owned()
            }
            Some(why) => format!(" (stopped: {why})"),
        };
        // Of the report's own data it is known; of one's own it may be much.
        let left_out = match (c.batches, c.data.kind) {
            (BatchScheme::FixedBlocks, DatasetKind::Own(own)) => {
                c.data.limit.map_or(own.train, |limit| own.train.min(limit.train)) % c.batch.max(1)
            }
            _ => 0,
        };
        let left_out = match left_out {
            0 => String::new(),
            n => format!("\nfixed blocks of {} leave out the last {n} training images (Shuffled takes all)", c.batch),
        };
        format!(
            "{}, N_z {}, {} estimator, seed {}, {samples} samples{stopped}{left_out}\n\
             lower bound in nats per datapoint: train {train} · validation {valid} · test {test}",
            r.dataset.0,
            c.model.latent,
            c.estimator.form.get().label(),
            c.seed
        )
    }

    /// Shows the summary under a notebook cell.
    pub fn evcxr_display(&self) {
        print(&(self.summary() + "\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_name_their_number() {
        assert_eq!(mean_sd(&[-105.304], 2), "−105.30");
        assert_eq!(mean_sd(&[1.0, 3.0], 1), "2.0 ± 1.4 (2)");
        assert_eq!(mean_sd(&[], 1), "–");
        assert!(mean_sd(&[1.0, 3.0], usize::MAX).starts_with("2.000"));
    }
}
