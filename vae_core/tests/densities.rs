//! Densities against an independent crate, the KL term against Monte Carlo, and the two estimators against each other.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rand::Rng as _;
use statrs::distribution::{Bernoulli as StatrsBernoulli, Continuous, Discrete, Normal};
use vae_core::estimators::{Estimator, Form, Workspace};
use vae_core::likelihoods::{GaussianMean, Likelihood, LikelihoodConfig};
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::Init;
use vae_core::posteriors::DiagonalGaussian;
use vae_core::priors::{Prior, StandardNormalPrior};
use vae_core::rng::{Stream, rng};

proptest! {
    #[test]
    fn bernoulli_is_that_of_statrs(a in -20.0f64..20.0, one: bool) {
        let p = 1.0 / (1.0 + (-a).exp());
        let expected = StatrsBernoulli::new(p).unwrap().ln_pmf(u64::from(one));
        let mut log_p = [0.0];
        LikelihoodConfig::Bernoulli.log_prob(&[f64::from(u8::from(one))], &[a], 1, 1, &mut log_p);
        // statrs works on p, so it loses digits where p is near 1
        prop_assert!((log_p[0] - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{} {expected}", log_p[0]);
    }

    #[test]
    fn gaussian_is_that_of_statrs(x in -3.0f64..3.0, a in -3.0f64..3.0, log_var in -6.0f64..4.0, sigmoid: bool) {
        let (form, mu) = if sigmoid { (GaussianMean::Sigmoid, 1.0 / (1.0 + (-a).exp())) } else { (GaussianMean::Linear, a) };
        let expected = Normal::new(mu, (0.5 * log_var).exp()).unwrap().ln_pdf(x);
        let mut log_p = [0.0];
        LikelihoodConfig::Gaussian { mean: form }.log_prob(&[x], &[a, log_var], 1, 1, &mut log_p);
        prop_assert!((log_p[0] - expected).abs() < 1e-9 * (1.0 + expected.abs()));
    }

    #[test]
    fn value_is_the_same_with_and_without_gradient(seed: u64, gaussian: bool, d in 1usize..40, m in 1usize..4, l in 1usize..4) {
        let likelihood = if gaussian { LikelihoodConfig::Gaussian { mean: GaussianMean::Sigmoid } } else { LikelihoodConfig::Bernoulli };
        let width = Likelihood::<f64>::head_width(&likelihood, d);
        let mut draws = rng(seed, Stream::User, 0);
        let x: Vec<f64> = (0..m * d).map(|_| draws.random()).collect();
        let head: Vec<f64> = (0..m * l * width).map(|_| draws.random_range(-2.0..2.0)).collect();
        let (mut plain, mut with) = (vec![0.0; m * l], vec![0.0; m * l]);
        let mut grad = head.clone();
        likelihood.log_prob(&x, &head, d, l, &mut plain);
        likelihood.log_prob_and_gradient(&x, &mut grad, d, l, &mut with);
        for (a, b) in plain.iter().zip(&with) {
            prop_assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()));
        }
    }

    #[test]
    fn prior_and_posterior_are_those_of_statrs(mu in -2.0f64..2.0, log_var in -4.0f64..2.0, eps in -3.0f64..3.0) {
        let (q, sigma) = (DiagonalGaussian { n_z: 1 }, (0.5 * log_var).exp());
        let (mut z, mut log_q, mut log_p) = ([0.0], [0.0], [0.0]);
        q.sample(&[mu, log_var], 1, &[eps], &mut z);
        prop_assert!((z[0] - (mu + sigma * eps)).abs() < 1e-12);
        q.log_prob(&[mu, log_var], 1, &[eps], &mut log_q);
        prop_assert!((log_q[0] - Normal::new(mu, sigma).unwrap().ln_pdf(z[0])).abs() < 1e-9);
        StandardNormalPrior.log_prob(&z, 1, &mut log_p);
        prop_assert!((log_p[0] - Normal::new(0.0, 1.0).unwrap().ln_pdf(z[0])).abs() < 1e-9);
    }
}

#[test]
fn densities_integrate_to_one() {
    let sum: f64 = [0.0, 1.0]
        .iter()
        .map(|&x| {
            let mut log_p = [0.0f64];
            LikelihoodConfig::Bernoulli.log_prob(&[x], &[0.7], 1, 1, &mut log_p);
            log_p[0].exp()
        })
        .sum();
    assert!((sum - 1.0).abs() < 1e-12);
    let (step, mut integral) = (1e-3, 0.0);
    for i in -20_000..20_000 {
        let mut log_p = [0.0f64];
        let likelihood = LikelihoodConfig::Gaussian { mean: GaussianMean::Linear };
        likelihood.log_prob(&[f64::from(i) * step], &[0.3, -1.0], 1, 1, &mut log_p);
        integral += log_p[0].exp() * step;
    }
    assert!((integral - 1.0).abs() < 1e-9);
}

