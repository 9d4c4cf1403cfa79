//! What happens to x before the encoder sees it, one corruption a file (Vincent et al. 2008; Im et al. 2017). The target of the
//! reconstruction stays x. The bound is then that of the mixture E[q(z | x̃)]: still a lower bound of log p(x), and what is reported.

mod gaussian;
mod masking;
mod none;
mod salt_and_pepper;
mod schedule;

pub use salt_and_pepper::Replacement;
pub use schedule::NoiseSchedule;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::choices::choices;
use crate::numeric::Real;
use crate::rng::Rng;

/// A corruption of inputs.
pub trait Corruption<F: Real>: std::fmt::Debug + Send + Sync {
    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) naming the number.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether x stays as it is.
    fn is_none(&self) -> bool {
        false
    }

    /// The same with its level times a factor in \[0, 1\].
    fn times(&self, factor: f64) -> CorruptionConfig;

    /// `x ← x̃`, x `[M, D]`.
    fn corrupt(&self, x: &mut [F], rng: &mut Rng);

    /// For captions; empty for none.
    fn describe(&self) -> String;
}

choices! {
    /// Choice of the corruption.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    CorruptionConfig: Corruption<F> {
        #[default] none::NoCorruption,
        masking::Masking(Masking),
        gaussian::Gaussian(Gaussian),
        salt_and_pepper::SaltAndPepper(SaltAndPepper),
    }
}
