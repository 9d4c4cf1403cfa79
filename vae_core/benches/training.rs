//! `cargo bench -p vae_core --bench training`: the reference work W1–W4, each figure as a fraction of what the machine can do.
//!
//! The machine's speed is measured between the rounds of each figure, in the same run, because that of a shared machine
//! changes by the minute. `-- --json` prints one line for other programs; a word chooses figures by name.
//!
//! W1: MNIST 784-500-20-500-784, tanh, Bernoulli, M = 100, L = 1, L^B, AdaGrad; W1 bf16: its products in bf16. W2: Frey Face
//! 560-200-10-200-560, Gaussian, (M, L). W3: the 32 models of Fig. 3, 2000 epochs, two side by side, estimated from a
//! quarter of a second of each, in f32 and bf16. W4: the bound of 10,000 images, and log p(x) of 40 by 5000 importance samples. W5: the
//! MNIST model with M = 20, L = 8 and each estimator. W6: W1 by Adam, and with each extension (M = 100). Real data where they are at hand, else the synthetic sets.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::json;
use vae_core::prelude::*;
use vae_core::threads;
use vae_core::train::{Control, Event, Observer};
use vae_core::weights::{Networks, Sampling};

/// Rounds of a figure; its median is reported.
const ROUNDS: usize = 9;
/// How long a round takes.
const ROUND: Duration = Duration::from_millis(250);

fn main() -> Result<()> {
    let began = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let json = arguments.iter().any(|a| a == "--json");
    let filter = arguments.iter().find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    let table = Table { filter };
    let mnist = Dataset::digits()?;
    println!("First step of W1 {:.2} s after the start", first_step(&w1_config(mnist.config), &mnist, began)?);
    // Not before W1 is measured alone, memory included, if nothing else is wanted.
    let frey = if table.wants("W2") || table.wants("W3") { Dataset::faces()? } else { mnist.truncated(1, 1) };

    let cores = threads::cores();
    let both: Vec<usize> = if cores > 1 { vec![1, 2] } else { vec![1] };
    let mut w1 = serde_json::Map::new();
    for &n in &both {
        let mut config = w1_config(mnist.config);
        config.seed = 1;
        if let Some(figure) = table.training("W1", &config, &mnist, n)? {
            w1.insert(n.to_string(), figure.into());
        }
    }
    let mut w1_bf16 = serde_json::Map::new();
    for &n in &both {
        let config = w1_config(mnist.config).precision(Precision::MixedBf16);
        if let Some(figure) = table.training("W1 bf16", &config, &mnist, n)? {
            w1_bf16.insert(n.to_string(), figure.into());
        }
    }
    let (mut w2, mut w3) = (serde_json::Map::new(), serde_json::Map::new());
    for (m, l) in [(100, 1), (20, 1), (100, 8), (20, 8)] {
        if let Some(figure) = table.training(&format!("W2 ({m}, {l})"), &w2_config(frey.config, m, l), &frey, 1)? {
            w2.insert(format!("{m},{l}"), figure.into());
        }
    }
    let mut w5 = serde_json::Map::new();
    for (name, form) in estimators() {
        let mut config = w1_config(mnist.config).estimator(form, 8);
        config.batch = 20;
        if let Some(figure) = table.training(&format!("W5 {name}"), &config, &mnist, 1)? {
            w5.insert(name.into(), figure.into());
        }
    }
    let mut w6 = serde_json::Map::new();
    for (name, config) in extensions(&w1_config(mnist.config)) {
        if let Some(figure) = table.training(&format!("W6 {name}"), &config, &mnist, 1)? {
            w6.insert(name.into(), figure.into());
        }
    }
    if table.wants("W3") {
        for (name, precision) in [("f32", Precision::F32), ("bf16", Precision::MixedBf16)] {
            if precision.check().is_err() {
                continue;
            }
            let minutes = sweep_minutes(&frey, precision)?;
            println!(
                "W3: about {minutes:.0} min for the 32 models on {cores} cores, {name} (from {ROUND:?} of steps of each model)"
            );
            w3.insert(name.into(), minutes.into());
        }
    }
    table.evaluation(&mnist, &both)?;

    let resident = resident_mib(); // before the buffers of the next line
    let peaks = [fma_peak(Duration::from_millis(100), 1), memory_peak()];
    println!("\n{} · path {} · {} · {}", cpu(), vae_core::numeric::isa::name(), mnist.name, frey.name);
    let bf16 = bf16_peak().map_or("no bf16 instructions".into(), |peak| format!("bf16 dot products {peak:.0} GFLOP/s"));
    println!("one core: f32 multiply-adds {:.0} GFLOP/s, {bf16}, memory {:.0} GB/s", peaks[0], peaks[1]);
    println!("Resident memory {resident} MiB");
    if json {
        println!(
            "{}",
            json!({"w1": w1, "w1_bf16": w1_bf16, "w2": w2, "w3_minutes": w3, "w5": w5, "w6": w6, "fma_gflops": peaks[0], "memory_gb_s": peaks[1], "cpu": cpu()})
        );
    }
    Ok(())
}

