//! Section 6: Gaussian weights. Gradients in f64 against central differences, bounds against quadrature, a conjugate model against its optimum.
#![allow(clippy::unwrap_used)]

mod common;

use ndarray::{Array1, Array2, array};
use rand::Rng as _;
use rand_distr::{Distribution, StandardNormal};
use vae_core::config::{Budget, RecordAt, RunConfig};
use vae_core::data::dataset::{DatasetConfig, DatasetKind, Limit};
use vae_core::estimators::{Estimator, Form};
use vae_core::likelihoods::{Gaussian, LikelihoodConfig, PixelMean, Variance};
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::{Activation, Init};
use vae_core::optim::{Optimiser, OptimiserConfig};
use vae_core::posteriors::Point;
use vae_core::rng::{Stream, rng};
use vae_core::step::{Ascent, Batch, StepSettings, Workspace, weights_divergence};
use vae_core::train::{Trainer, checkpoint};
use vae_core::weights::hyperpriors::{HyperpriorConfig, LearnedNormal, Normal, ScaleMixture};
use vae_core::weights::{self, Networks, Sampling, WeightsConfig};

const D: usize = 7;
const M: usize = 4;
const N: usize = 50;
const H: f64 = 1e-5;

fn every_way() -> Vec<weights::Gaussian> {
    let mut all = Vec::new();
    for networks in [Networks::Decoder, Networks::Both] {
        for sampling in [Sampling::Local, Sampling::Minibatch] {
            for form in [weights::Form::Softplus, weights::Form::LogVariance] {
                let mixture = ScaleMixture { share: 0.3, wide: 0.8, narrow: 0.1 };
                for prior in [Normal { sd: 0.7 }.into(), LearnedNormal.into(), HyperpriorConfig::from(mixture)] {
                    all.push(weights::Gaussian { networks, sampling, form, prior, start: 0.3, ..Default::default() });
                }
            }
        }
    }
    all
}

fn config(weights: impl Into<WeightsConfig>, depth: usize, activation: Activation) -> ModelConfig {
    ModelConfig {
        latent: 2,
        encoder: vec![5; depth],
        decoder: vec![6; depth],
        activation,
        init: Init::Xavier,
        weights: weights.into(),
        ..ModelConfig::default()
    }
}

/// A model whose μ and ρ differ from weight to weight, and a minibatch.
fn model_and_batch(config: &ModelConfig) -> (Vae<f64>, Vec<f64>) {
    let mut model = Vae::<f64>::new(config, D, 11).unwrap();
    let mut draws = rng(5, Stream::User, 0);
    model.params_mut().iter_mut().for_each(|p| *p += 0.2 * draws.random_range(-1.0..1.0));
    (model, (0..M * D).map(|_| draws.random_range(0.05..0.95)).collect())
}

fn workspace(model: &Vae<f64>, estimator: Estimator, n: usize, draw: u64) -> Workspace<f64> {
    let mut ws = Workspace::new(model, &estimator, M, true).unwrap();
    if n > 0 {
        ws = ws.with_datapoints(n);
    }
    ws.draw_noise(model, M, &mut rng(3, Stream::User, draw)).unwrap();
    ws.draw_weights(model, M, &mut rng(4, Stream::User, draw));
    ws
}

#[test]
fn gradients_agree_with_central_differences() {
    let activations = [Activation::Tanh, Activation::Gelu, Activation::Softplus, Activation::Relu, Activation::Sigmoid];
    let shared = Gaussian { variance: Variance::Shared, ..Gaussian::default() };
    let (mut cases, mut worst) = (0, 0.0f64);
    for q in every_way() {
        for (samples, form, depth) in [(1, Form::B, 1), (3, Form::A, 2), (2, Form::B, 0)] {
            let likelihood = if cases % 2 == 0 { LikelihoodConfig::Bernoulli } else { shared.into() };
            let config = ModelConfig { likelihood, ..config(q, depth, activations[cases % 5]) };
            let (model, x) = model_and_batch(&config);
            let estimator = Estimator::new(form, samples);
            let mut ws = workspace(&model, estimator, N, 1);
            ws.gradient(&model, &x).unwrap();
            let gradient = ws.gradient.clone();
            let mut draws = rng(6, Stream::User, 0);
            for tensor in model.layout().tensors() {
                let direction: Vec<f64> = (0..tensor.len()).map(|_| StandardNormal.sample(&mut draws)).collect();
                let mut at = |h: f64| {
                    let mut moved = model.clone();
                    let params = &mut moved.params_mut()[tensor.range()];
                    params.iter_mut().zip(&direction).for_each(|(p, v)| *p += h * v);
                    ws.value(&moved, &x).unwrap().bound
                };
                let numeric = (at(H) - at(-H)) / (2.0 * H);
                let here = &gradient[tensor.range()];
                let analytic: f64 = here.iter().zip(&direction).map(|(g, v)| g * v).sum();
                let norm = here.iter().map(|g| g * g).sum::<f64>().sqrt();
                let error = (analytic - numeric).abs() / numeric.abs().max(norm).max(1e-3);
                assert!(error < 1e-6, "{config:?} {}: {analytic} against {numeric}", tensor.name);
                worst = worst.max(error);
            }
            cases += 1;
        }
    }
    println!("{cases} models, worst relative error {worst:.1e}");
}

