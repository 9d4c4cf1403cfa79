//! What mixed precision does to the bound: the report's run on MNIST in `f32` and in bf16, for some seeds, |Δ bound| beside the
//! seeds' standard deviation: `cargo run --release --example precision [SAMPLES [SEEDS [THREADS]]]`. Nothing is stored.

use vae_core::prelude::*;

fn main() -> Result<()> {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|s| s.parse().ok()).collect();
    let number = |i: usize, default| numbers.get(i).copied().unwrap_or(default);
    let (samples, seeds, threads) = (number(0, 1_000_000), number(1, 3), number(2, 1) as usize);
    let data = DatasetConfig::new(DatasetKind::Mnist).load()?;
    let report = RunConfig::report(data.config).budget(Budget::Samples(samples));
    println!("seed  precision  train bound  validation bound  ms per update (records included)");
    let mut bounds = [Vec::new(), Vec::new()];
    for seed in 0..seeds {
        for (precision, bounds) in [Precision::F32, Precision::MixedBf16].into_iter().zip(&mut bounds) {
            let config = report.clone().seed(seed).precision(precision);
            let mut trainer = Trainer::new(&config, &data)?.on_threads(threads)?;
            let (mut updates, start) = (0.0, std::time::Instant::now());
            while trainer.updates() < trainer.total_updates() {
                trainer.step(&data)?;
                updates += 1.0;
            }
            let ms = 1e3 * start.elapsed().as_secs_f64() / updates;
            let Some(last) = trainer.history().last() else { continue };
            let (train, valid) = (last.train.bound, last.valid.bound);
            println!("{seed:4}  {precision:?}  {train:.3}  {valid:.3}  {ms:.2}");
            bounds.push([train, valid]);
        }
    }
    for (k, name) in ["train", "validation"].into_iter().enumerate() {
        let of = |p: usize| bounds[p].iter().map(|b| b[k]).collect::<Vec<f64>>();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (full, mixed) = (of(0), of(1));
        let spread = |v: &[f64]| {
            let squares: f64 = v.iter().map(|x| (x - mean(v)).powi(2)).sum();
            (squares / (v.len() as f64 - 1.0).max(1.0)).sqrt()
        };
        println!(
            "{name}: |Δ bound| of the means {:.3}; standard deviation over seeds {:.3} in f32, {:.3} in mixed precision",
            (mean(&full) - mean(&mixed)).abs(),
            spread(&full),
            spread(&mixed),
        );
    }
    Ok(())
}
