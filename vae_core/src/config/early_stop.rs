//! When a run ends before its budget.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Stops a run when the validation bound has not risen for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Records without a rise.
    pub patience: u64,
    /// What counts as a rise, nats per datapoint.
    pub min_delta: f64,
}

impl EarlyStop {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::Config`] for a patience of 0 or a `min_delta` that is not finite.
    pub fn validate(&self) -> Result<()> {
        if self.patience > 0 && self.min_delta.is_finite() {
            return Ok(());
        }
        Err(Error::config("early_stop", format!("needs patience ≥ 1 and a finite min_delta, not {self:?}")))
    }
}
