//! `cargo bench -p vae_core --bench kernels`: each kernel at the shapes of the reference work.
//!
//! Counts are floating-point operations (products) or values (element by element); divan prints them per second.
#![allow(missing_docs, clippy::unwrap_used)]

use divan::Bencher;
use divan::counter::ItemsCount;
use vae_core::numeric::block_sparse::BlockSparse;
use vae_core::numeric::gemm::{Mat, Start, matmul, matmul_in, matrix_mut};
use vae_core::numeric::{Precision, Real, vmath};
use vae_core::optim::{Optimiser, OptimiserConfig, Sgd};

fn main() {
    divan::main();
}

fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.37).sin() * 0.1).collect()
}

/// `(m, n, k)` of A `[m, k]` · B `[k, n]`: forward products of W1 and W2, the last with L = 8.
const FORWARD: [(usize, usize, usize); 6] =
    [(100, 500, 784), (100, 784, 500), (100, 500, 20), (100, 40, 500), (20, 200, 560), (800, 1120, 200)];

#[divan::bench(args = FORWARD)]
fn forward(bencher: Bencher, (m, n, k): (usize, usize, usize)) {
    let (a, b, mut c) = (values(m * k), values(k * n), vec![0.0; m * n]);
    bencher
        .counter(ItemsCount::new(2 * m * n * k))
        .bench_local(|| matmul(&mut c, Mat::new(&a, m, k), Mat::new(&b, k, n), Start::Zero).unwrap());
}

/// δ Wᵀ: B transposed.
#[divan::bench(args = [(100, 500, 784), (100, 500, 40), (800, 200, 1120)])]
fn input_gradient(bencher: Bencher, (m, n, k): (usize, usize, usize)) {
    let (a, b, mut c) = (values(m * k), values(k * n), vec![0.0; m * n]);
    bencher
        .counter(ItemsCount::new(2 * m * n * k))
        .bench_local(|| matmul(&mut c, Mat::new(&a, m, k), Mat::new(&b, n, k).t(), Start::Zero).unwrap());
}

/// xᵀ δ: A transposed.
#[divan::bench(args = [(500, 784, 100), (784, 500, 100), (200, 1120, 800)])]
fn weight_gradient(bencher: Bencher, (m, n, k): (usize, usize, usize)) {
    let (a, b, mut c) = (values(m * k), values(k * n), vec![0.0; m * n]);
    bencher
        .counter(ItemsCount::new(2 * m * n * k))
        .bench_local(|| matmul(&mut c, Mat::new(&a, k, m).t(), Mat::new(&b, k, n), Start::Zero).unwrap());
}

/// The products of a step in mixed precision, to be held against those above: twice as fast on Zen 4 and 5, three times on Sapphire
/// Rapids, by AMX. `VAEB_ISA=avx512` shows the path without that (there slower than `f32`), `VAEB_ISA=avx2` that without AVX512-BF16.
#[divan::bench(args = FORWARD)]
fn bf16_forward(bencher: Bencher, (m, n, k): (usize, usize, usize)) {
    let (a, b, mut c) = (values(m * k), values(k * n), vec![0.0; m * n]);
    let product = || {
        matmul_in(
            Precision::MixedBf16,
            matrix_mut(&mut c, m, n).unwrap(),
            Mat::new(&a, m, k),
            Mat::new(&b, k, n),
            Start::Zero,
        )
        .unwrap()
    };
    bencher.counter(ItemsCount::new(2 * m * n * k)).bench_local(product);
}

#[divan::bench(args = [(100, 500, 784), (100, 500, 40), (800, 200, 1120)])]
fn bf16_input_gradient(bencher: Bencher, (m, n, k): (usize, usize, usize)) {
    let (a, b, mut c) = (values(m * k), values(k * n), vec![0.0; m * n]);
    let product = || {
        matmul_in(
            Precision::MixedBf16,
            matrix_mut(&mut c, m, n).unwrap(),
            Mat::new(&a, m, k),
            Mat::new(&b, n, k).t(),
            Start::Zero,
        )
        .unwrap()
    };
    bencher.counter(ItemsCount::new(2 * m * n * k)).bench_local(product);
}