/// What went wrong in the report: without it no plausible curve tells that q(θ) never sees the data.
#[test]
fn the_data_move_the_posterior_of_the_weights_unless_they_are_never_sampled() {
    for sampling in [Sampling::Local, Sampling::Minibatch, Sampling::AuthorsNever] {
        let q = weights::Gaussian { sampling, start: 0.3, ..Default::default() };
        let (model, x) = model_and_batch(&config(q, 1, Activation::Tanh));
        let mut ws = workspace(&model, Estimator::default(), 0, 1); // no divergence: the data's term alone
        ws.gradient(&model, &x).unwrap();
        let plane = model.gaussian().unwrap();
        for range in [plane.weights.clone(), plane.rho..model.params().len()] {
            let moved = ws.gradient[range].iter().filter(|g| g.abs() > 1e-9).count();
            let expected = if sampling == Sampling::AuthorsNever { 0 } else { plane.weights.len() };
            assert!(moved == expected, "{sampling:?}: {moved} of {} weights have a gradient", plane.weights.len());
        }
    }
}

/// Both ways of sampling estimate the same bound and the same gradient, the local one with less variance.
#[test]
fn both_ways_of_sampling_have_the_same_expectation() {
    let draws = 20_000;
    // of the bound, and of the derivative by each ρ: mean, its squared error, variance
    let moments = [Sampling::Local, Sampling::Minibatch].map(|sampling| {
        let q = weights::Gaussian { sampling, start: 0.3, ..Default::default() };
        let (model, x) = model_and_batch(&config(q, 1, Activation::Tanh));
        let rho = model.gaussian().unwrap().rho;
        let values: Vec<Vec<f64>> = (0..draws)
            .map(|draw| {
                let mut ws = workspace(&model, Estimator::default(), N, draw);
                let bound = ws.gradient(&model, &x).unwrap().bound;
                std::iter::once(bound).chain(ws.gradient[rho..].iter().copied()).collect()
            })
            .collect();
        let moment = |k: usize| {
            let mean = values.iter().map(|v| v[k]).sum::<f64>() / draws as f64;
            let variance = values.iter().map(|v| (v[k] - mean).powi(2)).sum::<f64>() / draws as f64;
            [mean, variance / draws as f64, variance]
        };
        (0..values[0].len()).map(moment).collect::<Vec<_>>()
    });
    for (local, shared) in moments[0].iter().zip(&moments[1]) {
        let error = (local[1] + shared[1]).sqrt();
        assert!((local[0] - shared[0]).abs() < 5.0 * error, "{local:?} {shared:?}");
    }
    let total = |moments: &[[f64; 3]]| moments[1..].iter().map(|m| m[2]).sum::<f64>();
    assert!(moments[0][0][2] < moments[1][0][2], "{:?} {:?}", moments[0][0], moments[1][0]);
    assert!(total(&moments[0]) < 0.8 * total(&moments[1]), "{} {}", total(&moments[0]), total(&moments[1]));
}

/// At σ = softplus(−3) and μ ~ N(0, 0.1²) a weight costs 2.53 nats under N(0, 1): 17.0 nats a datapoint for 20-500-784 at N = 60 000.
#[test]
fn the_divergence_of_a_decoder_is_as_it_was_reckoned() {
    let q = weights::Gaussian { start: (-3.0f64).exp().ln_1p(), ..Default::default() };
    let init = Init::Normal { std: 0.1 };
    let config = ModelConfig { latent: 20, decoder: vec![500], init, weights: q.into(), ..ModelConfig::default() };
    let model = Vae::<f32>::new(&config, 784, 0).unwrap();
    let (n, kl) = (model.gaussian().unwrap().weights.len(), weights_divergence(&model, &mut rng(0, Stream::User, 0)));
    assert_eq!(n, 403_284);
    assert!((kl / n as f64 - 2.53).abs() < 0.01, "{}", kl / n as f64);
    assert!((kl / 60_000.0 - 17.0).abs() < 0.1 && (kl / 1000.0 - 1020.0).abs() < 4.0, "{kl}");
}

