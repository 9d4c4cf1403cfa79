//! How an update is made.

use serde::{Deserialize, Serialize};

/// What moves θ and ϕ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Algorithm 1: both up one bound.
    #[default]
    Aevb,
    /// Hinton et al. (1995), what Kingma & Welling compare with in their Fig. 2: the decoder up E_q [log p(x | z)] on data (wake), then the encoder up
    /// E_p(x, z) [log q(z | x)] on as many dreams (sleep). There is no bound that both climb.
    WakeSleep,
}
