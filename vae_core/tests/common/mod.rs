//! What several tests across modules need.

use rand::Rng as _;
use vae_core::rng::{Stream, rng};

/// x `[m, d]` in patches of zeros and of grey, of which about `share` is grey.
pub fn images(m: usize, d: usize, share: f64, seed: u64) -> Vec<f32> {
    let mut draws = rng(seed, Stream::User, 0);
    let patch: Vec<bool> = (0..(m * d).div_ceil(5)).map(|_| draws.random_range(0.0..1.0) < share).collect();
    (0..m * d).map(|i| if patch[i / 5] { draws.random_range(0.0f32..1.0) } else { 0.0 }).collect()
}
