//! temporary
use vae_core::prelude::*;
fn main() {
    let data = DatasetConfig::new(DatasetKind::Mnist).load().unwrap();
    let mut config = RunConfig::report(data.config).latent(20).budget(Budget::Epochs(100));
    config.record = RecordAt::Samples(u64::MAX);
    let threads = std::env::args().nth(1).and_then(|v| v.parse().ok()).unwrap_or(1);
    let mut t = Trainer::new(&config, &data).unwrap().on_threads(threads).unwrap();
    for _ in 0..2000 {
        t.step(&data).unwrap();
    }
    println!("{:.3} ms {}", t.seconds() / 2000.0 * 1e3, t.running_train_bound().bound);
}
