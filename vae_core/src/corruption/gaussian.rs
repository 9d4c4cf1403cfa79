//! x̃ = x + level · ε, ε ~ N(0, I). What leaves [0, 1] stays outside: the encoder sees it, no likelihood does.

use serde::{Deserialize, Serialize};

use super::{Corruption, CorruptionConfig};
use crate::numeric::Real;
use crate::numeric::real::fill_normals;
use crate::rng::Rng;
use crate::{Error, Result};

/// Gaussian noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaussian {
    /// Its standard deviation, in the units of x.
    pub level: f64,
}

impl Default for Gaussian {
    fn default() -> Self {
        Self { level: 0.1 }
    }
}

/// Values for which noise is drawn at once.
const PART: usize = 256;

impl<F: Real> Corruption<F> for Gaussian {
    fn validate(&self) -> Result<()> {
        if self.level.is_finite() && self.level >= 0.0 {
            return Ok(());
        }
        Err(Error::config("model.corruption.level", format!("must be a number ≥ 0, not {}", self.level)))
    }

    fn times(&self, factor: f64) -> CorruptionConfig {
        Self { level: factor * self.level }.into()
    }

    fn corrupt(&self, x: &mut [F], rng: &mut Rng) {
        let (level, mut noise) = (F::of(self.level), [F::zero(); PART]);
        for x in x.chunks_mut(PART) {
            fill_normals(&mut noise[..x.len()], rng);
            x.iter_mut().zip(&noise).for_each(|(x, noise)| *x += level * *noise);
        }
    }

    fn describe(&self) -> String {
        format!("Gaussian noise {} on the input", self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, rng};

    #[test]
    fn the_noise_has_its_spread() {
        let mut x = vec![0.5f64; 100_000];
        Gaussian { level: 0.2 }.corrupt(&mut x, &mut rng(1, Stream::Corruption, 0));
        let mean = x.iter().sum::<f64>() / 1e5;
        let sd = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5).sqrt();
        assert!((mean - 0.5).abs() < 0.003 && (sd - 0.2).abs() < 0.003, "{mean} {sd}");
        assert!(Corruption::<f32>::validate(&Gaussian { level: f64::NAN }).is_err());
    }
}