#[divan::bench(args = [(500, 784, 100), (784, 500, 100), (200, 1120, 800)])]
fn bf16_weight_gradient(bencher: Bencher, (m, n, k): (usize, usize, usize)) {
    let (a, b, mut c) = (values(m * k), values(k * n), vec![0.0; m * n]);
    let product = || {
        matmul_in(
            Precision::MixedBf16,
            matrix_mut(&mut c, m, n).unwrap(),
            Mat::new(&a, k, m).t(),
            Mat::new(&b, k, n),
            Start::Zero,
        )
        .unwrap()
    };
    bencher.counter(ItemsCount::new(2 * m * n * k)).bench_local(product);
}

/// The same with the `gemm` crate, in f64: what the reference path costs.
#[divan::bench(args = [(100, 500, 784)])]
fn reference_in_f64(bencher: Bencher, (m, n, k): (usize, usize, usize)) {
    let (a, b, mut c) = (vec![0.1f64; m * k], vec![0.1f64; k * n], vec![0.0; m * n]);
    bencher
        .counter(ItemsCount::new(2 * m * n * k))
        .bench_local(|| matmul(&mut c, Mat::new(&a, m, k), Mat::new(&b, k, n), Start::Zero).unwrap());
}

/// 100 images of which a fifth is ink, in patches. Counted as if they were dense: more than the peak is possible.
fn ink() -> Vec<f32> {
    (0..100 * 784).map(|i| if (i / 7) % 5 == 0 { 0.5 } else { 0.0 }).collect()
}

#[divan::bench]
fn sparse_forward(bencher: Bencher) {
    let (w, mut out, mut x) = (values(784 * 500), vec![0.0; 100 * 500], BlockSparse::new(100, 784));
    x.fill(&ink(), 1);
    let bias = vec![0.0; 500];
    bencher
        .counter(ItemsCount::new(2usize * 100 * 784 * 500))
        .bench_local(|| x.multiply(Mat::new(&w, 784, 500), &bias, matrix_mut(&mut out, 100, 500).unwrap()));
}

#[divan::bench]
fn sparse_weight_gradient(bencher: Bencher) {
    let (delta, mut out, mut x) = (values(100 * 500), vec![0.0; 784 * 500], BlockSparse::new(100, 784));
    x.fill(&ink(), 1);
    bencher
        .counter(ItemsCount::new(2usize * 100 * 784 * 500))
        .bench_local(|| x.transposed_multiply(0..196, &delta, &mut out, 500));
}

#[divan::bench]
fn sparse_fill(bencher: Bencher) {
    let (ink, mut x) = (ink(), BlockSparse::new(100, 784));
    bencher.counter(ItemsCount::new(ink.len())).bench_local(|| x.fill(&ink, 1));
}

#[divan::bench]
fn tanh(bencher: Bencher) {
    let mut x = values(50_000);
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| vmath::map(&mut x, |v| v.tanh_v()));
}

#[divan::bench]
fn bernoulli_with_gradient(bencher: Bencher) {
    use vae_core::likelihoods::{LikelihoodConfig, Pixels};
    let (x, mut head, mut log_p) = (values(78_400), values(78_400), vec![0.0; 100]);
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| {
        let at = Pixels { d: 784, l: 1, shared: 0.0 };
        LikelihoodConfig::Bernoulli.get().log_prob_and_gradient(&x, &mut head, at, &mut log_p, &mut []);
    });
}

#[divan::bench(args = ["AdaGrad", "Adam", "momentum"])]
fn optimiser(bencher: Bencher, name: &str) {
    let config = match name {
        "AdaGrad" => OptimiserConfig::adagrad(0.01),
        "Adam" => OptimiserConfig::adam(1e-3),
        _ => Sgd { step: 0.01, momentum: 0.9 }.into(),
    };
    let (mut params, gradient) = (values(820_000), values(820_000));
    let mut optimiser = Optimiser::init(config, params.len()).unwrap();
    bencher.counter(ItemsCount::new(params.len())).bench_local(|| optimiser.update(&mut params, &gradient, 1.0));
}