/// Closed divergences against sums in f64, the sampled one against its own mean, and the mixture's density against the plain formula.
#[test]
fn divergences_agree_with_plain_formulae() {
    for q in every_way() {
        let (model, _) = model_and_batch(&config(q, 1, Activation::Tanh));
        let plane = model.gaussian().unwrap();
        let terms: Vec<(f64, f64)> = (0..plane.weights.len())
            .map(|k| (model.params()[plane.weights.start + k], q.form.sd(model.params()[plane.rho + k]).0))
            .collect();
        let normal = |terms: &[(f64, f64)], s2: f64| -> f64 {
            terms.iter().map(|(mu, sd)| (s2.sqrt() / sd).ln() + (mu * mu + sd * sd) / (2.0 * s2) - 0.5).sum()
        };
        let expected: f64 = match q.prior {
            HyperpriorConfig::Normal(p) => normal(&terms, p.sd * p.sd),
            HyperpriorConfig::LearnedNormal => {
                let layers = plane.layers.iter().map(|layer| {
                    let terms = &terms[layer.start - plane.weights.start..layer.end - plane.weights.start];
                    normal(terms, terms.iter().map(|(mu, sd)| mu * mu + sd * sd).sum::<f64>() / terms.len() as f64)
                });
                layers.sum()
            }
            HyperpriorConfig::ScaleMixture(p) => {
                let density =
                    |x: f64, s: f64| (-0.5 * (x / s).powi(2)).exp() / (s * (2.0 * std::f64::consts::PI).sqrt());
                let of = |&(mu, sd): &(f64, f64)| -> f64 {
                    let grid = (0..4000).map(|k| -8.0 + 16.0 * (f64::from(k) + 0.5) / 4000.0);
                    grid.map(|e| {
                        let theta = mu + sd * e;
                        let p_theta = p.share * density(theta, p.wide) + (1.0 - p.share) * density(theta, p.narrow);
                        density(e, 1.0) * ((density(e, 1.0) / sd).ln() - p_theta.ln()) * 16.0 / 4000.0
                    })
                    .sum()
                };
                terms.iter().map(of).sum()
            }
        };
        let closed = !matches!(q.prior, HyperpriorConfig::ScaleMixture(_));
        let draws = if closed { 1 } else { 4000 };
        let values = (0..draws).map(|k| weights_divergence(&model, &mut rng(1, Stream::User, k)));
        let found = values.sum::<f64>() / draws as f64;
        let tolerance = if closed { 1e-9 } else { 5e-3 };
        assert!((found / expected - 1.0).abs() < tolerance, "{q:?}: {found} {expected}");
    }
}

/// An encoder that hands its input on as z, so that the decoder is a regression of the target on the input.
fn regression(d: usize, likelihood: LikelihoodConfig, weights: WeightsConfig) -> Vae<f64> {
    let config = ModelConfig {
        latent: d,
        encoder: vec![],
        decoder: vec![],
        likelihood,
        posterior: Point::default().into(),
        weights,
        ..ModelConfig::default()
    };
    let mut model = Vae::<f64>::new(&config, d, 1).unwrap();
    let encoder = model.encoder().layers()[0].range();
    model.params_mut()[encoder.clone()].fill(0.0);
    for j in 0..d {
        model.params_mut()[encoder.start + j * d + j] = 1.0;
    }
    model
}

