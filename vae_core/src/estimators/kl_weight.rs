//! The weight β of the KL divergence in what is ascended: log p(x | z) − β D_KL (Higgins et al. 2017), with a linear warm-up (Bowman et
//! al. 2016; Sønderby et al. 2016). Bounds that are reported always have β = 1.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// β, and how it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KlWeight {
    /// β ≥ 0 at the end.
    pub beta: f64,
    /// Training samples over which the weight rises from 0 to β; 0 for none.
    #[serde(default)]
    pub warm_up: u64,
}

impl Default for KlWeight {
    /// The bound itself: β = 1 from the start.
    fn default() -> Self {
        Self { beta: 1.0, warm_up: 0 }
    }
}

impl KlWeight {
    /// Checks β.
    ///
    /// # Errors
    /// [`Error::Config`] if it is negative or not finite.
    pub fn validate(&self) -> Result<()> {
        if self.beta.is_finite() && self.beta >= 0.0 {
            return Ok(());
        }
        Err(Error::config("kl_weight.beta", format!("must be a number ≥ 0, not {}", self.beta)))
    }

    /// The weight after `samples` training samples.
    pub fn at(&self, samples: u64) -> f64 {
        if samples >= self.warm_up { self.beta } else { self.beta * samples as f64 / self.warm_up as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_linearly_and_stays() {
        let w = KlWeight { beta: 2.0, warm_up: 1000 };
        assert_eq!([0, 250, 1000, 5000].map(|s| w.at(s)), [0.0, 0.5, 2.0, 2.0]);
        assert_eq!(KlWeight::default().at(0), 1.0);
        assert!(KlWeight { beta: -1.0, warm_up: 0 }.validate().is_err());
    }
}
