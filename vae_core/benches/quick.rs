use std::time::Instant;
use vae_core::prelude::*;
use vae_core::numeric::gemm::{Mat, matmul};
fn time(mut f: impl FnMut()) -> (f64, f64) {
    let mut v = vec![];
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < 2.0 { let t = Instant::now(); f(); v.push(t.elapsed().as_secs_f64()); }
    v.sort_by(f64::total_cmp);
    (v[v.len() / 2] * 1e3, v[0] * 1e3)
}
fn main() {
    for (m, n, k, ta, tb) in [(100, 500, 784, false, false), (100, 784, 500, false, false), (100,500,784,false,true), (100, 40, 500, false, false), (100,500,20,false,false), (500, 784, 100, true, false), (125, 784, 100, true, false), (500, 40, 100, true, false), (100,500,40,false,true), (50,500,784,false,true)] {
        let a = vec![0.1f32; m * k]; let b = vec![0.1f32; k * n]; let mut c = vec![0f32; m * n];
        let (t, best) = time(|| { let am = if ta { Mat::new(&a, k, m).t() } else { Mat::new(&a, m, k) }; let bm = if tb { Mat::new(&b, n, k).t() } else { Mat::new(&b, k, n) }; matmul(&mut c, am, bm, false).unwrap(); });
        let f = 2e-6 * (m * n * k) as f64; println!("{m}x{n}x{k} {ta} {tb}: {:.1} GFLOP/s median, best {:.1}, {:.3} ms", f / t, f / best, t);
    }
    let data = DatasetConfig::new(DatasetKind::Mnist).load().unwrap();
    let mut config = RunConfig::report(data.config).latent(20).budget(Budget::Epochs(100));
    config.record = RecordAt::Samples(u64::MAX);
    let mut t = Trainer::new(&config, &data).unwrap();
    let (median, best) = time(|| { t.step(&data).unwrap(); });
    println!("W1 1 thread: median {median:.3} ms, best {best:.3}");
}