/// Bayesian linear regression with known noise: the posterior's precision is Λ = I + XᵀX/s², the best factorised q has its mean and the
/// variances 1/Λᵢᵢ.
#[test]
fn a_conjugate_model_reaches_its_optimum() {
    let (n, noise) = (24, 0.5);
    let mut draws = rng(8, Stream::User, 0);
    let c = Array2::from_shape_fn((n, 2), |_| draws.random_range(-1.5..1.5));
    let y = Array2::from_shape_fn((n, 2), |(i, j)| {
        let e: f64 = StandardNormal.sample(&mut draws);
        [0.8 * c[[i, 0]] - 0.5, 0.3 * c[[i, 0]] - 1.1 * c[[i, 1]]][j] + noise * e
    });
    let x = Array2::from_shape_fn((n, 3), |(i, j)| if j < 2 { c[[i, j]] } else { 1.0 });
    let precision = Array2::eye(3) + x.t().dot(&x) / (noise * noise);
    let to_na = nalgebra::DMatrix::from_row_slice(3, 3, precision.as_slice().unwrap());
    for sampling in [Sampling::Local, Sampling::Minibatch] {
        let q = weights::Gaussian { sampling, start: 0.1, ..Default::default() };
        let gaussian = Gaussian { mean: PixelMean::Linear, variance: Variance::Fixed { sd: noise } };
        let mut model = regression(2, gaussian.into(), q.into());
        let encoder = model.params()[model.encoder().layers()[0].range()].to_vec();
        let mut ws = Workspace::new(&model, &Estimator::default(), n, true).unwrap().with_datapoints(n);
        let ascent = Ascent::new(&model, &ws, 1);
        let mut optimiser = Optimiser::init(OptimiserConfig::adam(0.02), model.layout().len()).unwrap();
        let (input, target) = (c.as_slice().unwrap(), y.as_slice().unwrap());
        let steps = 30_000u64;
        for update in 0..steps {
            ws.draw_weights(&model, n, &mut rng(2, Stream::User, update));
            let plain = StepSettings::plain(update + 1);
            let scaling = weights::Scaling { kl: 1.0 / n as f64, ..plain.scaling };
            let settings = StepSettings { scaling, factor: 1.0 - update as f64 / steps as f64, ..plain };
            ascent.step(&mut model, Batch { input, target }, &mut ws, &mut optimiser, settings).unwrap();
            let place = model.encoder().layers()[0].range();
            model.params_mut()[place].copy_from_slice(&encoder); // z stays the input
        }
        let plane = model.gaussian().unwrap().clone();
        for j in 0..2 {
            let right = x.t().dot(&y.column(j)) / (noise * noise);
            let mean = to_na.clone().lu().solve(&nalgebra::DVector::from_iterator(3, right.iter().copied())).unwrap();
            for i in 0..3 {
                let k = i * 2 + j; // two rows of weights, then the biases
                let (mu, sd) = (model.params()[plane.weights.start + k], q.form.sd(model.params()[plane.rho + k]).0);
                let best = precision[[i, i]].powf(-0.5);
                assert!((mu - mean[i]).abs() < 0.1 * best, "{sampling:?} {i} {j}: {mu} {}", mean[i]);
                assert!((sd / best - 1.0).abs() < 0.05, "{sampling:?} {i} {j}: {sd} {best}");
            }
        }
    }
}

/// The full bound of one weight and one bias of a logistic regression: E log p(y | a) with a ~ N(w c + b, σ_w² c² + σ_b²) by quadrature.
#[test]
fn the_full_bound_of_one_weight_agrees_with_quadrature() {
    let (c, y) = (array![-1.0, 0.4, 2.0, 0.1], array![0.0, 1.0, 1.0, 0.0]);
    for sampling in [Sampling::Local, Sampling::Minibatch] {
        let q = weights::Gaussian { sampling, start: 0.4, ..Default::default() };
        let mut model = regression(1, LikelihoodConfig::Bernoulli, q.into());
        let plane = model.gaussian().unwrap().clone();
        model.params_mut()[plane.weights.clone()].copy_from_slice(&[0.7, -0.2]);
        let kl: f64 = [0.7f64, -0.2].iter().map(|mu| -0.4f64.ln() + 0.5 * (mu * mu + 0.16) - 0.5).sum();
        let expected: f64 = c
            .iter()
            .zip(&y)
            .map(|(c, y): (&f64, &f64)| {
                let (m, sd) = (0.7 * c - 0.2, (0.16 * c * c + 0.16f64).sqrt());
                let grid = (0..8000).map(|k| -10.0 + 20.0 * (f64::from(k) + 0.5) / 8000.0);
                grid.map(|e| {
                    let a: f64 = m + sd * e;
                    let density = (-0.5 * e * e).exp() / (2.0 * std::f64::consts::PI).sqrt();
                    density * (y * a - a.max(0.0) - (-a.abs()).exp().ln_1p()) * 20.0 / 8000.0
                })
                .sum::<f64>()
            })
            .sum::<f64>()
            / 4.0
            - kl / 4.0;
        let mut ws = Workspace::new(&model, &Estimator::default(), 4, true).unwrap().with_datapoints(4);
        let draws = 40_000;
        let bounds: Array1<f64> = (0..draws)
            .map(|draw| {
                ws.draw_weights(&model, 4, &mut rng(9, Stream::User, draw));
                let (input, target) = (c.as_slice().unwrap(), y.as_slice().unwrap());
                ws.value(&model, Batch { input, target }).unwrap().bound
            })
            .collect();
        let (mean, error) = (bounds.mean().unwrap(), bounds.std(1.0) / (draws as f64).sqrt());
        assert!((mean - expected).abs() < 4.0 * error && error < 5e-3, "{sampling:?}: {mean} ± {error}, {expected}");
    }
}

