//! When a run ends.

use serde::{Deserialize, Serialize};

/// When a run ends. Whole updates: what is left of a minibatch is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// After so many training samples (the x axis of the report's figures).
    Samples(u64),
    /// After so many passes over the data.
    Epochs(u64),
    /// After so many updates.
    Updates(u64),
}

impl Budget {
    /// In samples, for minibatches of `m` and so many of them in an epoch.
    pub fn samples(self, m: usize, per_epoch: u64) -> u64 {
        let m = m as u64;
        match self {
            Self::Samples(samples) => samples / m * m,
            Self::Epochs(epochs) => epochs.saturating_mul(per_epoch).saturating_mul(m),
            Self::Updates(updates) => updates.saturating_mul(m),
        }
    }
}
