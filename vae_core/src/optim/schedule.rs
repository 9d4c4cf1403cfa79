//! Step-size schedules: a factor on the optimiser's step size, as a function of the samples seen.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the step size changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Factor 1 throughout.
    #[default]
    Constant,
    /// `(samples, factor)` pairs with rising samples: the factor holds from there on; 1 before the first.
    Stages(Vec<(u64, f64)>),
    /// From 1 down to `last` along half a cosine over the whole budget.
    Cosine {
        /// The factor at the end.
        last: f64,
    },
}

impl Schedule {
    /// Checks the factors.
    ///
    /// # Errors
    /// [`Error::Config`] for a factor that is negative or not finite, or stages out of order.
    pub fn validate(&self) -> Result<()> {
        let good = |f: f64| f.is_finite() && f >= 0.0;
        let ok = match self {
            Self::Constant => true,
            Self::Stages(stages) => stages.iter().all(|s| good(s.1)) && stages.windows(2).all(|w| w[0].0 < w[1].0),
            Self::Cosine { last } => good(*last),
        };
        if ok { Ok(()) } else { Err(Error::config("schedule", "needs factors ≥ 0 at rising sample counts")) }
    }

    /// The factor after `samples` of `total` samples.
    pub fn factor(&self, samples: u64, total: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Stages(stages) => stages.iter().rev().find(|s| s.0 <= samples).map_or(1.0, |s| s.1),
            Self::Cosine { last } => {
                let t = (samples as f64 / total.max(1) as f64).min(1.0);
                last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors() {
        let stages = Schedule::Stages(vec![(100, 0.5), (200, 0.1)]);
        assert_eq!([0, 99, 100, 199, 200, 999].map(|s| stages.factor(s, 0)), [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]);
        let cosine = Schedule::Cosine { last: 0.2 };
        assert_eq!(cosine.factor(0, 100), 1.0);
        assert!((cosine.factor(50, 100) - 0.6).abs() < 1e-12 && (cosine.factor(100, 100) - 0.2).abs() < 1e-12);
        assert!(Schedule::Stages(vec![(2, 1.0), (1, 1.0)]).validate().is_err());
        assert!(Schedule::Cosine { last: f64::NAN }.validate().is_err());
    }
}
