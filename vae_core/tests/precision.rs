//! Mixed precision: the gradient near that of `f32`, the same bits on any number of threads, and a run that ends where one in
//! `f32` does.
#![allow(clippy::unwrap_used)]

mod common;

use common::images;
use proptest::prelude::*;
use rand::Rng as _;
use vae_core::optim::Optimiser;
use vae_core::prelude::*;
use vae_core::serde_json;
use vae_core::step::{Ascent, StepSettings, Workspace};
use vae_core::weights::Scaling;

const MIXED: Precision = Precision::MixedBf16;

fn any_model() -> impl Strategy<Value = (ModelConfig, usize, Estimator)> {
    let widths = || prop::collection::vec(8usize..60, 1..3);
    let likelihood = prop_oneof![
        Just(LikelihoodConfig::Bernoulli),
        Just(LikelihoodConfig::gaussian(PixelMean::Linear)),
        Just(LikelihoodConfig::gaussian(PixelMean::Sigmoid)),
    ];
    let form = prop_oneof![Just(Form::A), Just(Form::B)];
    let activation = prop_oneof![Just(Activation::Tanh), Just(Activation::Softplus), Just(Activation::Gelu)];
    (widths(), widths(), 2usize..6, 20usize..90, activation, likelihood, form, 1usize..4).prop_map(
        |(encoder, decoder, latent, d, activation, likelihood, form, samples)| {
            let config = ModelConfig {
                latent,
                encoder,
                decoder,
                activation,
                likelihood,
                init: Init::Xavier,
                ..ModelConfig::default()
            };
            (config, d, Estimator { form, samples })
        },
    )
}

/// Bound and gradient.
fn gradient(model: &Vae<f32>, estimator: Estimator, x: &[f32], precision: Precision) -> (f64, Vec<f32>) {
    let m = x.len() / model.data_width();
    let mut ws = Workspace::new(model, &estimator, m, true).unwrap().on_threads(3).in_precision(precision);
    ws.draw_noise(model, m, &mut rng(5, Stream::Noise, 0)).unwrap();
    let bound = ws.gradient(model, x).unwrap().bound;
    (bound, ws.gradient)
}

