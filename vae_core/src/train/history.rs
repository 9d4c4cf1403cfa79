//! What is written down while a model trains.

use serde::{Deserialize, Serialize};

use crate::config::EarlyStop;
use crate::estimators::Bound;

/// One line of the history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Updates made.
    pub updates: u64,
    /// Training samples seen: updates · M.
    pub samples: u64,
    /// Mean over the minibatches of the last epoch (or of all so far, if fewer), each before its update: what the report
    /// plots as "train".
    pub train: Bound,
    /// On the whole validation split, one sample of z per datapoint unless the configuration says otherwise.
    pub valid: Bound,
}

/// The records of a run, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The records.
    pub records: Vec<Record>,
}

impl History {
    /// Samples seen at each record.
    pub fn samples(&self) -> Vec<f64> {
        self.records.iter().map(|r| r.samples as f64).collect()
    }

    /// The training bound at each record, nats per datapoint.
    pub fn train(&self) -> Vec<f64> {
        self.records.iter().map(|r| r.train.bound).collect()
    }

    /// The validation bound at each record, nats per datapoint.
    pub fn valid(&self) -> Vec<f64> {
        self.records.iter().map(|r| r.valid.bound).collect()
    }

    /// The last record.
    pub fn last(&self) -> Option<&Record> {
        self.records.last()
    }

    /// The record at exactly so many samples.
    pub fn at(&self, samples: u64) -> Option<&Record> {
        self.records.iter().find(|r| r.samples == samples)
    }

    /// The record with the best validation bound.
    pub fn best(&self) -> Option<&Record> {
        self.records.iter().max_by(|a, b| a.valid.bound.total_cmp(&b.valid.bound))
    }

    /// Training samples until the validation bound first reached this, between two records by the logarithm of samples; none if it never did.
    pub fn samples_to_reach(&self, bound: f64) -> Option<f64> {
        let k = self.records.iter().position(|r| r.valid.bound >= bound)?;
        let after = &self.records[k];
        let Some(before) = k.checked_sub(1).map(|k| &self.records[k]) else { return Some(after.samples as f64) };
        let share = (bound - before.valid.bound) / (after.valid.bound - before.valid.bound);
        let (from, to) = ((before.samples as f64).ln(), (after.samples as f64).ln());
        Some((from + share * (to - from)).exp())
    }

    /// Why a run with this history should stop, if the rule says that it should.
    pub fn stops(&self, rule: &EarlyStop) -> Option<String> {
        let waited = self.waits(rule).last().unwrap_or(0);
        (waited >= rule.patience).then(|| format!("the validation bound has not risen for {waited} records"))
    }

    /// At each record, for how many records the validation bound has not risen.
    pub(super) fn waits(&self, rule: &EarlyStop) -> impl Iterator<Item = u64> {
        let (mut best, mut waited) = (f64::NEG_INFINITY, 0);
        self.records.iter().map(move |record| {
            if record.valid.bound > best + rule.min_delta || best == f64::NEG_INFINITY {
                (best, waited) = (record.valid.bound, 0);
            } else {
                waited += 1;
            }
            waited
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bound_is_reached_between_two_records() {
        let record = |samples: u64, bound: f64| Record {
            updates: samples / 100,
            samples,
            train: Bound::default(),
            valid: Bound { bound, ..Bound::default() },
        };
        let history = History { records: vec![record(100, -200.0), record(10_000, -100.0), record(20_000, -120.0)] };
        assert!((history.samples_to_reach(-150.0).unwrap() - 1000.0).abs() < 1e-6);
        assert_eq!((history.samples_to_reach(-300.0), history.samples_to_reach(-99.0)), (Some(100.0), None));
    }
}