/// Mean and standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn kl_agrees_with_monte_carlo() {
    let q = DiagonalGaussian { n_z: 3 };
    let head = [0.5, -1.2, 0.1, -1.0, 0.7, -3.0];
    let mut kl = [0.0];
    q.kl(&head, &mut kl);
    let mut draws = rng(3, Stream::User, 0);
    let samples: Vec<f64> = (0..100_000)
        .map(|_| {
            let eps: Vec<f64> = (0..3).map(|_| draws.sample(rand_distr::StandardNormal)).collect();
            let (mut z, mut log_q, mut log_p) = ([0.0; 3], [0.0], [0.0]);
            q.sample(&head, 1, &eps, &mut z);
            q.log_prob(&head, 1, &eps, &mut log_q);
            StandardNormalPrior.log_prob(&z, 3, &mut log_p);
            log_q[0] - log_p[0]
        })
        .collect();
    let (mean, error) = mean_and_error(&samples);
    println!("KL {:.4}, by 10⁵ draws {mean:.4} ± {error:.4}", kl[0]);
    assert!((mean - kl[0]).abs() < 4.0 * error && error < 0.02);
}

#[test]
fn the_two_estimators_agree_in_expectation() {
    for likelihood in [LikelihoodConfig::Bernoulli, LikelihoodConfig::Gaussian { mean: GaussianMean::Sigmoid }] {
        let config = ModelConfig {
            latent: 4,
            encoder: vec![8],
            decoder: vec![8],
            likelihood,
            init: Init::Xavier,
            ..ModelConfig::default()
        };
        let model = Vae::<f64>::new(&config, 12, 2).unwrap();
        let x: Vec<f64> = (0..12).map(|i| f64::from(i) / 12.0).collect();
        let draw = |form, seed| -> Vec<f64> {
            let estimator = Estimator { form, samples: 1 };
            let mut ws = Workspace::new(&model, &estimator, 1, false);
            let mut draws = rng(seed, Stream::User, 1);
            (0..100_000)
                .map(|_| {
                    ws.draw_noise(1, 4, &mut draws).unwrap();
                    estimator.value(&model, &x, &mut ws).unwrap().bound
                })
                .collect()
        };
        let ((a, ea), (b, eb)) = (mean_and_error(&draw(Form::A, 1)), mean_and_error(&draw(Form::B, 2)));
        println!("{likelihood:?}: L^A {a:.4} ± {ea:.4}, L^B {b:.4} ± {eb:.4} (10⁵ draws each)");
        assert!((a - b).abs() < 4.0 * ea.hypot(eb));
    }
}

/// With enough samples the importance-sampled log p(x) of a linear-Gaussian model is the exact one.
#[test]
fn importance_sampling_finds_the_exact_marginal() {
    // p(x | z) = N(w z + b, s²) with one latent dimension: x ~ N(b, s² + w wᵀ).
    let config = ModelConfig {
        latent: 1,
        encoder: vec![],
        decoder: vec![],
        likelihood: LikelihoodConfig::Gaussian { mean: GaussianMean::Linear },
        init: Init::Normal { std: 0.0 },
        ..ModelConfig::default()
    };
    let mut model = Vae::<f64>::new(&config, 1, 0).unwrap();
    let (w, b, log_var) = (0.8, 0.3, -0.5f64);
    let layout = model.layout().clone();
    let at = |name: &str| layout.get(name).unwrap().offset;
    model.params_mut()[at("likelihood.weight")] = w;
    model.params_mut()[at("likelihood.bias")] = b;
    model.params_mut()[at("likelihood.bias") + 1] = log_var;
    let x = [1.1, -0.4];
    let estimate = vae_core::estimators::marginal::log_marginal(&model, &x, 200_001, (1, 2)).unwrap();
    let exact = Normal::new(b, (log_var.exp() + w * w).sqrt()).unwrap();
    for (x, estimate) in x.iter().zip(estimate) {
        assert!((estimate - exact.ln_pdf(*x)).abs() < 5e-3, "log p({x}) = {} not {estimate}", exact.ln_pdf(*x));
    }
}
