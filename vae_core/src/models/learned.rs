//! Which of the two networks moves.

use serde::{Deserialize, Serialize};

/// The networks whose parameters an update moves; those of the other stay as they were, bit for bit. With the decoder fixed, all that a run learns is
/// inference: log p(x) stays, and the bound rises by as much as its gap closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learned {
    /// θ and ϕ.
    #[default]
    Both,
    /// ϕ, the encoder's.
    Encoder,
    /// θ, the decoder's and the likelihood's.
    Decoder,
}
