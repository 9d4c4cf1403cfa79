//! Every tensor's gradient, in f64, against central differences along random directions.
#![allow(clippy::unwrap_used)]

use rand::Rng as _;
use rand_distr::{Distribution, StandardNormal};
use vae_core::estimators::{Estimator, Form, Workspace};
use vae_core::likelihoods::{GaussianMean, LikelihoodConfig};
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::{Activation, Init};
use vae_core::rng::{Stream, rng};

const D: usize = 9;
const M: usize = 4;
const H: f64 = 1e-5;

/// The largest relative error over all tensors, each along three random directions.
fn worst_error(config: &ModelConfig, estimator: Estimator) -> (f64, String) {
    let mut model = Vae::<f64>::new(config, D, 11).unwrap();
    let mut draws = rng(5, Stream::User, 0);
    for p in model.params_mut() {
        *p += 0.1 * draws.random_range(-1.0..1.0); // biases too are away from zero
    }
    let x: Vec<f64> = (0..M * D).map(|_| draws.random_range(0.0..1.0)).collect();
    let mut ws = Workspace::new(&model, &estimator, M + 2, true); // more room than datapoints
    ws.draw_noise(M, model.latent(), &mut draws).unwrap();
    estimator.gradient(&model, &x, &mut ws).unwrap();
    let gradient = ws.gradient.clone();

    let mut worst = (0.0, String::new());
    for tensor in model.layout().tensors().to_vec() {
        for _ in 0..3 {
            let direction: Vec<f64> = (0..tensor.len()).map(|_| StandardNormal.sample(&mut draws)).collect();
            let mut along = |h: f64| {
                let mut moved = model.clone();
                for (p, v) in moved.params_mut()[tensor.range()].iter_mut().zip(&direction) {
                    *p += h * v;
                }
                estimator.value(&moved, &x, &mut ws).unwrap().bound
            };
            let numeric = (along(H) - along(-H)) / (2.0 * H);
            let analytic: f64 = gradient[tensor.range()].iter().zip(&direction).map(|(g, v)| g * v).sum();
            // relative to the derivative, or to its standard deviation over directions where this one is nearly orthogonal
            let norm = gradient[tensor.range()].iter().map(|g| g * g).sum::<f64>().sqrt();
            let error = (analytic - numeric).abs() / numeric.abs().max(norm);
            if error > worst.0 {
                worst = (error, format!("{}: {analytic} against {numeric}", tensor.name));
            }
        }
    }
    worst
}

const ACTIVATIONS: [Activation; 5] =
    [Activation::Tanh, Activation::Sigmoid, Activation::Relu, Activation::Softplus, Activation::Gelu];

#[test]
fn gradients_agree_with_central_differences() {
    let likelihoods = [
        LikelihoodConfig::Bernoulli,
        LikelihoodConfig::Gaussian { mean: GaussianMean::Linear },
        LikelihoodConfig::Gaussian { mean: GaussianMean::Sigmoid },
    ];
    let (mut worst, mut cases) = (0.0f64, 0);
    for likelihood in likelihoods {
        for form in [Form::A, Form::B] {
            for samples in [1, 3] {
                for depth in 1..=3 {
                    for activation in ACTIVATIONS {
                        let config = ModelConfig {
                            latent: 3,
                            encoder: vec![7; depth],
                            decoder: (0..depth).map(|k| 5 + k).collect(),
                            activation,
                            likelihood,
                            init: Init::Xavier,
                        };
                        let (error, what) = worst_error(&config, Estimator { form, samples });
                        assert!(
                            error < 1e-6,
                            "{config:?} L^{form:?}, L = {samples}: relative error {error:e} in {what}"
                        );
                        worst = worst.max(error);
                        cases += 1;
                    }
                }
            }
        }
    }
    println!("{cases} models, worst relative error {worst:.1e}");
    assert_eq!(cases, 180);
}

/// The test itself must be able to fail: a wrong gradient is seen.
#[test]
fn a_wrong_gradient_is_noticed() {
    let config = ModelConfig { latent: 2, encoder: vec![3], decoder: vec![3], ..ModelConfig::default() };
    let config = ModelConfig { init: Init::Xavier, ..config };
    let model = Vae::<f64>::new(&config, D, 1).unwrap();
    let x = vec![0.7; M * D];
    let (a, b) = (Estimator { form: Form::A, samples: 1 }, Estimator { form: Form::B, samples: 1 });
    let mut ws = Workspace::new(&model, &a, M, true);
    ws.draw_noise(M, 2, &mut rng(1, Stream::User, 0)).unwrap();
    a.gradient(&model, &x, &mut ws).unwrap();
    let of_a = ws.gradient.clone();
    b.gradient(&model, &x, &mut ws).unwrap();
    let posterior = model.layout().get("posterior.weight").unwrap().range();
    let difference: f64 = posterior.map(|i| (of_a[i] - ws.gradient[i]).abs()).sum();
    assert!(difference > 1e-3, "the estimators' gradients must differ for a given ε");
}