fn small(q: weights::Gaussian) -> RunConfig {
    let limit = Some(Limit { train: 200, eval: 60 });
    let data = DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) };
    let mut config = RunConfig::report(data).latent(3).budget(Budget::Epochs(4)).optimiser(OptimiserConfig::adam(3e-3));
    (config.model.encoder, config.model.decoder) = (vec![16], vec![16]);
    (config.batch, config.record) = (20, RecordAt::Epochs(1));
    config.weights(q)
}

#[test]
fn runs_go_on_bit_for_bit_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for (k, q) in every_way().into_iter().enumerate().filter(|(k, _)| k % 2 == 0) {
        let config = small(q);
        let data = config.data.load().unwrap();
        let mut whole = Trainer::new(&config, &data).unwrap();
        let path = folder.path().join(format!("{k}"));
        for update in 0..whole.total_updates() {
            whole.step(&data).unwrap();
            if update == 16 {
                checkpoint::save(&whole, &path).unwrap();
            }
        }
        let threads = vae_core::threads::cores().min(2);
        let mut resumed = checkpoint::load(&config, &data, &path).unwrap().on_threads(threads).unwrap();
        while resumed.updates() < resumed.total_updates() {
            resumed.step(&data).unwrap();
        }
        assert_eq!(whole.model().params(), resumed.model().params(), "{q:?}");
        assert_eq!(whole.history(), resumed.history());
    }
}

/// The three bounds, and what a prediction makes of samples of the weights.
#[test]
fn bounds_of_means_of_samples_and_in_full_are_told_apart() {
    let q = weights::Gaussian { start: 0.2, ..Default::default() };
    let config = small(q);
    let data = config.data.load().unwrap();
    let mut trainer = Trainer::new(&config, &data).unwrap();
    trainer.fit(&data, &mut []).unwrap();
    let model = trainer.model();
    let x = data.valid.prepared(&config.preprocess, 60).unwrap();
    let e = Estimator::new(Form::B, 20);
    let (mean, sampled) = (model.at_mean().elbo(&x, e, 1).unwrap(), model.elbo(&x, e, 1).unwrap());
    let full = trainer.evaluate(&data.valid, e).unwrap();
    assert!(mean.bound > sampled.bound && full.weights > 1.0, "{mean:?} {sampled:?} {full:?}");
    assert!((full.weights - model.weights_divergence(0) / 200.0).abs() < 1e-9);
    assert!((full.bound - full.reconstruction + full.kl + full.weights).abs() < 1e-9);
    // at σ → 0 all samples are the mean
    let tiny = Vae::<f32>::new(&small(weights::Gaussian { start: 1e-8, ..q }).model, 784, 0).unwrap();
    assert!((tiny.elbo(&x, e, 1).unwrap().bound - tiny.at_mean().elbo(&x, e, 1).unwrap().bound).abs() < 0.5);
    let log_px = model.log_marginal(&x, 50, 1).unwrap();
    assert!(log_px.mean().unwrap() > sampled.bound);
    // weights without signal can go, all of them cannot
    let signal = model.signal_to_noise();
    assert_eq!(signal.len(), model.gaussian().unwrap().weights.len());
    let at = |share: f64| model.pruned(share).unwrap().elbo(&x, e, 1).unwrap().bound;
    assert_eq!(at(0.0), mean.bound);
    assert!(at(0.1) > at(1.0));
    assert!(model.pruned(1.5).is_err() && model.at_mean().pruned(0.5).is_err());
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let refused = |q: weights::Gaussian, name: &str| {
        let error = small(q).validate(784).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    };
    refused(weights::Gaussian { start: 0.0, ..Default::default() }, "weights.start");
    refused(weights::Gaussian { step: -1.0, ..Default::default() }, "weights.step");
    refused(weights::Gaussian { kl_weight: f64::NAN, ..Default::default() }, "kl_weight");
    refused(weights::Gaussian { prior: Normal { sd: 0.0 }.into(), ..Default::default() }, "prior.sd");
    let mixture = ScaleMixture { share: 1.0, ..Default::default() };
    refused(weights::Gaussian { prior: mixture.into(), ..Default::default() }, "prior.share");
    let mut config = small(weights::Gaussian::default());
    config.weight_prior = vae_core::config::WeightPrior::Gaussian { precision: 1.0 };
    assert!(config.validate(784).unwrap_err().to_string().contains("model.weights.prior"));
}