/// By the names that the peers have for them.
fn estimators() -> [(&'static str, Form); 5] {
    let score = estimators::ScoreFunction { baseline: estimators::Baseline::OtherSamples };
    [
        ("A", Form::A),
        ("STL", Form::StickingTheLanding),
        ("IW", Form::ImportanceWeighted),
        ("DReG", Form::DoublyReparameterised),
        ("score", score.into()),
    ]
}

/// W1 by Adam, and what sections 5 to 9 change in it, by the names of `peers/extensions.py`.
fn extensions(w1: &RunConfig) -> Vec<(&'static str, RunConfig)> {
    let plain = w1.clone().optimiser(OptimiserConfig::adam(1e-3));
    let with_a = plain.clone().estimator(estimators::A, 1).evaluation(estimators::A, 1);
    let bayes =
        |networks, sampling| plain.clone().weights(weights::Gaussian { networks, sampling, ..Default::default() });
    let semi = |inner| with_a.clone().posterior(posteriors::SemiImplicit { noise: 10, inner });
    let mut ae = plain.clone().posterior(posteriors::Point::default());
    let variance = Variance::Fixed { sd: 0.5f64.sqrt() };
    ae.model.likelihood = likelihoods::Gaussian { mean: PixelMean::Sigmoid, variance }.into();
    let sized = |c: &RunConfig, hidden: Vec<usize>, n_z| {
        let mut c = c.clone().latent(n_z);
        (c.model.encoder, c.model.decoder) = (hidden.clone(), hidden);
        c
    };
    let deep = sized(&plain, vec![200, 200], 50);
    let em = sized(&plain, vec![100], 3).algorithm(Algorithm::MonteCarloEm(MonteCarloEm::default()));
    vec![
        ("plain", plain.clone()),
        ("autoencoder", ae),
        ("local, decoder", bayes(Networks::Decoder, Sampling::Local)),
        ("local, both", bayes(Networks::Both, Sampling::Local)),
        ("one sample, decoder", bayes(Networks::Decoder, Sampling::Minibatch)),
        ("one sample, both", bayes(Networks::Both, Sampling::Minibatch)),
        ("pairs", with_a.clone().prior(priors::GaussianPair { sd: 0.1, start: None, over: 0 })),
        ("Beta, logit-normal", with_a.clone().prior(priors::Beta::symmetric(0.3))),
        ("Beta, Kumaraswamy", with_a.clone().prior(priors::Beta::symmetric(0.3)).posterior(posteriors::Kumaraswamy)),
        ("masking", plain.corruption(corruption::Masking { level: 0.25 })),
        ("semi-implicit 0", semi(0)),
        ("semi-implicit 5", semi(5)),
        ("semi-implicit 20", semi(20)),
        ("importance weighted 5", deep.clone().estimator(estimators::ImportanceWeighted, 5)),
        ("importance weighted 50", deep.clone().estimator(estimators::ImportanceWeighted, 50)),
        ("doubly reparameterised 50", deep.estimator(estimators::DoublyReparameterised, 50)),
        ("Monte Carlo EM", em),
    ]
}

fn w1_config(data: DatasetConfig) -> RunConfig {
    let mut config = RunConfig::report(data).latent(20).budget(Budget::Epochs(1 << 20));
    config.batches = vae_core::data::batches::BatchScheme::Shuffled;
    config.record = RecordAt::Samples(u64::MAX);
    config
}

fn w2_config(data: DatasetConfig, m: usize, l: usize) -> RunConfig {
    let mut config = w1_config(data).latent(10);
    (config.batch, config.estimator) = (m, Estimator { form: Form::B, samples: l });
    config
}

/// Which figures are wanted.
struct Table {
    filter: String,
}

impl Table {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter) || self.filter.contains(name)
    }

    /// Milliseconds a step; the machine's speed is measured before each round.
    fn training(&self, name: &str, config: &RunConfig, data: &Dataset, threads: usize) -> Result<Option<f64>> {
        if !self.wants(name) || config.precision.check().is_err() {
            return Ok(None);
        }
        let mut trainer = Trainer::new(config, data)?.on_threads(threads)?;
        let flop = trainer.flop_per_sample() * config.batch as f64;
        trainer.step(data)?;
        let (mut times, mut fractions) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let peak = fma_peak(Duration::from_millis(10), threads);
            let step = seconds_a_step(&mut trainer, data)?;
            times.push(1e3 * step);
            fractions.push(1e-9 * flop / step / peak);
        }
        self.print(name, threads, &mut times, &mut fractions, "ms a step");
        Ok(Some(median(&mut times)))
    }

    /// W4.
    fn evaluation(&self, data: &Dataset, threads: &[usize]) -> Result<()> {
        let config = w1_config(data.config);
        let model = Trainer::new(&config, data)?.model().clone();
        let pre = config.preprocess.prepare();
        let size =
            |mlp: &vae_core::nn::Mlp| mlp.layers().iter().map(|l| 2 * l.inputs * l.outputs).sum::<usize>() as f64;
        let images = data.train.len().min(10_000);
        let x = data.truncated(images, 1).train;
        let few = x.prepared(&config.preprocess, 40)?.into_raw_vec_and_offset().0;
        for &n in threads {
            let bound = || {
                vae_core::train::evaluate(&model, &x, &pre, (config.evaluation, config.model.corruption), (1, n))
                    .map(drop)
            };
            self.work("W4 bound", n, images as f64 * (size(model.encoder()) + size(model.decoder())), bound)?;
            let marginal = || vae_core::inference::marginal::log_marginal(&model, &few, 5000, (1, n)).map(drop);
            self.work("W4 log p(x)", n, 40.0 * 5000.0 * size(model.decoder()), marginal)?;
        }
        Ok(())
    }

    fn work(&self, name: &str, threads: usize, flop: f64, work: impl Fn() -> Result<()>) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let (mut times, mut fractions) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS.min(5) {
            let peak = fma_peak(Duration::from_millis(10), threads);
            let start = Instant::now();
            work()?;
            times.push(1e3 * start.elapsed().as_secs_f64());
            fractions.push(1e-6 * flop / times.last().copied().unwrap_or(1.0) / peak);
        }
        self.print(name, threads, &mut times, &mut fractions, "ms");
        Ok(())
    }

    fn print(&self, name: &str, threads: usize, times: &mut [f64], fractions: &mut [f64], unit: &str) {
        let (time, fraction) = (median(times), median(fractions));
        println!(
            "{name:14} {threads} thread{}: median {time:8.3}, best {:8.3} {unit}; dense work at {:3.0} % of the f32 peak",
            if threads == 1 { " " } else { "s" },
            times[0],
            100.0 * fraction
        );
    }
}

