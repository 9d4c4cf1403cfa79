//! x̃ = x.

use super::{Corruption, CorruptionConfig};
use crate::numeric::Real;
use crate::rng::Rng;

/// None.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoCorruption;

impl<F: Real> Corruption<F> for NoCorruption {
    fn is_none(&self) -> bool {
        true
    }

    fn times(&self, _: f64) -> CorruptionConfig {
        Self.into()
    }

    fn corrupt(&self, _: &mut [F], _: &mut Rng) {}

    fn describe(&self) -> String {
        String::new()
    }
}
