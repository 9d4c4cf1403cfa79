//! The authors' protocol V0 on MNIST, held against their trace: `cargo run --release --example authors_protocol [SAMPLES]`.
//!
//! AdaGrad 0.01 with ε = 10⁻⁶ outside the root, N(0, 0.01²), M = 100, L = 1, N_z = 10, 500 tanh units, grey k/256, fixed
//! blocks. Their trace: −190.5 / −169.2 (train / validation) at 5·10⁴ samples, −132.7 / −132.3 at 10⁶.

use vae_core::data::dataset::{DatasetConfig, DatasetKind};
use vae_core::runs::{Budget, RunConfig, store};

fn main() -> vae_core::Result<()> {
    let samples = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(1_000_000);
    let config = RunConfig::report(DatasetConfig::new(DatasetKind::Mnist)).budget(Budget::Samples(samples));
    let run = store::run(&config)?;
    println!("{}\nsamples  train  validation", run.summary());
    for record in &run.history().records {
        println!("{:8}  {:.2}  {:.2}", record.samples, record.train.bound, record.valid.bound);
    }
    println!("{:.1} s, {:.2} ms per update", run.result.seconds, 1e3 * run.result.seconds / (samples as f64 / 100.0));
    Ok(())
}
