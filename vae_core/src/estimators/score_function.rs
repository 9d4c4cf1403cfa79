//! The score function estimator of eqs. 3–5 for L^A: the encoder's gradient is 1/L Σ_l (log w_l − b_l) ∂ log q(z_l | x) / ∂φ, which needs no
//! derivative of the decoder by z, and pays with variance.
//!
//! A baseline b_l that does not depend on z_l leaves the mean as it is. [`Baseline::OtherSamples`] is the mean of log w over the other
//! samples of the datapoint (Mnih & Rezende 2016).

use serde::{Deserialize, Serialize};

use super::weigh::{Kl, Weigh, Weights};
use crate::{Error, Result};

/// What is subtracted from the log weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Baseline {
    /// Nothing.
    #[default]
    None,
    /// The mean over the other samples of the datapoint: needs L ≥ 2.
    OtherSamples,
}

/// REINFORCE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreFunction {
    /// What is subtracted from the log weight.
    pub baseline: Baseline,
}

impl Weigh for ScoreFunction {
    fn label(&self) -> &'static str {
        match self.baseline {
            Baseline::None => "score function",
            Baseline::OtherSamples => "score function with baseline",
        }
    }

    fn kl(&self) -> Kl {
        Kl::Path
    }

    fn validate(&self, samples: usize) -> Result<()> {
        if self.baseline == Baseline::OtherSamples && samples < 2 {
            let reason = "is 1, but the baseline OtherSamples is the mean over the other samples: use at least 2, or Baseline::None";
            return Err(Error::config("samples", reason));
        }
        Ok(())
    }

    fn weigh(&self, log_w: &[f64], Weights { model, path, score }: Weights<'_>) {
        let l = log_w.len() as f64;
        let sum: f64 = log_w.iter().sum();
        model.fill(1.0 / l);
        path.fill(0.0);
        for (score, &log_w) in score.iter_mut().zip(log_w) {
            let baseline = match self.baseline {
                Baseline::None => 0.0,
                Baseline::OtherSamples => (sum - log_w) / (l - 1.0),
            };
            *score = (log_w - baseline) / l;
        }
    }
}
