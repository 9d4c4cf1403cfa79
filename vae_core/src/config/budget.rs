//! When a run ends.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

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
    /// When SIGINT (Interrupt, Ctrl-C), an observer or early stopping ends it: asked for again, an interrupted run goes on.
    UntilInterrupted,
}

/// Samples that no run sees: at a million a second they take 36,000 years.
const NEVER: u64 = 1 << 60;

impl Budget {
    /// Checks the number.
    ///
    /// # Errors
    /// [`Error::Config`] for one that nobody lives to see.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Samples(n) | Self::Epochs(n) | Self::Updates(n) if n >= NEVER => {
                Err(Error::config("budget", format!("is {self:?}, which has no end; write Budget::UntilInterrupted")))
            }
            _ => Ok(()),
        }
    }

    /// In samples, for minibatches of `m` and so many of them in an epoch.
    pub fn samples(self, m: usize, per_epoch: u64) -> u64 {
        let m = m as u64;
        let samples = match self {
            Self::Samples(samples) => samples / m * m,
            Self::Epochs(epochs) => epochs.saturating_mul(per_epoch).saturating_mul(m),
            Self::Updates(updates) => updates.saturating_mul(m),
            Self::UntilInterrupted => NEVER,
        };
        samples.min(NEVER / m * m)
    }

    /// Whether so many updates of minibatches of `m` are those of a run without an end.
    pub(super) fn never(updates: u64, m: u64) -> bool {
        updates >= NEVER / m.max(1)
    }
}