/// Stops a fit after [`ROUND`].
struct Round(Instant);

impl Observer for Round {
    fn observe(&mut self, _: &Event, _: &Trainer) -> Result<Control> {
        Ok(if self.0.elapsed() < ROUND { Control::Continue } else { Control::Stop("the round is over".into()) })
    }
}

/// Seconds from `began` to the end of a run's first step.
fn first_step(config: &RunConfig, data: &Dataset, began: Instant) -> Result<f64> {
    Trainer::new(config, data)?.step(data)?;
    Ok(began.elapsed().as_secs_f64())
}

/// The mean over a round.
fn seconds_a_step(trainer: &mut Trainer, data: &Dataset) -> Result<f64> {
    let (start, before) = (Instant::now(), trainer.updates());
    trainer.fit(data, &mut [&mut Round(start)])?;
    Ok(start.elapsed().as_secs_f64() / (trainer.updates() - before) as f64)
}

/// Minutes for the 32 models of Fig. 3 (L 1…8 × M 20, 60, 100, 140; 2000 epochs of 1500 frames), as many side by side as
/// there are cores.
fn sweep_minutes(data: &Dataset, precision: Precision) -> Result<f64> {
    let mut models: Vec<(usize, usize)> = (1..=8).flat_map(|l| [20, 60, 100, 140].map(|m| (m, l))).collect();
    models.reverse(); // the long ones first
    let next = std::sync::Mutex::new(models.into_iter());
    let cores = threads::cores();
    let worker = || -> Result<f64> {
        let mut seconds = 0.0;
        while let Some((m, l)) = next.lock().ok().and_then(|mut models| models.next()) {
            let mut trainer = Trainer::new(&w2_config(data.config, m, l).precision(precision), data)?;
            trainer.step(data)?;
            seconds += 2000.0 * (1500 / m) as f64 * seconds_a_step(&mut trainer, data)?;
        }
        Ok(seconds)
    };
    let total: Result<f64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|w| w.join().unwrap_or(Ok(f64::NAN))).sum()
    });
    Ok(total? / cores as f64 / 60.0)
}

