//! The fast path against the plain one: the same gradient, and the same bits however the work is divided.
#![allow(clippy::unwrap_used)]

mod common;

use common::images;
use proptest::prelude::*;
use vae_core::estimators::{Estimator, Form};
use vae_core::likelihoods::{Gaussian, LikelihoodConfig, PixelMean, Variance};
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::{Activation, Init};
use vae_core::optim::{Optimiser, OptimiserConfig, Sgd};
use vae_core::posteriors::SemiImplicit;
use vae_core::priors::PriorConfig;
use vae_core::rng::{Stream, rng};
use vae_core::step::{Ascent, StepSettings, Workspace};
use vae_core::weights::hyperpriors::HyperpriorConfig;
use vae_core::weights::{self, Networks, Sampling, Scaling, WeightsConfig};

const ACTIVATIONS: [Activation; 5] =
    [Activation::Tanh, Activation::Sigmoid, Activation::Relu, Activation::Softplus, Activation::Gelu];

/// One of all, by any number.
fn optimiser(which: usize) -> OptimiserConfig {
    let all = OptimiserConfig::all();
    all[which % all.len()]
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Bounds (or errors: a random model may diverge) and parameters after three updates on `threads` threads, with the work
/// divided for so many.
fn three_updates(
    (config, d): (&ModelConfig, usize),
    estimator: Estimator,
    optimiser: OptimiserConfig,
    x: &[f32],
    (threads, divided): (usize, usize),
) -> (Vec<Result<f64, String>>, Vec<f32>) {
    let mut model = Vae::<f32>::new(config, d, 3).unwrap();
    let mut optimiser = Optimiser::init(optimiser, model.layout().len()).unwrap();
    let m = x.len() / d;
    let mut ws = Workspace::new(&model, &estimator, m, true).unwrap().on_threads(divided);
    let ascent = Ascent::new(&model, &ws, threads);
    let scaling = Scaling { scale: 1.5, decay: 1e-3, kl: 0.02 };
    let bounds = (0..3).map(|update| {
        ws.draw_noise(&model, m, &mut rng(7, Stream::Noise, update)).unwrap();
        ws.draw_weights(&model, m, &mut rng(7, Stream::Weights, update));
        let settings = StepSettings { scaling, factor: 0.5, ..StepSettings::plain(update + 1) };
        let bound = pool(threads).install(|| ascent.step(&mut model, x, &mut ws, &mut optimiser, settings));
        bound.map(|bound| bound.bound).map_err(|error| error.to_string())
    });
    let bounds = bounds.collect();
    (bounds, model.params().to_vec())
}

/// A point more often than each of the others.
fn any_weights() -> Vec<WeightsConfig> {
    let mut all = vec![WeightsConfig::Point; 4];
    for (networks, sampling) in
        [(Networks::Decoder, Sampling::Local), (Networks::Both, Sampling::Local), (Networks::Both, Sampling::Minibatch)]
    {
        let of = |prior| weights::Gaussian { networks, sampling, prior, start: 0.1, ..weights::Gaussian::default() };
        all.extend(HyperpriorConfig::all().into_iter().map(|prior| WeightsConfig::from(of(prior))));
    }
    all
}

fn any_model() -> impl Strategy<Value = (ModelConfig, usize, Estimator)> {
    let widths = || prop::collection::vec(1usize..200, 1..3);
    let mut likelihoods = LikelihoodConfig::all();
    likelihoods.push(LikelihoodConfig::gaussian(PixelMean::Sigmoid));
    likelihoods.push(Gaussian { variance: Variance::Shared, ..Gaussian::default() }.into());
    likelihoods.push(Gaussian { variance: Variance::Fixed { sd: 0.5 }, ..Gaussian::default() }.into());
    let (likelihood, form) = (prop::sample::select(likelihoods), prop::sample::select(Form::all()));
    let prior = prop::sample::select(PriorConfig::all());
    let weights = prop::sample::select(any_weights());
    let noise = prop::sample::select(vec![0usize, 0, 0, 3]);
    (widths(), widths(), 1usize..5, 1usize..200, 0usize..5, likelihood, form, (1usize..4, prior, weights, noise))
        .prop_map(|(encoder, decoder, latent, d, activation, likelihood, form, (samples, prior, weights, noise))| {
            let (activation, init) = (ACTIVATIONS[activation], Init::Xavier);
            let mut chosen = ModelConfig { likelihood, prior, weights, ..ModelConfig::default() };
            if noise > 0 && weights.gaussian().is_none_or(|q| q.networks == Networks::Decoder) {
                chosen.posterior = SemiImplicit { noise, inner: noise - 1 }.into();
            }
            let config = ModelConfig { latent, encoder, decoder, activation, init, ..chosen };
            let form =
                if (Estimator { form, samples }).fits(&config.posterior, &prior).is_ok() { form } else { Form::A };
            (config, d, Estimator { form, samples })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// f32 on the fast path against f64 on the plain one.
    #[test]
    fn the_gradient_is_that_of_the_plain_path((config, d, estimator) in any_model(), m in 1usize..20, share in 0.0f64..1.0) {
        let x = images(m, d, share, 1);
        let fast = Vae::<f32>::new(&config, d, 3).unwrap();
        let mut plain = Vae::<f64>::new(&config, d, 3).unwrap();
        for (to, from) in plain.params_mut().iter_mut().zip(fast.params()) {
            *to = f64::from(*from);
        }
        let mut ws = Workspace::new(&fast, &estimator, m, true).unwrap().on_threads(3);
        let mut ws64 = Workspace::new(&plain, &estimator, m, true).unwrap();
        ws.draw_noise(&fast, m, &mut rng(5, Stream::Noise, 0)).unwrap();
        ws64.draw_noise(&plain, m, &mut rng(5, Stream::Noise, 0)).unwrap();
        let bound = ws.gradient(&fast, &x).unwrap().bound;
        let x64: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
        let bound64 = ws64.gradient(&plain, &x64).unwrap().bound;
        prop_assert!((bound - bound64).abs() < 1e-4 * (1.0 + bound64.abs()), "{bound} {bound64}");
        // With weights of its own a sample's log weight of hundreds of nats, rounded, is in the exponent or a factor.
        let within = if matches!(estimator.form, Form::A | Form::B | Form::StickingTheLanding) { 1e-4 } else { 1e-2 };
        for tensor in fast.layout().tensors() {
            let norm = ws64.gradient[tensor.range()].iter().map(|g| g * g).sum::<f64>().sqrt();
            let off = tensor.range().map(|i| (f64::from(ws.gradient[i]) - ws64.gradient[i]).powi(2)).sum::<f64>().sqrt();
            prop_assert!(off <= within * norm + 1e-5, "{}: off by {off} of {norm}", tensor.name);
        }
    }

    #[test]
    fn bits_do_not_depend_on_threads(
        (config, d, estimator) in any_model(), m in 1usize..20, share in 0.0f64..1.0, which: usize,
    ) {
        let x = images(m, d, share, 2);
        let run = |threads, divided| {
            let (bounds, params) =
                three_updates((&config, d), estimator, optimiser(which), &x, (threads, divided));
            (bounds, params.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        let one = run(1, 1);
        for (threads, divided) in [(1, 3), (2, 2), (3, 3), (2, 5)] {
            let other = run(threads, divided);
            prop_assert_eq!(&other.0, &one.0, "{} threads, divided for {}", threads, divided);
            let differ = other.1.iter().zip(&one.1).filter(|(a, b)| a != b).count();
            prop_assert_eq!(differ, 0, "parameters of {} threads, divided for {}", threads, divided);
        }
    }

    /// The update that never writes the gradient is the one that does.
    #[test]
    fn the_fused_update_is_the_plain_one((config, d, estimator) in any_model(), m in 1usize..12, which: usize) {
        let x = images(m, d, 0.3, 4);
        let (bounds, fused) = three_updates((&config, d), estimator, optimiser(which), &x, (1, 1));
        prop_assume!(bounds.iter().all(Result::is_ok));
        let mut model = Vae::<f32>::new(&config, d, 3).unwrap();
        let mut optimiser = Optimiser::init(optimiser(which), model.layout().len()).unwrap();
        let mut ws = Workspace::new(&model, &estimator, m, true).unwrap().with_datapoints(50);
        let gaussian = |k| model.gaussian().is_some_and(|plane| plane.weights.contains(&k) || k >= plane.rho);
        let decays: Vec<f32> = (0..model.params().len()).map(|k| if gaussian(k) { 0.0 } else { 1e-3 }).collect();
        for update in 0..3 {
            ws.draw_noise(&model, m, &mut rng(7, Stream::Noise, update)).unwrap();
            ws.draw_weights(&model, m, &mut rng(7, Stream::Weights, update));
            ws.gradient(&model, &x).unwrap();
            let terms = ws.gradient.iter().zip(model.params()).zip(&decays);
            let gradient: Vec<f32> = terms.map(|((g, theta), decay)| 1.5 * (g - decay * theta)).collect();
            optimiser.update(model.params_mut(), &gradient, 0.5);
        }
        prop_assert_eq!(model.params(), &fused[..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Where only the bound is wanted the samples are decoded in parts, and by packed weights if there are such: with the same bits.
    #[test]
    fn a_bound_in_parts_is_the_whole_one(
        (config, d, estimator) in any_model(), (m, samples) in prop_oneof![(1usize..250, 1usize..4), (1usize..4, 90usize..250)],
    ) {
        let x = images(m, d, 0.3, 5);
        let estimator = Estimator { samples, ..estimator };
        let model = Vae::<f32>::new(&config, d, 3).unwrap();
        let mut whole = Workspace::new(&model, &estimator, m, true).unwrap();
        let value = || Workspace::new(&model, &estimator, m, false).unwrap();
        let workspaces = [value(), value().with_packed_decoder(&model), value().with_packed_decoder(&model).clone()];
        let mut bounds = workspaces.map(|mut ws| {
            ws.draw_noise(&model, m, &mut rng(7, Stream::Noise, 0)).unwrap();
            let bound = ws.value(&model, &x).unwrap();
            [bound.bound, bound.reconstruction, bound.kl].map(f64::to_bits)
        }).to_vec();
        whole.draw_noise(&model, m, &mut rng(7, Stream::Noise, 0)).unwrap();
        let bound = whole.gradient(&model, &x).unwrap();
        bounds.push([bound.bound, bound.reconstruction, bound.kl].map(f64::to_bits));
        bounds.dedup();
        prop_assert_eq!(bounds.len(), 1);
    }
}

/// Wide enough for several strips, blocks of the product, and panels.
#[test]
fn a_large_model_has_the_same_bits_too() {
    let config = ModelConfig { latent: 20, encoder: vec![500], decoder: vec![500], ..ModelConfig::default() };
    for (m, share) in [(100, 0.2), (100, 0.95), (1, 0.95)] {
        let x = images(m, 784, share, 8);
        let run = |threads| {
            let (estimator, optimiser) = (Estimator::default(), OptimiserConfig::default());
            three_updates((&config, 784), estimator, optimiser, &x, (threads, threads))
        };
        let (one, two) = (run(1), run(2));
        assert!(one == two);
        assert!(one.0.iter().all(Result::is_ok));
    }
}

#[test]
fn a_gradient_that_overflows_stops_the_update() {
    let config = ModelConfig { latent: 2, encoder: vec![3], decoder: vec![3], ..ModelConfig::default() };
    let mut model = Vae::<f32>::new(&config, 8, 0).unwrap();
    let mut ws = Workspace::new(&model, &Estimator::default(), 2, true).unwrap();
    let mut optimiser = Optimiser::init(OptimiserConfig::default(), model.layout().len()).unwrap();
    ws.draw_noise(&model, 2, &mut rng(0, Stream::Noise, 0)).unwrap();
    let settings = StepSettings { scaling: Scaling { scale: 1e30, decay: 0.0, kl: 0.0 }, ..StepSettings::plain(9) };
    let ascent = Ascent::new(&model, &ws, 1);
    let error = ascent.step(&mut model, &[0.5; 16], &mut ws, &mut optimiser, settings).unwrap_err();
    assert!(
        matches!(&error, vae_core::Error::NonFinite { step: 9, quantity, .. } if quantity == "the gradient"),
        "{error}"
    );
    let error = ascent.step(&mut model, &[f32::NAN; 16], &mut ws, &mut optimiser, settings);
    assert!(error.unwrap_err().to_string().contains("the bound"));
}

/// Bounds and parameters of today, on each path that fuses its multiply-adds. Who means to change them raises `REVISION` and
/// executes the notebooks anew, since stored results would no longer be those of this code. Only with one library of elementary
/// functions: the first parameters and the logarithms of the bound come from it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_revision_keeps_its_bits() {
    use sha2::{Digest, Sha256};
    if vae_core::numeric::isa::name() == "portable" {
        return;
    }
    let widths =
        |latent, hidden| ModelConfig { latent, encoder: vec![hidden], decoder: vec![hidden], ..ModelConfig::default() };
    let faces = LikelihoodConfig::gaussian(PixelMean::Sigmoid);
    let momentum = Sgd { step: 0.01, momentum: 0.9 }.into();
    let (adagrad, adam) = (OptimiserConfig::adagrad(0.01), OptimiserConfig::adam(1e-3));
    let hash = |config: ModelConfig, (d, m, share): (usize, usize, f64), estimator, optimiser| {
        let (bounds, params) = three_updates((&config, d), estimator, optimiser, &images(m, d, share, 5), (1, 1));
        let mut hash = Sha256::new();
        bounds.into_iter().for_each(|bound| hash.update(bound.unwrap().to_le_bytes()));
        params.into_iter().for_each(|value| hash.update(value.to_le_bytes()));
        format!("{:x}", hash.finalize())[..16].to_string()
    };
    let of = |form, samples| Estimator { form, samples };
    let found = [
        hash(widths(20, 500), (784, 100, 0.2), of(Form::B, 1), adagrad),
        hash(ModelConfig { likelihood: faces, ..widths(10, 200) }, (560, 20, 1.0), of(Form::B, 8), adam),
        hash(widths(3, 70), (50, 7, 0.5), of(Form::A, 2), momentum),
    ];
    assert_eq!(found, ["417d09e8cbb75c97", "0d2aa276b968d4ff", "3fd1ab84120d36b6"]);
}

/// Prints the path, so that a run with a forced one shows that it was taken.
#[test]
fn a_forced_path_is_taken() {
    vae_core::numeric::isa::check().unwrap();
    println!("{}", vae_core::numeric::isa::name());
    if let Ok(forced) = std::env::var(vae_core::numeric::isa::VARIABLE)
        && !forced.is_empty()
    {
        assert_eq!(vae_core::numeric::isa::name(), forced);
    }
}
