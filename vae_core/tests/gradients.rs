//! Every tensor's gradient, in f64, against central differences along random directions: every prior, posterior, likelihood and estimator
//! that fit together. A new choice is tested as soon as it is in its list.
#![allow(clippy::unwrap_used)]

use rand::Rng as _;
use rand_distr::{Distribution, StandardNormal};
use vae_core::estimators::{Baseline, Estimator, Form, Kl, ScoreFunction, Weights};
use vae_core::likelihoods::{self, LikelihoodConfig, PixelMean, Variance};
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::{Activation, Init};
use vae_core::posteriors::{Code, NoisyPoint, Point, PosteriorConfig};
use vae_core::priors::{Beta, GaussianPair, PriorConfig};
use vae_core::rng::{Stream, rng};
use vae_core::step::{Batch, Workspace};

const D: usize = 9;
const M: usize = 4;
const H: f64 = 1e-5;
/// Derivatives below this drown in the rounding of the bound, some 10 nats: they are checked to 10⁻⁶ of it.
const SMALL: f64 = 1e-3;

const ACTIVATIONS: [Activation; 5] =
    [Activation::Tanh, Activation::Sigmoid, Activation::Relu, Activation::Softplus, Activation::Gelu];

/// Every likelihood with every option that changes its formula.
fn likelihoods() -> Vec<LikelihoodConfig> {
    let mut all: Vec<LikelihoodConfig> = LikelihoodConfig::all()
        .into_iter()
        .filter(|l| !matches!(l, LikelihoodConfig::Gaussian(_) | LikelihoodConfig::Laplace(_)))
        .collect();
    for mean in [PixelMean::Linear, PixelMean::Sigmoid] {
        for variance in [Variance::PerPixel, Variance::Shared, Variance::Fixed { sd: 0.4 }] {
            all.push(likelihoods::Gaussian { mean, variance }.into());
        }
        all.push(likelihoods::Laplace { mean }.into());
    }
    all
}

fn posteriors() -> Vec<PosteriorConfig> {
    let mut all = PosteriorConfig::all();
    all.retain(|q| q.get::<f64>().has_derivative());
    all.push(Point { code: Code::Tanh }.into());
    all.push(NoisyPoint { code: Code::Linear, sd: 0.4 }.into());
    all
}

/// Each so wide that the bound is of some nats, and its rounding far below its derivatives.
fn priors() -> Vec<PriorConfig> {
    let wide = |prior| match prior {
        PriorConfig::GaussianPair(_) => GaussianPair { sd: 0.7, ..GaussianPair::default() }.into(),
        PriorConfig::Beta(_) => Beta { alpha: 0.6, ..Beta::symmetric(1.7) }.into(),
        other => other,
    };
    PriorConfig::all().into_iter().map(wide).collect()
}

fn forms() -> Vec<Form> {
    let mut all = Form::all();
    all.push(ScoreFunction { baseline: Baseline::OtherSamples }.into());
    all
}

/// Three latent dimensions, `depth` hidden layers a side.
fn deep(likelihood: LikelihoodConfig, activation: Activation, depth: usize) -> ModelConfig {
    ModelConfig {
        latent: 3,
        encoder: vec![7; depth],
        decoder: vec![6; depth],
        activation,
        likelihood,
        init: Init::Xavier,
        ..ModelConfig::default()
    }
}

/// A model with biases away from zero, and a minibatch: input and target.
fn model_and_batch(config: &ModelConfig) -> (Vae<f64>, Vec<f64>, Vec<f64>) {
    let mut model = Vae::<f64>::new(config, D, 11).unwrap();
    let mut draws = rng(5, Stream::User, 0);
    for p in model.params_mut() {
        *p += 0.1 * draws.random_range(-1.0..1.0);
    }
    let x: Vec<f64> = (0..M * D).map(|_| draws.random_range(0.05..0.95)).collect();
    let input = x.iter().enumerate().map(|(i, x)| if i % 5 == 0 { 0.0 } else { *x }).collect();
    (model, input, x)
}

