//! What several tests across modules need; each takes what it wants.
#![allow(dead_code)]

use rand::Rng as _;
use vae_core::config::{Budget, RecordAt, RunConfig};
use vae_core::data::dataset::{Dataset, DatasetConfig, DatasetKind, Limit};
use vae_core::rng::{Stream, rng};
use vae_core::train::Trainer;

/// x `[m, d]` in patches of zeros and of grey, of which about `share` is grey.
pub fn images(m: usize, d: usize, share: f64, seed: u64) -> Vec<f32> {
    let mut draws = rng(seed, Stream::User, 0);
    let patch: Vec<bool> = (0..(m * d).div_ceil(5)).map(|_| draws.random_range(0.0..1.0) < share).collect();
    (0..m * d).map(|i| if patch[i / 5] { draws.random_range(0.0f32..1.0) } else { 0.0 }).collect()
}

/// A tiny run of 12 updates an epoch.
pub fn small() -> RunConfig {
    let limit = Some(Limit { train: 300, eval: 20 });
    let data = DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) };
    let mut config = RunConfig::report(data).latent(2).budget(Budget::Epochs(2)).seed(7);
    (config.model.encoder, config.model.decoder) = (vec![5], vec![5]);
    (config.batch, config.record) = (25, RecordAt::Epochs(1));
    config
}

/// The same run to its end.
pub fn train(config: &RunConfig, data: &Dataset) -> Trainer {
    train_on_threads(config, data, 1)
}

pub fn train_on_threads(config: &RunConfig, data: &Dataset, threads: usize) -> Trainer {
    let mut trainer = Trainer::new(config, data).unwrap().on_threads(threads).unwrap();
    trainer.fit(data, &mut []).unwrap();
    trainer
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}