/// GFLOP/s in multiply-adds of `f32`, on the path that the crate takes, of so many cores at once.
fn fma_peak(time: Duration, threads: usize) -> f64 {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| core_peak(time))).collect();
        core_peak(time) + others.into_iter().map(|other| other.join().unwrap_or(f64::NAN)).sum::<f64>()
    })
}

fn core_peak(time: Duration) -> f64 {
    struct Chains(usize);
    impl pulp::WithSimd for Chains {
        type Output = f32;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, simd: S) -> f32 {
            let (a, b) = (simd.splat_f32s(0.999_999), simd.splat_f32s(1e-9));
            let mut sums = [simd.splat_f32s(1.0); 12];
            for _ in 0..self.0 {
                for sum in &mut sums {
                    *sum = simd.mul_add_e_f32s(*sum, a, b);
                }
            }
            let total = sums.into_iter().fold(simd.splat_f32s(0.0), |x, y| simd.add_f32s(x, y));
            simd.reduce_sum_f32s(total)
        }
    }
    struct Lanes;
    impl pulp::WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    let arch = vae_core::numeric::isa::arch();
    let flop = 2.0 * 12.0 * arch.dispatch(Lanes) as f64;
    let (start, mut best) = (Instant::now(), 0f64);
    while start.elapsed() < time {
        const STEPS: usize = 50_000;
        let begin = Instant::now();
        black_box(arch.dispatch(Chains(black_box(STEPS))));
        best = best.max(1e-9 * flop * STEPS as f64 / begin.elapsed().as_secs_f64());
    }
    best
}

/// GFLOP/s of one core in bf16 dot products, by AMX where the crate takes it, and where there are such instructions.
#[cfg(target_arch = "x86_64")]
fn bf16_peak() -> Option<f64> {
    use std::arch::x86_64::*;
    fn bf16_ones() -> __m512bh {
        // SAFETY: both are 64 bytes without invalid values.
        unsafe { std::mem::transmute([0x3f80_u16; 32]) }
    }
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn chains(steps: usize) -> f32 {
        let one: __m512bh = bf16_ones();
        let mut sums = [_mm512_set1_ps(1.0); 12];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, one, one);
            }
        }
        let mut total = 0.0;
        for sum in sums {
            total += _mm512_reduce_add_ps(sum);
        }
        total
    }
    if !(is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f")) {
        return None;
    }
    const STEPS: usize = 2_000_000;
    if vae_core::numeric::isa::name() == "amx" {
        // SAFETY: the crate has found AMX, and asked for it.
        return Some(unsafe { amx_peak(STEPS / 10) });
    }
    let begin = Instant::now();
    // SAFETY: the instructions were just found.
    black_box(unsafe { chains(black_box(STEPS)) });
    Some(1e-9 * 12.0 * 64.0 * STEPS as f64 / begin.elapsed().as_secs_f64())
}

/// Chains of products of two tiles by two, all zero.
///
/// # Safety
/// The system must have permitted AMX.
#[cfg(target_arch = "x86_64")]
unsafe fn amx_peak(steps: usize) -> f64 {
    use std::arch::asm;
    // Palette 1; all tiles have 16 rows of 64 bytes.
    let mut configuration = [0u8; 64];
    configuration[0] = 1;
    for tile in 0..8 {
        (configuration[16 + 2 * tile], configuration[48 + tile]) = (64, 16);
    }
    // SAFETY: as the caller promises; the registers are this function's until it releases them.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &configuration, options(nostack, readonly));
        let begin = Instant::now();
        asm!(
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {steps}",
            "jnz 2b",
            steps = inout(reg) steps => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            options(nostack),
        );
        let seconds = begin.elapsed().as_secs_f64();
        asm!("tilerelease", options(nostack, nomem));
        1e-9 * 4.0 * (2 * 16 * 16 * 32) as f64 * steps as f64 / seconds
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn bf16_peak() -> Option<f64> {
    None
}

/// GB/s of one core, reading and writing 64 MiB.
fn memory_peak() -> f64 {
    let (mut x, y) = (vec![1f32; 8 << 20], vec![1f32; 8 << 20]);
    let rounds = (0..5).map(|_| {
        let begin = Instant::now();
        vae_core::numeric::vmath::zip(&mut x, &y, |x, y| x + y);
        black_box(&mut x);
        1e-9 * 12.0 * y.len() as f64 / begin.elapsed().as_secs_f64()
    });
    rounds.fold(0.0, f64::max)
}

/// The median; sorts.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    format!("{}, {} cores", name.unwrap_or(std::env::consts::ARCH), threads::cores())
}

fn resident_mib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.map_or("unknown".into(), |kib| format!("at most {}", kib / 1024))
}