/// The same model with some parameters moved along a direction.
fn moved(model: &Vae<f64>, range: std::ops::Range<usize>, direction: &[f64], h: f64) -> Vae<f64> {
    let mut moved = model.clone();
    moved.params_mut()[range].iter_mut().zip(direction).for_each(|(p, v)| *p += h * v);
    moved
}

/// What a rule ascends, at fixed noise, as a function of the parameters of `moved`, with every factor that the rule holds fixed taken from
/// `model`: the surrogate whose derivative is the estimator. It is written here once more, by densities alone.
struct Surrogate {
    estimator: Estimator,
    beta: f64,
    noise_seed: u64,
}

impl Surrogate {
    fn densities(&self, model: &Vae<f64>, (input, target): (&[f64], &[f64])) -> Vec<[f64; 3]> {
        let sampled = Estimator::new(vae_core::estimators::A, self.estimator.samples);
        let mut ws = Workspace::new(model, &sampled, M, false).unwrap();
        ws.draw_noise(model, M, &mut rng(self.noise_seed, Stream::User, 1)).unwrap();
        ws.value(model, Batch { input, target }).unwrap();
        ws.log_densities().map(|(px, pz, qz)| [px, pz, qz]).collect()
    }

    /// The bound of the rules whose estimator is the derivative of the bound itself.
    fn bound(&self, model: &Vae<f64>, (input, target): (&[f64], &[f64])) -> f64 {
        let l = self.estimator.samples;
        if self.estimator.form.get().is_importance_weighted() {
            let log_w = self.densities(model, (input, target));
            let log_w: Vec<f64> = log_w.iter().map(|[px, pz, qz]| px + self.beta * (pz - qz)).collect();
            let log_mean = |w: &[f64]| (w.iter().map(|w| w.exp()).sum::<f64>() / l as f64).ln();
            return log_w.chunks(l).map(log_mean).sum::<f64>() / M as f64;
        }
        let mut ws = Workspace::new(model, &self.estimator, M, false).unwrap();
        ws.draw_noise(model, M, &mut rng(self.noise_seed, Stream::User, 1)).unwrap();
        let bound = ws.value(model, Batch { input, target }).unwrap();
        bound.reconstruction - self.beta * bound.kl
    }
}

