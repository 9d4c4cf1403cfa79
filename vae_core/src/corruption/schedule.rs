//! How the level of a corruption changes while a model trains (Geras & Sutton 2014: from coarse structure to fine, as it falls).

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The level of a corruption as a share of its full one, over the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseSchedule {
    /// The full level throughout.
    #[default]
    Constant,
    /// From the full level to none, by equal differences.
    Falling,
    /// From none to the full level: the control.
    Rising,
    /// Equal stretches of the budget, from the full level to this share of it.
    Steps {
        /// Number of stretches, at least 2.
        count: u32,
        /// The share at the last.
        last: f64,
    },
    /// The same stretches in reverse order.
    RisingSteps {
        /// Number of stretches, at least 2.
        count: u32,
        /// The share at the first.
        last: f64,
    },
}

impl NoiseSchedule {
    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two steps, or a share outside \[0, 1\].
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::Steps { count, last } | Self::RisingSteps { count, last }
                if count < 2 || !(0.0..=1.0).contains(&last) =>
            {
                let reason = format!("needs two steps or more, and a last share in [0, 1], not {count} and {last}");
                Err(Error::config("noise_schedule", reason))
            }
            _ => Ok(()),
        }
    }

    /// The share after `samples` of `total` training samples.
    pub fn factor(&self, samples: u64, total: u64) -> f64 {
        let t = (samples as f64 / total.max(1) as f64).min(1.0);
        let step = |count: u32| (t * f64::from(count)).floor().min(f64::from(count - 1)) / f64::from(count - 1);
        match *self {
            Self::Constant => 1.0,
            Self::Falling => 1.0 - t,
            Self::Rising => t,
            Self::Steps { count, last } => 1.0 + step(count) * (last - 1.0),
            Self::RisingSteps { count, last } => last + step(count) * (1.0 - last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_fall_and_rise_as_they_say() {
        let of = |schedule: NoiseSchedule| [0, 299, 300, 500, 999, 1000].map(|s| schedule.factor(s, 1000));
        assert_eq!(of(NoiseSchedule::Constant), [1.0; 6]);
        assert_eq!(of(NoiseSchedule::Falling)[3..], [0.5, 1.0 - 0.999, 0.0]);
        assert_eq!(of(NoiseSchedule::Rising)[3], 0.5);
        // 0.7 → 0.1 in seven steps
        let steps = NoiseSchedule::Steps { count: 7, last: 1.0 / 7.0 };
        let levels: Vec<f64> = (0..7).map(|k| 0.7 * steps.factor(k * 143 + 1, 1000)).collect();
        assert!(
            levels.iter().zip([0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]).all(|(a, b)| (a - b).abs() < 1e-12),
            "{levels:?}"
        );
        assert_eq!(NoiseSchedule::RisingSteps { count: 2, last: 0.5 }.factor(499, 1000), 0.5);
        assert_eq!(NoiseSchedule::RisingSteps { count: 2, last: 0.5 }.factor(500, 1000), 1.0);
        assert!(NoiseSchedule::Steps { count: 1, last: 0.5 }.validate().is_err());
    }
}
