//! A number of a prior that changes while a model trains: from a start to its value, by equal ratios, over some training samples.

use crate::choices::positive;
use crate::{Error, Result};

/// Checks the start and the training samples, which go together.
pub(super) fn check(start: Option<f64>, over: u64) -> Result<()> {
    if start.is_none() != (over == 0) {
        return Err(Error::config("model.prior.start", "goes with `over`, a number of samples: give both or none"));
    }
    start.map_or(Ok(()), |start| positive("model.prior.start", start))
}

/// The number after `samples` training samples.
pub(super) fn at(start: f64, end: f64, over: u64, samples: u64) -> f64 {
    let share = (samples as f64 / over as f64).min(1.0);
    start * (end / start).powf(share)
}
