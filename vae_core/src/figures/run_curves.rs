//! Learning curves of runs.

use super::curves::Curve;
use crate::runs::summary::moments;
use crate::runs::{Interval, Run, RunResult};
use crate::{Error, Result};

impl RunResult {
    /// Its learning curve.
    pub fn curve(&self, label: impl Into<String>) -> Curve {
        let history = &self.history;
        Curve::new(label, history.samples(), history.train(), history.valid())
    }
}

impl Run {
    /// Its learning curve.
    pub fn curve(&self, label: impl Into<String>) -> Curve {
        self.result.curve(label)
    }
}

/// A line through the means of `values`, with their 95 % intervals as a band; `values[i]` are those at `x[i]`, say one a seed.
///
/// # Errors
/// As [`Interval::of`].
pub fn interval_curve(label: impl Into<String>, x: Vec<f64>, values: &[Vec<f64>]) -> Result<Curve> {
    let of = values.iter().map(|values| Interval::of(values)).collect::<Result<Vec<_>>>()?;
    let mut curve = Curve::new(label, x, of.iter().map(|i| i.mean).collect(), Vec::new());
    curve.train_band = Some(of.iter().map(|i| (i.low, i.high)).collect());
    Ok(curve)
}

/// The mean learning curve of runs that differ by their seed, with a band of one standard deviation if there are several.
///
/// # Errors
/// [`Error::Shape`] if there are none, or their records are at different sample counts.
pub fn mean_curve(label: impl Into<String>, runs: &[impl AsRef<RunResult>]) -> Result<Curve> {
    let samples = runs.first().map(|r| r.as_ref().history.samples()).unwrap_or_default();
    if samples.is_empty() || runs.iter().any(|r| r.as_ref().history.samples() != samples) {
        let found = format!("{} runs", runs.len());
        return Err(Error::Shape { what: "runs", expected: "runs with records at the same samples".into(), found });
    }
    let (train, held_out) = (moments(runs, |r| r.history.train()), moments(runs, |r| r.history.valid()));
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
