//! The authors' protocol V0 on MNIST, held against their trace: `cargo run --release --example authors_protocol [SAMPLES [N_Z…]]`.
//!
//! AdaGrad 0.01 with ε = 10⁻⁶ outside the root, N(0, 0.01²), M = 100, L = 1, N_z = 10, 500 tanh units, grey k/256, fixed
//! blocks. Their trace: −190.5 / −169.2 (train / validation) at 5·10⁴ samples, −132.7 / −132.3 at 10⁶.

use vae_core::config::{Budget, RunConfig};
use vae_core::data::dataset::{DatasetConfig, DatasetKind};
use vae_core::live;

fn main() -> vae_core::Result<()> {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|s| s.parse().ok()).collect();
    let samples = numbers.first().copied().unwrap_or(1_000_000);
    let latent = if numbers.len() > 1 { &numbers[1..] } else { &[10] };
    let report = RunConfig::report(DatasetConfig::new(DatasetKind::Mnist)).budget(Budget::Samples(samples));
    let configs: Vec<RunConfig> = latent.iter().map(|&n_z| report.clone().latent(n_z as usize)).collect();
    for run in live::run_all(&configs)? {
        println!("\n{}\nsamples  train  validation", run.summary());
        for record in &run.history().records {
            println!("{:8}  {:.2}  {:.2}", record.samples, record.train.bound, record.valid.bound);
        }
        println!(
            "{:.1} s, {:.2} ms per update",
            run.result.seconds,
            1e3 * run.result.seconds / (samples as f64 / 100.0)
        );
    }
    Ok(())
}
