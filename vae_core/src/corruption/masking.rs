//! x̃_d = 0 with probability `level`, independently, else x_d.

use rand::RngCore as _;
use serde::{Deserialize, Serialize};

use super::{Corruption, CorruptionConfig};
use crate::numeric::Real;
use crate::rng::Rng;
use crate::{Error, Result};

/// Masking noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// The probability of a pixel to be lost, in \[0, 1].
    pub level: f64,
}

impl Default for Masking {
    fn default() -> Self {
        Self { level: 0.25 }
    }
}

impl<F: Real> Corruption<F> for Masking {
    fn validate(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.level) {
            return Ok(());
        }
        Err(Error::config("model.corruption.level", format!("must be in [0, 1], not {}", self.level)))
    }

    fn times(&self, factor: f64) -> CorruptionConfig {
        Self { level: factor * self.level }.into()
    }

    fn corrupt(&self, x: &mut [F], rng: &mut Rng) {
        let threshold = (self.level * 4_294_967_296.0).round() as u64;
        for x in x {
            if u64::from(rng.next_u32()) < threshold {
                *x = F::zero();
            }
        }
    }

    fn describe(&self) -> String {
        format!("input masked, {} %", 100.0 * self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, rng};

    #[test]
    fn the_share_of_lost_pixels_is_the_level() {
        for level in [0.0, 0.3, 1.0] {
            let mut x = vec![0.5f32; 100_000];
            Masking { level }.corrupt(&mut x, &mut rng(1, Stream::Corruption, 0));
            let lost = x.iter().filter(|x| **x == 0.0).count() as f64 / x.len() as f64;
            assert!((lost - level).abs() < 4.0 * (level * (1.0 - level) / x.len() as f64).sqrt() + 1e-12, "{lost}");
        }
        assert!(Corruption::<f32>::validate(&Masking { level: 1.1 }).is_err());
    }
}
