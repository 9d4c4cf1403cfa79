//! What others got, to be drawn grey behind our own curves.
//!
//! Transcribed and thinned: the authors' curves from the traces in their public repository, Kingma & Welling's from the
//! vector coordinates of their Figs. 2 and 3 (arXiv 1312.6114v10; ±0.05 nats), the report's Figs. 4 and 6 likewise. Nothing here was computed by
//! this crate.

pub mod batch_and_samples;
pub mod reconstruction;

use serde::Deserialize;

use crate::figures::Reference;
use crate::{Error, Result};

/// Whose curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The authors of the report.
    Authors,
    /// Kingma & Welling's paper.
    KingmaWelling,
}

/// A published learning curve, nats per datapoint over training samples seen.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PublishedCurve {
    /// Whose it is.
    pub source: Source,
    /// `mnist` or `frey`.
    pub dataset: String,
    /// N_z.
    pub n_z: usize,
    /// What was run: `L^A`, `L^B`, `AEVB`, …
    pub method: String,
    /// Training samples seen.
    pub samples: Vec<f64>,
    /// Bound on training data.
    pub train: Vec<f64>,
    /// Bound on held-out data: the authors' validation split, Kingma & Welling's test set.
    pub held_out: Vec<f64>,
}

impl PublishedCurve {
    /// Training and held-out bound at so many samples: the nearest point, if it is within a tenth of it.
    pub fn at(&self, samples: u64) -> Option<(f64, f64)> {
        let distance = |s: f64| (s / samples as f64).ln().abs();
        let nearest =
            (0..self.samples.len()).min_by(|&a, &b| distance(self.samples[a]).total_cmp(&distance(self.samples[b])))?;
        (distance(self.samples[nearest]) < 0.1).then(|| (self.train[nearest], self.held_out[nearest]))
    }

    /// As grey lines: training solid, held-out dashed.
    pub fn references(&self) -> [Reference; 2] {
        let who = match self.source {
            Source::Authors if self.method.contains("mis-scaled") => "report's authors, mis-scaled weight prior",
            Source::Authors => "report's authors",
            Source::KingmaWelling => "Kingma & Welling",
        };
        let line = |values: &[f64], dashed| Reference {
            label: who.into(),
            samples: self.samples.clone(),
            values: values.to_vec(),
            dashed,
        };
        [line(&self.train, false), line(&self.held_out, true)]
    }
}

/// All curves that are kept here.
///
/// # Errors
/// None as long as the file in the crate is whole.
pub fn learning_curves() -> Result<Vec<PublishedCurve>> {
    serde_json::from_str(include_str!("learning_curves.json"))
        .map_err(|e| Error::data("learning_curves.json", e.to_string()))
}

/// The curves for a data set (`mnist`, `frey`) and an N_z: the authors' L^B, and AEVB of Kingma & Welling.
///
/// # Errors
/// As [`learning_curves`].
pub fn lower_bound_curves(dataset: &str, n_z: usize) -> Result<Vec<PublishedCurve>> {
    let mut curves = learning_curves()?;
    let usual = ["AEVB", "L^B", "L^B, mis-scaled weight prior"];
    curves.retain(|c| c.dataset == dataset && c.n_z == n_z && usual.contains(&c.method.as_str()));
    Ok(curves)
}

/// The authors' curve of one method: "L^A", "L^B", "L^B, depth 1" to 4 (Fig. 4, N_z = 10), "L^B, sigmoid", "relu" or "tanh" (Fig. 6); none
/// where they have not published it.
///
/// # Errors
/// As [`learning_curves`].
pub fn authors_curve(dataset: &str, n_z: usize, method: &str) -> Result<Option<PublishedCurve>> {
    of(Source::Authors, dataset, n_z, method)
}

/// Kingma & Welling's curve of one method: "AEVB" or "wake-sleep" (Fig. 2); of log p(x) with N_z = 3 "AEVB, N = 1000, log p(x)", "wake-sleep, …" or
/// "Monte Carlo EM, …", also with N = 50000 (Fig. 3); none where they have not published it.
///
/// # Errors
/// As [`learning_curves`].
pub fn paper_curve(dataset: &str, n_z: usize, method: &str) -> Result<Option<PublishedCurve>> {
    of(Source::KingmaWelling, dataset, n_z, method)
}

fn of(source: Source, dataset: &str, n_z: usize, method: &str) -> Result<Option<PublishedCurve>> {
    let mut curves = learning_curves()?.into_iter();
    Ok(curves.find(|c| c.source == source && c.dataset == dataset && c.n_z == n_z && c.method == method))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_curves_are_whole_and_end_where_the_papers_say() {
        for c in learning_curves().unwrap() {
            assert!(c.samples.len() > 8 && c.samples.len() == c.train.len() && c.samples.len() == c.held_out.len());
            assert!(c.samples.windows(2).all(|w| w[0] < w[1]), "{c:?}");
        }
        let usual = |n_z| lower_bound_curves("mnist", n_z).unwrap();
        assert_eq!(usual(10).len(), 2);
        let last = |c: &PublishedCurve| (*c.train.last().unwrap(), *c.held_out.last().unwrap());
        let authors = usual(20).into_iter().find(|c| c.source == Source::Authors).unwrap();
        assert!((last(&authors).0 + 100.2).abs() < 0.1 && (last(&authors).1 + 101.6).abs() < 0.1);
        for (method, train, valid) in [("L^B, depth 4", -205.98, -204.44), ("L^B, relu", -103.53, -105.81)] {
            let (t, v) = last(&authors_curve("mnist", 10, method).unwrap().unwrap());
            assert!((t - train).abs() < 0.1 && (v - valid).abs() < 0.1, "{method}: {t} {v}");
        }
        assert_eq!(authors_curve("mnist", 7, "L^B").unwrap(), None);
        let wake_sleep = paper_curve("mnist", 10, "wake-sleep").unwrap().unwrap();
        let (train, test) = wake_sleep.at(100_000_000).unwrap();
        assert!((train + 106.9).abs() < 0.1 && (test + 107.6).abs() < 0.1);
        for n in [1000, 50_000] {
            for method in ["AEVB", "wake-sleep", "Monte Carlo EM"] {
                assert!(paper_curve("mnist", 3, &format!("{method}, N = {n}, log p(x)")).unwrap().is_some());
            }
        }
        let paper = usual(3).into_iter().find(|c| c.source == Source::KingmaWelling).unwrap();
        let (train, test) = paper.at(100_000_000).unwrap();
        assert!((train + 130.3).abs() < 0.1 && (test + 133.4).abs() < 0.1 && paper.at(10_000).is_none());
    }
}
