//! temporary
use std::time::Instant;
use vae_core::numeric::{Real, vmath};
use vae_core::optim::*;
fn time(mut f: impl FnMut()) -> (f64, f64) {
    let mut v = vec![];
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < 1.0 {
        let t = Instant::now();
        f();
        v.push(t.elapsed().as_secs_f64());
    }
    v.sort_by(f64::total_cmp);
    (v[v.len() / 2] * 1e3, v[0] * 1e3)
}
fn main() {
    for n in [72 << 10, 820_000] {
        let mut p = vec![0.1f32; n];
        let g = vec![0.01f32; n];
        for c in [
            OptimiserConfig::adagrad(0.01),
            OptimiserConfig::adam(1e-3),
            OptimiserConfig::Sgd { step: 0.1, momentum: 0.5 },
        ] {
            let mut o = Optimiser::init(c, n).unwrap();
            let (m, b) = time(|| o.update(&mut p, &g, 1.0));
            println!("{n} {c:?}: {:.3} ns/el median {:.3} best", m * 1e6 / n as f64, b * 1e6 / n as f64);
        }
        let (m, b) = time(|| vmath::map(&mut p, |v| v.sqrt_v()));
        println!("sqrt {:.3} {:.3}", m * 1e6 / n as f64, b * 1e6 / n as f64);
        let (m, b) = time(|| vmath::map(&mut p, |v| v.tanh_v()));
        println!("tanh {:.3} {:.3}", m * 1e6 / n as f64, b * 1e6 / n as f64);
        let (m, b) = time(|| {
            std::hint::black_box(vmath::sum2(&p, &g, |v, _| v.abs()));
        });
        println!("sum {:.3} {:.3}", m * 1e6 / n as f64, b * 1e6 / n as f64);
    }
}
