//! Densities against an independent crate, KL terms against Monte Carlo and quadrature, estimators against each other.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rand::Rng as _;
use statrs::distribution::{
    Bernoulli as StatrsBernoulli, Beta as StatrsBeta, Continuous, ContinuousCDF, Discrete, Laplace, Normal,
};
use vae_core::estimators::{Estimator, Form};
use vae_core::likelihoods::{self, LikelihoodConfig, PixelMean, Pixels, Variance};
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::Init;
use vae_core::posteriors::{Drawn, Kumaraswamy, PosteriorConfig, Shape, closed_kl};
use vae_core::priors::{self, PriorConfig};
use vae_core::rng::{Stream, rng};
use vae_core::step::Workspace;

/// log p of one pixel.
fn log_p(likelihood: LikelihoodConfig, x: f64, head: &[f64], shared: f64) -> f64 {
    let mut log_p = [0.0];
    likelihood.get().log_prob(&[x], head, Pixels { d: 1, l: 1, shared }, &mut log_p);
    log_p[0]
}

fn log_prior(prior: PriorConfig, z: f64) -> f64 {
    let mut log_p = [0.0];
    prior.get().log_prob(&[z], 1, &mut log_p);
    log_p[0]
}

/// b near 0 puts nearly all mass at z = 1, beyond what 1 − z can hold: 1 − z = e^(−1000) and less.
#[test]
fn kumaraswamy_at_its_end_has_the_gradient_of_its_samples() {
    let (q, of_f32) = (PosteriorConfig::from(Kumaraswamy), PosteriorConfig::from(Kumaraswamy));
    let (q, of_f32, at) = (q.get::<f64>(), of_f32.get::<f32>(), Shape { m: 1, l: 1, n_z: 1 });
    let sample = |head: &[f64], log_u: f64| {
        let mut y = [0.0];
        q.sample(head, at, &[log_u], &mut y);
        y[0]
    };
    for (h_a, h_b, log_u) in
        [(-3.0, -9.0, -1.0), (0.0, -6.0, -5.0), (2.0, -12.0, -0.5), (2.0, -4.0, -3.0), (-8.0, -8.0, -2.0)]
    {
        let head = [h_a, h_b];
        let y = sample(&head, log_u);
        let (mut found, mut both, mut log_q) = ([0.0; 2], [0.0; 2], [0.0]);
        q.backward(&head, at, Drawn { noise: &[log_u], z: &[y] }, &[1.0], None, &mut found);
        q.add_log_prob_gradient(&head, at, Drawn { noise: &[log_u], z: &[y] }, &[1.0], &mut both);
        for k in 0..2 {
            let moved = |by: f64| {
                let mut head = head;
                head[k] += by;
                sample(&head, log_u)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((found[k] - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{head:?}: {} {expected}", found[k]);
        }
        q.log_prob(&head, at, Drawn { noise: &[log_u], z: &[y] }, &mut log_q);
        assert!(
            y.is_finite() && log_q[0].is_finite() && both.iter().all(|g| g.is_finite()),
            "{head:?}: {y} {log_q:?} {both:?}"
        );
        let (head, log_u) = (head.map(|h| h as f32), [log_u as f32]);
        let mut found = [0.0f32; 2];
        of_f32.backward(&head, at, Drawn { noise: &log_u, z: &[y as f32] }, &[1.0], None, &mut found);
        assert!(found.iter().all(|g| g.is_finite()), "{head:?}: {found:?}");
    }
}

#[test]
fn log_likelihood_is_the_cross_entropy_of_the_decoded_means() {
    let config = ModelConfig { encoder: vec![5], decoder: vec![5], latent: 2, ..ModelConfig::default() };
    let model = Vae::<f32>::new(&config, 6, 3).unwrap();
    let mut draws = rng(0, Stream::User, 0);
    let x = ndarray::Array2::from_shape_fn((4, 6), |_| draws.random_range(0.0..1.0f32));
    let z = ndarray::Array2::from_shape_fn((4, 2), |_| draws.random_range(-2.0..2.0f32));
    let (found, p) = (model.log_likelihood(&x, &z).unwrap(), model.decode(&z).unwrap());
    for (row, found) in found.iter().enumerate() {
        let of = |(x, p): (&f32, &f32)| f64::from(x * p.ln() + (1.0 - x) * (1.0 - p).ln());
        let expected: f64 = x.row(row).iter().zip(p.row(row)).map(of).sum();
        assert!((found - expected).abs() < 1e-5 * expected.abs(), "{found} {expected}");
    }
    assert!(model.log_likelihood(&x, &z.slice(ndarray::s![..3, ..]).to_owned()).is_err());
    assert!(model.log_likelihood(&(x * 2.0), &z).is_err());
}

proptest! {
    #[test]
    fn bernoulli_is_that_of_statrs(a in -20.0f64..20.0, one: bool) {
        let p = 1.0 / (1.0 + (-a).exp());
        let expected = StatrsBernoulli::new(p).unwrap().ln_pmf(u64::from(one));
        let found = log_p(LikelihoodConfig::Bernoulli, f64::from(u8::from(one)), &[a], 0.0);
        // statrs works on p, so it loses digits where p is near 1
        prop_assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{found} {expected}");
    }

    #[test]
    fn gaussian_and_laplace_are_those_of_statrs(x in -3.0f64..3.0, a in -3.0f64..3.0, s in -6.0f64..4.0, sigmoid: bool) {
        let (mean, mu) = if sigmoid { (PixelMean::Sigmoid, 1.0 / (1.0 + (-a).exp())) } else { (PixelMean::Linear, a) };
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-9 * (1.0 + expected.abs());
        let normal = Normal::new(mu, (0.5 * s).exp()).unwrap().ln_pdf(x);
        prop_assert!(near(log_p(LikelihoodConfig::gaussian(mean), x, &[a, s], 0.0), normal));
        let of = |variance| likelihoods::Gaussian { mean, variance }.into();
        prop_assert!(near(log_p(of(Variance::Shared), x, &[a], s), normal));
        let fixed = of(Variance::Fixed { sd: (0.5 * s).exp() });
        prop_assert!(near(log_p(fixed, x, &[a], 0.0), normal));
        let laplace = Laplace::new(mu, s.exp()).unwrap();
        let found = log_p(likelihoods::Laplace { mean }.into(), x, &[a, s], 0.0);
        // statrs takes the logarithm of the density, which is 0 far out
        prop_assert!(laplace.pdf(x) < 1e-300 || near(found, laplace.ln_pdf(x)), "{} {}", found, laplace.ln_pdf(x));
    }

    #[test]
    fn value_is_the_same_with_and_without_gradient(seed: u64, d in 1usize..40, m in 1usize..4, l in 1usize..4) {
        for likelihood in LikelihoodConfig::all() {
            let width = likelihood.get::<f64>().head_width(d);
            let mut draws = rng(seed, Stream::User, 0);
            let x: Vec<f64> = (0..m * d).map(|_| draws.random()).collect();
            let head: Vec<f64> = (0..m * l * width).map(|_| draws.random_range(-2.0..2.0)).collect();
            let (mut plain, mut with, mut d_shared) = (vec![0.0; m * l], vec![0.0; m * l], vec![0.0; m * l]);
            let (mut grad, at) = (head.clone(), Pixels { d, l, shared: 0.3 });
            likelihood.get().log_prob(&x, &head, at, &mut plain);
            likelihood.get().log_prob_and_gradient(&x, &mut grad, at, &mut with, &mut d_shared);
            for (a, b) in plain.iter().zip(&with) {
                prop_assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()));
            }
        }
    }

    #[test]
    fn prior_and_posterior_are_those_of_statrs(mu in -2.0f64..2.0, log_var in -4.0f64..2.0, eps in -3.0f64..3.0, b in 0.1f64..3.0) {
        let (q, sigma, at) = (PosteriorConfig::DiagonalGaussian, (0.5 * log_var).exp(), Shape { m: 1, l: 1, n_z: 1 });
        let (mut z, mut log_q) = ([0.0], [0.0]);
        q.get().sample(&[mu, log_var], at, &[eps], &mut z);
        prop_assert!((z[0] - (mu + sigma * eps)).abs() < 1e-12);
        q.get().log_prob(&[mu, log_var], at, Drawn { noise: &[eps], z: &z }, &mut log_q);
        prop_assert!((log_q[0] - Normal::new(mu, sigma).unwrap().ln_pdf(z[0])).abs() < 1e-9);
        prop_assert!((log_prior(PriorConfig::StandardNormal, z[0]) - Normal::new(0.0, 1.0).unwrap().ln_pdf(z[0])).abs() < 1e-9);
        let (laplace, other) = (PriorConfig::from(priors::Laplace { scale: b }), Laplace::new(0.0, b).unwrap());
        prop_assert!((log_prior(laplace, z[0]) - other.ln_pdf(z[0])).abs() < 1e-9);
        for p in [0.01, 0.3, 0.5, 0.99] {
            prop_assert!((laplace.get::<f64>().quantile(p).unwrap() - other.inverse_cdf(p)).abs() < 1e-9);
        }
    }

    /// The posterior's gradients, path and score and both together, against differences of its density.
    #[test]
    fn new_priors_are_those_of_statrs(z in 0.001f64..0.999, y in -2.0f64..3.0, alpha in 0.1f64..3.0, beta in 0.1f64..3.0, sd in 0.05f64..0.8) {
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-9 * (1.0 + expected.abs());
        let of_z = StatrsBeta::new(alpha, beta).unwrap().ln_pdf(z) + (z * (1.0 - z)).ln();
        let prior = priors::Beta { alpha, beta, ..priors::Beta::default() };
        prop_assert!(near(log_prior(prior.into(), (z / (1.0 - z)).ln()), of_z));
        let of = |mode: f64| Normal::new(mode, sd).unwrap().ln_pdf(y) - std::f64::consts::LN_2;
        let (a, b) = (of(0.0), of(1.0));
        let expected = a.max(b) + (-(a - b).abs()).exp().ln_1p();
        let pair = priors::GaussianPair { sd, ..Default::default() };
        prop_assert!(near(log_prior(pair.into(), y), expected));
    }

    /// log q of Kumaraswamy against its density as it is printed, path and score against differences, at fixed y and at fixed noise.
    #[test]
    fn kumaraswamy_is_what_it_says(h_a in -3.0f64..3.0, h_b in -3.0f64..3.0, log_u in -6.0f64..-0.01, w in -2.0f64..2.0) {
        let q = PosteriorConfig::from(Kumaraswamy);
        let (q, at) = (q.get::<f64>(), Shape { m: 1, l: 1, n_z: 1 });
        let number = |h: f64| (h + 0.541_324_854_612_918_1).exp().ln_1p() + 1e-3;
        let sample = |head: [f64; 2], log_u: f64| {
            let mut y = [0.0];
            q.sample(&head, at, &[log_u], &mut y);
            y[0]
        };
        // log q(y) as a function of head and y, by the noise that gives this y
        let log_q = |head: [f64; 2], y: f64| {
            let (a, b) = (number(head[0]), number(head[1]));
            let z = 1.0 / (1.0 + (-y).exp());
            a.ln() + b.ln() + (a - 1.0) * z.ln() + (b - 1.0) * (-z.powf(a)).ln_1p() + z.ln() + (-z).ln_1p()
        };
        let (head, y) = ([h_a, h_b], sample([h_a, h_b], log_u));
        prop_assume!(y.abs() < 12.0);
        let mut found = [0.0];
        q.log_prob(&head, at, Drawn { noise: &[log_u], z: &[y] }, &mut found);
        prop_assert!((found[0] - log_q(head, y)).abs() < 1e-6 * (1.0 + found[0].abs()), "{} {}", found[0], log_q(head, y));
        let h = 1e-5;
        let near = |found: f64, plus: f64, minus: f64| {
            let expected = (plus - minus) / (2.0 * h);
            (found - expected).abs() < 2e-4 * (1.0 + expected.abs())
        };
        let mut dy = [0.3];
        q.add_path(&head, at, Drawn { noise: &[log_u], z: &[y] }, &[w], &mut dy);
        prop_assert!(near(dy[0] - 0.3, w * log_q(head, y + h), w * log_q(head, y - h)));
        let (mut d_path, mut d_score, mut d_both) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        q.backward(&head, at, Drawn { noise: &[log_u], z: &[y] }, &[1.0], None, &mut d_path);
        q.backward(&head, at, Drawn { noise: &[log_u], z: &[y] }, &[0.0], Some(&[w]), &mut d_score);
        q.add_log_prob_gradient(&head, at, Drawn { noise: &[log_u], z: &[y] }, &[w], &mut d_both);
        for k in 0..2 {
            let moved = |by: f64| { let mut head = head; head[k] += by; head };
            let (up, down) = (moved(h), moved(-h));
            prop_assert!(near(d_path[k], sample(up, log_u), sample(down, log_u)));
            prop_assert!(near(d_score[k], w * log_q(up, y), w * log_q(down, y)));
            let total = |head: [f64; 2]| w * log_q(head, sample(head, log_u));
            prop_assert!(near(d_both[k], total(up), total(down)));
        }
    }

    #[test]
    fn path_and_score_are_derivatives_of_the_density(mu in -2.0f64..2.0, log_var in -3.0f64..1.0, eps in -2.0f64..2.0, w in -2.0f64..2.0) {
        let (q, at, h) = (PosteriorConfig::DiagonalGaussian, Shape { m: 1, l: 1, n_z: 1 }, 1e-5);
        let z_of = |head: [f64; 2]| head[0] + (0.5 * head[1]).exp() * eps;
        let log_q = |head: [f64; 2], z: f64| Normal::new(head[0], (0.5 * head[1]).exp()).unwrap().ln_pdf(z);
        let (head, z) = ([mu, log_var], z_of([mu, log_var]));
        let mut path = [0.0];
        q.get().add_path(&head, at, Drawn { noise: &[eps], z: &[z] }, &[w], &mut path);
        let numeric = w * (log_q(head, z + h) - log_q(head, z - h)) / (2.0 * h);
        prop_assert!((path[0] - numeric).abs() < 1e-5 * (1.0 + numeric.abs()), "{} {numeric}", path[0]);
        let (mut score, mut whole) = ([0.0; 2], [0.0; 2]);
        q.get().backward(&head, at, Drawn { noise: &[eps], z: &[z] }, &[0.0], Some(&[w]), &mut score);
        q.get().add_log_prob_gradient(&head, at, Drawn { noise: &[eps], z: &[z] }, &[w], &mut whole);
        for k in 0..2 {
            let moved = |h: f64| { let mut head = head; head[k] += h; head };
            let numeric = w * (log_q(moved(h), z) - log_q(moved(-h), z)) / (2.0 * h);
            prop_assert!((score[k] - numeric).abs() < 1e-5 * (1.0 + numeric.abs()));
            let numeric = w * (log_q(moved(h), z_of(moved(h))) - log_q(moved(-h), z_of(moved(-h)))) / (2.0 * h);
            prop_assert!((whole[k] - numeric).abs() < 1e-5 * (1.0 + numeric.abs()));
        }
    }
}

/// ∫ p dx over all real numbers, x = t / (1 − t²), or over \[0, 1\].
fn integral(unit: bool, p: impl Fn(f64) -> f64) -> f64 {
    const N: i32 = 400_000;
    let midpoints = (0..N).map(|i| (f64::from(i) + 0.5) / f64::from(N));
    let term = |u: f64| {
        let t = 2.0 * u - 1.0;
        if unit { p(u) } else { 2.0 * p(t / (1.0 - t * t)) * (1.0 + t * t) / (1.0 - t * t).powi(2) }
    };
    midpoints.map(term).sum::<f64>() / f64::from(N)
}

/// Heads of one pixel, near and far from 0.
fn heads(likelihood: LikelihoodConfig) -> impl Iterator<Item = Vec<f64>> {
    let width = likelihood.get::<f64>().head_width(1);
    [0.3, -1.0, 2.5, -6.0].into_iter().map(move |a| [a, -1.0][..width].to_vec())
}

/// Every real likelihood, at several heads: its density has mass 1 and the mean that it says, and so have its draws.
#[test]
fn likelihoods_have_their_mass_their_mean_and_their_draws() {
    let sum: f64 = [0.0, 1.0].map(|x| log_p(LikelihoodConfig::Bernoulli, x, &[0.7], 0.0).exp()).iter().sum();
    assert!((sum - 1.0).abs() < 1e-12);
    for likelihood in LikelihoodConfig::all() {
        let unit = likelihood.get::<f64>().needs_unit_interval();
        for head in heads(likelihood) {
            let p = |x: f64| log_p(likelihood, x, &head, 0.2).exp();
            let moment = |f: fn(f64) -> f64| match likelihood {
                LikelihoodConfig::Bernoulli => f(0.0) * p(0.0) + f(1.0) * p(1.0),
                _ => integral(unit, |x| p(x) * f(x)),
            };
            let (mass, mean) = (moment(|_| 1.0), moment(|x| x));
            assert!((mass - 1.0).abs() < 1e-6, "{likelihood:?} {head:?}: {mass}");
            let mut said = [0.0];
            likelihood.get().mean(&head, 1, &mut said);
            assert!((said[0] - mean).abs() < 1e-6, "{likelihood:?} {head:?}: {said:?} {mean}");
            const N: usize = 100_000;
            let (mut x, at) = (vec![0.0; N], Pixels { d: 1, l: 1, shared: 0.2 });
            likelihood.get().sample(&head.repeat(N), at, &mut rng(2, Stream::Prior, 0), &mut x);
            let variance = moment(|x| x * x) - mean * mean;
            let drawn = x.iter().sum::<f64>() / N as f64;
            assert!(
                (drawn - mean).abs() < 5.0 * (variance / N as f64).sqrt(),
                "{likelihood:?} {head:?}: {drawn} {mean}"
            );
            let spread = x.iter().map(|x| (x - drawn).powi(2)).sum::<f64>() / N as f64;
            assert!((spread / variance - 1.0).abs() < 0.1, "{likelihood:?} {head:?}: {spread} {variance}");
        }
    }
}

/// Every prior: mass 1; quantiles and draws are those of the density.
#[test]
fn priors_have_their_mass_their_quantiles_and_their_draws() {
    let mut all = PriorConfig::all();
    all.push(priors::Laplace { scale: 0.4 }.into());
    all.extend([0.05, 0.2].map(|sd| PriorConfig::from(priors::GaussianPair { sd, ..priors::GaussianPair::default() })));
    all.extend([0.3, 0.7].map(|alpha| PriorConfig::from(priors::Beta::symmetric(alpha))));
    all.push(priors::Beta { alpha: 0.4, ..priors::Beta::symmetric(2.0) }.into());
    for prior in all {
        let p = |z: f64| log_prior(prior, z).exp();
        assert!((integral(false, p) - 1.0).abs() < 1e-6, "{prior:?}");
        let mut z = vec![0.0f64; 100_000];
        prior.get().draw(4, &mut rng(1, Stream::Prior, 0), &mut z);
        for share in [0.03, 0.5, 0.8] {
            let Some(quantile) = prior.get::<f64>().quantile(share) else { continue };
            let below = integral(false, |z| if z < quantile { p(z) } else { 0.0 });
            assert!((below - share).abs() < 1e-4, "{prior:?}: {below} below the {share}-quantile");
            let drawn = z.iter().filter(|z| **z < quantile).count() as f64 / z.len() as f64;
            assert!(
                (drawn - share).abs() < 5.0 * (share * (1.0 - share) / z.len() as f64).sqrt(),
                "{prior:?}: {drawn}"
            );
        }
    }
}

/// A pixel that never changes: the density stays finite, whatever the network says, and its gradient ends at the floor.
#[test]
fn variances_have_a_floor() {
    for (likelihood, floor) in [
        (LikelihoodConfig::gaussian(PixelMean::Linear), Variance::FLOOR),
        (likelihoods::Laplace::default().into(), likelihoods::Laplace::FLOOR),
    ] {
        let at = |s: f64| {
            let (mut head, mut found) = ([0.5f32, s as f32], [0.0]);
            let pixels = Pixels { d: 1, l: 1, shared: 0.0 };
            likelihood.get().log_prob_and_gradient(&[0.5], &mut head, pixels, &mut found, &mut []);
            (found[0], head[1])
        };
        assert!(at(floor + 1.0).1 < 0.0, "it is drawn down");
        for far in [floor - 0.1, -1e3, -1e30] {
            assert_eq!(at(far), (at(floor).0, 0.0), "{likelihood:?}");
        }
        assert!(at(f64::NAN).0.is_nan());
    }
}

/// Mean and standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Every closed form of a density, against 10⁵ draws.
#[test]
fn kl_agrees_with_monte_carlo() {
    let (q, at) = (PosteriorConfig::DiagonalGaussian, Shape { m: 1, l: 1, n_z: 3 });
    let head = [0.5, -1.2, 0.1, -1.0, 0.7, -3.0];
    let mut pairs = 0;
    for prior in PriorConfig::all() {
        let Some(closed) = closed_kl::<f64>(&q, &prior) else { continue };
        let (mut kl, mut per_dimension, mut draws) = ([0.0], [0.0; 3], rng(3, Stream::User, 0));
        closed.kl(&head, 3, &mut kl);
        closed.add_per_dimension(&head, 3, &mut per_dimension);
        assert!((per_dimension.iter().sum::<f64>() - kl[0]).abs() < 1e-12);
        let samples: Vec<f64> = (0..100_000)
            .map(|_| {
                let eps: Vec<f64> = (0..3).map(|_| draws.sample(rand_distr::StandardNormal)).collect();
                let (mut z, mut log_q, mut log_p) = ([0.0; 3], [0.0], [0.0]);
                q.get().sample(&head, at, &eps, &mut z);
                q.get().log_prob(&head, at, Drawn { noise: &eps, z: &z }, &mut log_q);
                prior.get().log_prob(&z, 3, &mut log_p);
                log_q[0] - log_p[0]
            })
            .collect();
        let (mean, error) = mean_and_error(&samples);
        println!("{prior:?}: KL {:.4}, by 10⁵ draws {mean:.4} ± {error:.4}", kl[0]);
        assert!((mean - kl[0]).abs() < 4.0 * error && error < 0.02);
        pairs += 1;
    }
    assert!(pairs >= 2);
}

#[test]
fn the_two_estimators_agree_in_expectation() {
    for likelihood in LikelihoodConfig::all() {
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
            let mut ws = Workspace::new(&model, &Estimator { form, samples: 1 }, 1, false).unwrap();
            let mut draws = rng(seed, Stream::User, 1);
            (0..100_000)
                .map(|_| {
                    ws.draw_noise(&model, 1, &mut draws).unwrap();
                    ws.value(&model, &x).unwrap().bound
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
        likelihood: LikelihoodConfig::gaussian(PixelMean::Linear),
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
    let estimate = vae_core::inference::marginal::log_marginal(&model, &x, 200_001, (1, 2)).unwrap();
    let exact = Normal::new(b, (log_var.exp() + w * w).sqrt()).unwrap();
    for (x, estimate) in x.iter().zip(estimate) {
        assert!((estimate - exact.ln_pdf(*x)).abs() < 5e-3, "log p({x}) = {} not {estimate}", exact.ln_pdf(*x));
    }
}

/// The series against quadrature over u ~ U(0, 1), and the samples that training takes against both.
#[test]
fn the_divergence_of_kumaraswamy_from_beta_agrees_with_quadrature() {
    let number = |a: f64| ((a - 1e-3).exp_m1()).ln() - 0.541_324_854_612_918_1;
    for (a, b) in [(1.0, 1.0), (0.5, 2.0), (3.0, 0.4), (0.2, 0.2), (2.5, 4.0)] {
        for prior in [
            priors::Beta::symmetric(0.3),
            priors::Beta::default(),
            priors::Beta { alpha: 0.5, ..priors::Beta::symmetric(2.0) },
        ] {
            let (head, at) = ([number(a), number(b)], Shape { m: 1, l: 1, n_z: 1 });
            let q = PosteriorConfig::from(Kumaraswamy);
            let difference = |log_u: f64| {
                let (mut y, mut log_q) = ([0.0], [0.0]);
                q.get::<f64>().sample(&head, at, &[log_u], &mut y);
                q.get::<f64>().log_prob(&head, at, Drawn { noise: &[log_u], z: &y }, &mut log_q);
                log_q[0] - log_prior(prior.into(), y[0])
            };
            // log u = −e^t: the midpoint rule over t
            let n = 40_000;
            let steps = (0..n).map(|k| -40.0 + 50.0 * (f64::from(k) + 0.5) / f64::from(n));
            let expected: f64 =
                steps.map(|t: f64| difference(-t.exp()) * (t - t.exp()).exp() * 50.0 / f64::from(n)).sum();
            let found = vae_core::posteriors::kumaraswamy_beta_divergence(a, b, prior);
            assert!((found - expected).abs() < 1e-5 * (1.0 + expected), "{a} {b} {prior:?}: {found} {expected}");
            assert!(found > -1e-9);
        }
    }
}