/// The largest relative error over all tensors, each along three random directions, of an estimator that is the derivative of a bound.
fn worst_error(config: &ModelConfig, estimator: Estimator, beta: f64) -> (f64, String) {
    let (model, input, target) = model_and_batch(config);
    let surrogate = Surrogate { estimator, beta, noise_seed: 3 };
    let mut ws = Workspace::new(&model, &estimator, M + 2, true).unwrap().with_kl_weight(beta); // more room than datapoints
    ws.draw_noise(&model, M, &mut rng(3, Stream::User, 1)).unwrap();
    ws.gradient(&model, Batch { input: &input, target: &target }).unwrap();
    let along = |range: std::ops::Range<usize>, direction: &[f64], h: f64| {
        let at = |h: f64| {
            let moved = moved(&model, range.clone(), direction, h);
            surrogate.bound(&moved, (&input, &target))
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    worst_of(&model, &ws.gradient, along)
}

/// The largest relative error of a gradient against the derivatives along random directions, of each tensor.
fn worst_of(
    model: &Vae<f64>,
    gradient: &[f64],
    derivative: impl Fn(std::ops::Range<usize>, &[f64], f64) -> f64,
) -> (f64, String) {
    let mut draws = rng(6, Stream::User, 0);
    let mut worst = (0.0, String::new());
    for tensor in model.layout().tensors() {
        for _ in 0..3 {
            let direction: Vec<f64> = (0..tensor.len()).map(|_| StandardNormal.sample(&mut draws)).collect();
            let analytic: f64 = gradient[tensor.range()].iter().zip(&direction).map(|(g, v)| g * v).sum();
            // relative to the derivative, or to its standard deviation over directions where this one is nearly orthogonal
            let norm = gradient[tensor.range()].iter().map(|g| g * g).sum::<f64>().sqrt();
            let error = |numeric: f64| (analytic - numeric).abs() / numeric.abs().max(norm).max(SMALL);
            let mut numeric = derivative(tensor.range(), &direction, H);
            if error(numeric) > 1e-6 {
                numeric = derivative(tensor.range(), &direction, 0.03 * H); // the kink of a ReLU lay between the two ends
            }
            let error = error(numeric);
            if error > worst.0 || error.is_nan() {
                worst = (error, format!("{}: {analytic} against {numeric}", tensor.name));
            }
        }
    }
    worst
}

/// Whether the estimator is the derivative of its bound at fixed noise. The others differ from it by terms of mean zero.
fn is_derivative(form: Form) -> bool {
    form.get().kl() != Kl::Path
}

#[test]
fn gradients_agree_with_central_differences() {
    let (mut worst, mut cases) = (0.0f64, 0);
    for likelihood in likelihoods() {
        for posterior in posteriors() {
            for prior in priors() {
                for form in forms().into_iter().filter(|form| is_derivative(*form)) {
                    for samples in [1, 3] {
                        let estimator = Estimator { form, samples };
                        let together = posterior.get::<f64>().lives_on(prior.get::<f64>().support());
                        if !together || estimator.fits(&posterior, &prior).is_err() {
                            continue;
                        }
                        for depth in 0..=3 {
                            let decoder = (0..depth).map(|k| 5 + k).collect();
                            let config = ModelConfig {
                                decoder,
                                prior,
                                posterior,
                                ..deep(likelihood, ACTIVATIONS[cases % 5], depth)
                            };
                            let beta = [1.0, 0.3][cases % 2];
                            let (error, what) = worst_error(&config, estimator, beta);
                            assert!(
                                error < 1e-6,
                                "{config:?} {estimator:?} β {beta}: relative error {error:e} in {what}"
                            );
                            worst = worst.max(error);
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{cases} models, worst relative error {worst:.1e}");
    assert!(cases >= 500, "{cases}");
}

#[test]
fn every_activation_with_every_likelihood() {
    for likelihood in likelihoods() {
        for activation in ACTIVATIONS {
            for depth in 1..=3 {
                let config = deep(likelihood, activation, depth);
                let (error, what) = worst_error(&config, Estimator::default(), 1.0);
                assert!(error < 1e-6, "{config:?}: relative error {error:e} in {what}");
            }
        }
    }
}

/// Sticking the landing, doubly reparameterised and score function: against their definitions, built from central differences of
/// log-densities alone. In each, the encoder's parameters φ act along the path z(φ) and as the parameters of log q at fixed z; the
/// densities with only one of the two moved come from a model whose encoder is moved, at the z of another: see `split_densities`.
#[test]
fn estimators_that_drop_terms_agree_with_their_definitions() {
    let (mut worst, mut cases) = (0.0f64, 0);
    for likelihood in likelihoods() {
        for prior in priors() {
            for form in forms().into_iter().filter(|form| !is_derivative(*form)) {
                for samples in [1, 3] {
                    let estimator = Estimator { form, samples };
                    let posterior = PosteriorConfig::default();
                    if estimator.fits(&posterior, &prior).is_err() {
                        continue;
                    }
                    for depth in 0..=3 {
                        let config =
                            ModelConfig { prior, posterior, ..deep(likelihood, ACTIVATIONS[cases % 5], depth) };
                        let (error, what) = worst_error_by_definition(&config, estimator, [1.0, 0.3][cases % 2]);
                        assert!(error < 1e-6, "{config:?} {estimator:?}: relative error {error:e} in {what}");
                        worst = worst.max(error);
                        cases += 1;
                    }
                }
            }
        }
    }
    println!("{cases} models, worst relative error {worst:.1e}");
}

/// log q(z | x) of a diagonal Gaussian with this head `[2 N_z]`, by the textbook's formula.
fn log_q(head: &[f64], z: &[f64]) -> f64 {
    let (mu, log_var) = head.split_at(z.len());
    let term = |j: usize| (2.0 * std::f64::consts::PI).ln() + log_var[j] + (z[j] - mu[j]).powi(2) / log_var[j].exp();
    -0.5 * (0..z.len()).map(term).sum::<f64>()
}

/// Heads `[M, 2 N_z]` of a model's encoder, by its own forward pass.
fn heads(model: &Vae<f64>, input: &[f64]) -> Vec<f64> {
    let mut trace = model.encoder().trace(M, false);
    model.encoder().forward(model.params(), vae_core::nn::dense::Input::dense(input), &mut trace, M).unwrap();
    trace.head().to_vec()
}

fn worst_error_by_definition(config: &ModelConfig, estimator: Estimator, beta: f64) -> (f64, String) {
    let (model, input, target) = model_and_batch(config);
    let (l, n_z) = (estimator.samples, config.latent);
    let mut ws = Workspace::new(&model, &estimator, M, true).unwrap().with_kl_weight(beta);
    ws.draw_noise(&model, M, &mut rng(3, Stream::User, 1)).unwrap();
    ws.gradient(&model, Batch { input: &input, target: &target }).unwrap();
    let surrogate = Surrogate { estimator, beta, noise_seed: 3 };
    let noise: Vec<f64> = {
        let mut draws = rng(3, Stream::User, 1);
        (0..M * l * n_z).map(|_| StandardNormal.sample(&mut draws)).collect()
    };
    let z_of = |head: &[f64], row: usize| -> Vec<f64> {
        let head = &head[row / l * 2 * n_z..][..2 * n_z];
        (0..n_z).map(|j| head[j] + (0.5 * head[n_z + j]).exp() * noise[row * n_z + j]).collect()
    };
    let still = heads(&model, &input);
    let log_w: Vec<f64> =
        surrogate.densities(&model, (&input, &target)).iter().map(|[px, pz, qz]| px + beta * (pz - qz)).collect();
    let mut weights = [vec![0.0; M * l], vec![0.0; M * l], vec![0.0; M * l]];
    for i in 0..M {
        let [model, path, score] = &mut weights;
        let here = i * l..(i + 1) * l;
        let weights =
            Weights { model: &mut model[here.clone()], path: &mut path[here.clone()], score: &mut score[here.clone()] };
        estimator.form.get().weigh(&log_w[here], weights);
    }
    let [on_model, on_path, on_score] = weights;
    let encoder_end = model.decoder().layers()[0].weight().start;
    let along = |range: std::ops::Range<usize>, direction: &[f64], h: f64| {
        let of_encoder = range.start < encoder_end;
        let at = |h: f64| {
            let moved = moved(&model, range.clone(), direction, h);
            let there = heads(&moved, &input);
            // log p(x | z) + β log p(z) at the z of the moved encoder, by the moved decoder
            let joint = surrogate.densities(&moved, (&input, &target));
            let mut sum = 0.0;
            for row in 0..M * l {
                let (at, z_there, z_here) = (row / l * 2 * n_z, z_of(&there, row), z_of(&still, row));
                let path = if of_encoder { on_path[row] } else { 1.0 };
                let along_path =
                    joint[row][0] + beta * joint[row][1] - beta * log_q(&still[at..at + 2 * n_z], &z_there);
                sum += on_model[row] * path * along_path + on_score[row] * log_q(&there[at..at + 2 * n_z], &z_here);
            }
            sum / M as f64
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    worst_of(&model, &ws.gradient, along)
}

/// The test itself must be able to fail: a wrong gradient is seen.
#[test]
fn a_wrong_gradient_is_noticed() {
    let config = ModelConfig { latent: 2, encoder: vec![3], decoder: vec![3], ..ModelConfig::default() };
    let config = ModelConfig { init: Init::Xavier, ..config };
    let (model, input, target) = model_and_batch(&config);
    let gradient = |form: Form| {
        let mut ws = Workspace::new(&model, &Estimator { form, samples: 1 }, M, true).unwrap();
        ws.draw_noise(&model, M, &mut rng(1, Stream::User, 0)).unwrap();
        ws.gradient(&model, Batch { input: &input, target: &target }).unwrap();
        ws.gradient
    };
    let (a, b) = (gradient(Form::A), gradient(Form::B));
    let posterior = model.layout().get("posterior.weight").unwrap().range();
    let difference: f64 = posterior.map(|i| (a[i] - b[i]).abs()).sum();
    assert!(difference > 1e-3, "the estimators' gradients must differ for a given ε");
}
