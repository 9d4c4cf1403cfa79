//! When the bounds are written down.

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use crate::{Error, Result};

/// When a record is taken; the end of the run always is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordAt {
    /// Ten times a decade at round numbers (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8), evenly spaced on a log axis,
    /// from 1/200 of the budget on, or from 100 samples on if that has no end.
    #[default]
    LogSpaced,
    /// Every so many epochs.
    Epochs(u64),
    /// Every so many samples.
    Samples(u64),
    /// At these sample counts, rising (each at the first update that reaches it).
    At(Vec<u64>),
}

const RENARD: [u64; 10] = [100, 125, 160, 200, 250, 315, 400, 500, 630, 800];

impl RecordAt {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::Config`] for a period of 0 or counts out of order.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Epochs(0) | Self::Samples(0) => Err(Error::config("record", "has a period of 0; use at least 1")),
            Self::At(counts) if !counts.is_sorted() => Err(Error::config("record", "needs rising sample counts")),
            _ => Ok(()),
        }
    }

    /// The first update after `updates` at which a record is due, given M, the updates of an epoch and of the whole run.
    pub fn next(&self, updates: u64, m: u64, per_epoch: u64, total: u64) -> u64 {
        let every = |n: u64| (updates / n.max(1) + 1) * n.max(1);
        match self {
            Self::Epochs(epochs) => every(epochs.saturating_mul(per_epoch)),
            Self::Samples(samples) => every(samples.div_ceil(m.max(1))),
            Self::At(counts) => {
                counts.iter().map(|samples| samples.div_ceil(m.max(1))).find(|&u| u > updates).unwrap_or(u64::MAX)
            }
            Self::LogSpaced => {
                let begin = if Budget::never(total, m) { 0 } else { total / 200 };
                let updates = updates.max(begin.saturating_sub(1));
                let decades = (0..).map_while(|power| 10u64.checked_pow(power));
                let round = decades.flat_map(|decade| RENARD.map(|mantissa| mantissa.saturating_mul(decade)));
                round.map(|samples| samples.div_ceil(m.max(1))).find(|&u| u > updates).unwrap_or(u64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_spacing_hits_round_numbers() {
        let mut updates = 0;
        let mut samples = Vec::new();
        while updates < 100_000 {
            updates = RecordAt::LogSpaced.next(updates, 100, 500, 0);
            samples.push(updates * 100);
        }
        for round in [1_000, 50_000, 1_000_000, 10_000_000] {
            assert!(samples.contains(&round), "{round} is missing");
        }
        assert_eq!(RecordAt::LogSpaced.next(0, 100, 500, 100_000), 500);
        for none in [u64::MAX - 1, u64::MAX] {
            assert_eq!(RecordAt::LogSpaced.next(none, 1, 500, 0), u64::MAX, "a loop that never ends");
        }
        assert!(samples.len() < 60 && samples.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn regular_spacing() {
        assert_eq!(RecordAt::Epochs(2).next(0, 100, 15, 0), 30);
        assert_eq!(RecordAt::Epochs(2).next(30, 100, 15, 0), 60);
        assert_eq!(RecordAt::Samples(1000).next(9, 100, 15, 0), 10);
        let at = RecordAt::At(vec![50, 1000, 1001]);
        assert_eq!([0, 1, 10, 11].map(|u| at.next(u, 100, 15, 0)), [1, 10, 11, u64::MAX]);
        assert!(at.validate().is_ok() && RecordAt::At(vec![2, 1]).validate().is_err());
        assert!(RecordAt::Epochs(0).validate().is_err());
        assert_eq!(RecordAt::Samples(1).next(9, 100, 15, 0), 10);
    }
}
