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