/// Bounds and parameters after three updates, with the work divided for so many `threads`.
fn three_updates(
    config: &ModelConfig,
    estimator: Estimator,
    x: &[f32],
    d: usize,
    threads: usize,
) -> (Vec<f64>, Vec<f32>) {
    let (mut model, m) = (Vae::<f32>::new(config, d, 3).unwrap(), x.len() / d);
    let mut optimiser = Optimiser::init(OptimiserConfig::adagrad(0.01), model.layout().len()).unwrap();
    let mut ws = Workspace::new(&model, &estimator, m, true).unwrap().on_threads(threads).in_precision(MIXED);
    let ascent = Ascent::new(&model, &ws, threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let scaling = Scaling { scale: 1.0, decay: 1e-3, kl: 0.0 };
    let bounds = (0..3).map(|update| {
        ws.draw_noise(&model, m, &mut rng(7, Stream::Noise, update)).unwrap();
        let settings = StepSettings { scaling, ..StepSettings::plain(update + 1) };
        pool.install(|| ascent.step(&mut model, x, &mut ws, &mut optimiser, settings)).unwrap().bound
    });
    let bounds = bounds.collect();
    (bounds, model.params().to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Each rounding is off by at most 2⁻⁹ of a value, with either sign: their sum by about 1 % of the gradient's length, and
    /// its derivative along a random direction by as much.
    #[test]
    fn the_gradient_is_near_that_in_f32(
        (config, d, estimator) in any_model(), m in 8usize..30, share in 0.0f64..1.0, seed in 0u64..1000,
    ) {
        let x = images(m, d, share, 1);
        let model = Vae::<f32>::new(&config, d, 3).unwrap();
        let (bound, full) = gradient(&model, estimator, &x, Precision::F32);
        let (bound16, mixed) = gradient(&model, estimator, &x, MIXED);
        prop_assert!(bound != bound16, "nothing was rounded");
        // of Gaussian pixels, residuals and precisions are rounded, and multiplied
        prop_assert!((bound - bound16).abs() <= 3e-2 * bound.abs() + 0.05, "{bound} {bound16}");
        let norm = |g: &mut dyn Iterator<Item = f32>| g.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let length = norm(&mut full.iter().copied());
        let off = norm(&mut full.iter().zip(&mixed).map(|(g, h)| g - h));
        prop_assert!(off <= 0.02 * length, "off by {off} of {length}");
        let mut draws = rng(seed, Stream::User, 1);
        let direction: Vec<f32> = full.iter().map(|_| if draws.random() { 1.0 } else { -1.0 }).collect();
        let along = |g: &[f32]| g.iter().zip(&direction).map(|(g, s)| f64::from(g * s)).sum::<f64>();
        // A random direction has each component of the gradient with a random sign, so that the derivative is about its length.
        let (full, mixed) = (along(&full), along(&mixed));
        prop_assert!((full - mixed).abs() <= 0.04 * length, "{full} {mixed} of {length}");
    }

    #[test]
    fn bits_do_not_depend_on_threads((config, d, estimator) in any_model(), m in 1usize..20, share in 0.0f64..1.0) {
        let x = images(m, d, share, 1);
        let one = three_updates(&config, estimator, &x, d, 1);
        for threads in [2, 3, 5] {
            prop_assert_eq!(&three_updates(&config, estimator, &x, d, threads), &one, "{} threads", threads);
        }
    }
}

/// The report's run on digits, for 300 updates.
fn run(precision: Precision, seed: u64, digits: &Dataset) -> Trainer {
    let config = RunConfig::report(digits.config).latent(5).seed(seed).budget(Budget::Updates(300));
    let mut trainer = Trainer::new(&config.precision(precision), digits).unwrap();
    trainer.fit(digits, &mut []).unwrap();
    trainer
}

fn valid(trainer: &Trainer) -> f64 {
    trainer.history().last().unwrap().valid.bound
}

/// A check for gross errors. So early a run is chaotic: a change of the last bit grows to nats, and seeds end up to 15 nats
/// apart; single pairs were seen 0.2 to 5 nats apart. What mixed precision costs is measured by `examples/precision`. Without
/// instructions for it, training is refused with what to do instead.
#[test]
fn runs_end_where_those_in_f32_do() {
    let digits = DatasetConfig::new(DatasetKind::SyntheticDigits).load().unwrap().truncated(1000, 200);
    if let Err(refusal) = MIXED.check() {
        let config = RunConfig::report(digits.config).latent(5);
        let mut trainer = Trainer::new(&config.clone().precision(MIXED), &digits).unwrap();
        let message = trainer.step(&digits).unwrap_err().to_string();
        assert!(message == refusal.to_string() && message.contains("`.precision(Precision::F32)`"), "{message}");
        assert!(Trainer::new(&config.precision(Precision::F32), &digits).unwrap().step(&digits).is_ok());
        return;
    }
    let ends = |precision| [0, 1, 3].map(|seed| run(precision, seed, &digits));
    let (full, mixed) = (ends(Precision::F32), ends(MIXED));
    let mean = |runs: &[Trainer; 3]| runs.iter().map(valid).sum::<f64>() / 3.0;
    let (first, a, b) = (full[0].history().records[0].valid.bound, mean(&full), mean(&mixed));
    assert!(a > first + 100.0, "f32 learnt nothing: {first} to {a}");
    assert!(a != b, "nothing was rounded");
    assert!((a - b).abs() < 12.0, "f32 {a}, mixed {b}");
    let mixed = &mixed[0];
    let b = valid(mixed);
    // A checkpoint or an evaluation knows nothing of it: the bound of the model it ends with is that in f32.
    let estimator = Estimator::default();
    let (m, d) = (digits.valid.len(), digits.dim());
    let mut x = vec![0.0; m * d];
    let rows: Vec<usize> = (0..m).collect();
    mixed.config().preprocess.prepare().gather(&digits.valid.pixels, &rows, 0, &mut x).unwrap();
    let bound = |precision| {
        let mut ws = Workspace::new(mixed.model(), &estimator, m, false).unwrap().in_precision(precision);
        ws.draw_noise(mixed.model(), m, &mut rng(0, Stream::Evaluation, 0)).unwrap();
        ws.value(mixed.model(), &x).unwrap().bound
    };
    assert_eq!(bound(Precision::F32), b);
    assert_ne!(bound(MIXED), b);
}

#[test]
fn configurations_in_f32_do_not_mention_it() {
    // as before there was a precision to choose, so that their hashes are the same
    for kind in [DatasetKind::Mnist, DatasetKind::FreyFace] {
        let config = RunConfig::report(DatasetConfig::new(kind));
        assert!(config.to_json().get("precision").is_none());
        let mixed = config.clone().precision(MIXED);
        assert_ne!(mixed.hash(), config.hash());
        assert_eq!(mixed.to_json()["precision"], "mixed_bf16");
        for config in [config, mixed] {
            assert_eq!(serde_json::from_value::<RunConfig>(config.to_json()).unwrap(), config);
        }
    }
}
