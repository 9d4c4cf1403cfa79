//! x̃_d is replaced with probability `level`, independently, else x_d: by 0 or 1 with equal probability, or, as in the public code of Im et al.
//! (2017), by 1 only with probability `level` again, which is hardly more than masking at small levels.

use rand::RngCore as _;
use serde::{Deserialize, Serialize};

use super::{Corruption, CorruptionConfig};
use crate::numeric::Real;
use crate::rng::Rng;
use crate::{Error, Result};

/// By what a pixel is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// A draw of Bernoulli(½).
    #[default]
    Half,
    /// A draw of Bernoulli(level).
    Level,
}

/// Salt-and-pepper noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaltAndPepper {
    /// The probability of a pixel to be replaced, in \[0, 1].
    pub level: f64,
    /// By what.
    pub by: Replacement,
}

impl Default for SaltAndPepper {
    fn default() -> Self {
        Self { level: 0.1, by: Replacement::Half }
    }
}

impl<F: Real> Corruption<F> for SaltAndPepper {
    fn validate(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.level) {
            return Ok(());
        }
        Err(Error::config("model.corruption.level", format!("must be in [0, 1], not {}", self.level)))
    }

    fn times(&self, factor: f64) -> CorruptionConfig {
        Self { level: factor * self.level, ..*self }.into()
    }

    fn corrupt(&self, x: &mut [F], rng: &mut Rng) {
        let threshold = |p: f64| (p * 4_294_967_296.0).round() as u64;
        let white = threshold(if self.by == Replacement::Half { 0.5 } else { self.level });
        let replaced = threshold(self.level);
        for x in x {
            let (first, second) = (u64::from(rng.next_u32()), u64::from(rng.next_u32()));
            if first < replaced {
                *x = if second < white { F::one() } else { F::zero() };
            }
        }
    }

    fn describe(&self) -> String {
        let by = if self.by == Replacement::Half { "0 or 1" } else { "1 as rarely, else 0" };
        format!("{} % of the input replaced by {by}", 100.0 * self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, rng};

    #[test]
    fn shares_are_those_of_both_definitions() {
        for (by, white) in [(Replacement::Half, 0.1), (Replacement::Level, 0.04)] {
            let mut x = vec![0.5f32; 200_000];
            SaltAndPepper { level: 0.2, by }.corrupt(&mut x, &mut rng(1, Stream::Corruption, 0));
            let share = |v: f32| x.iter().filter(|x| **x == v).count() as f64 / x.len() as f64;
            assert!((share(1.0) - white).abs() < 0.004 && (share(0.0) - (0.2 - white)).abs() < 0.004, "{by:?}");
        }
        assert!(Corruption::<f32>::validate(&SaltAndPepper { level: -0.1, by: Replacement::Half }).is_err());
    }
}
