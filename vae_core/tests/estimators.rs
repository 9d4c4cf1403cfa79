//! Every estimator's gradient is unbiased: its mean over 10⁵ draws against that of L^A, and with importance weights against the exact value
//! by quadrature; and each has the variance that is claimed for it.
#![allow(clippy::unwrap_used)]

use rand::Rng as _;
use vae_core::estimators::{A, B, Baseline, DoublyReparameterised, Estimator, Form, ImportanceWeighted, ScoreFunction};
use vae_core::estimators::{Bound, StickingTheLanding};
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::Init;
use vae_core::priors::{Laplace, PriorConfig};
use vae_core::rng::{Stream, rng};
use vae_core::step::Workspace;

const D: usize = 5;
const DRAWS: u64 = 100_000;

fn model(latent: usize, prior: PriorConfig) -> Vae<f64> {
    let config =
        ModelConfig { latent, encoder: vec![4], decoder: vec![4], init: Init::Xavier, prior, ..ModelConfig::default() };
    let mut model = Vae::new(&config, D, 3).unwrap();
    let mut draws = rng(8, Stream::User, 0);
    model.params_mut().iter_mut().for_each(|p| *p += 0.3 * draws.random_range(-1.0..1.0));
    model
}

fn x() -> Vec<f64> {
    (0..D).map(|i| 0.1 + 0.2 * i as f64).collect()
}

/// Mean and standard error of each parameter's derivative, and of the bound.
struct Moments {
    mean: Vec<f64>,
    error: Vec<f64>,
    bound: (f64, f64),
}

fn moments(model: &Vae<f64>, estimator: Estimator, seed: u64) -> Moments {
    let (n, x) = (model.params().len(), x());
    let (mut sum, mut squares) = (vec![0.0; n + 1], vec![0.0; n + 1]);
    let mut ws = Workspace::new(model, &estimator, 1, true).unwrap();
    let mut draws = rng(seed, Stream::User, 1);
    for _ in 0..DRAWS {
        ws.draw_noise(model, 1, &mut draws).unwrap();
        let bound = ws.gradient(model, &x).unwrap().bound;
        for (k, g) in ws.gradient.iter().chain([&bound]).enumerate() {
            sum[k] += g;
            squares[k] += g * g;
        }
    }
    let draws = DRAWS as f64;
    let mut mean: Vec<f64> = sum.iter().map(|s| s / draws).collect();
    let mut error: Vec<f64> = squares.iter().zip(&mean).map(|(s, m)| ((s / draws - m * m) / draws).sqrt()).collect();
    let bound = (mean.pop().unwrap(), error.pop().unwrap());
    Moments { mean, error, bound }
}

/// The largest difference in units of its standard error.
fn worst(a: &Moments, b: &Moments) -> f64 {
    let off = |k: usize| (a.mean[k] - b.mean[k]).abs() / a.error[k].hypot(b.error[k]).max(1e-12);
    (0..a.mean.len()).map(off).fold(0.0, f64::max)
}

#[test]
fn estimators_of_the_bound_have_the_mean_of_l_a() {
    for prior in [PriorConfig::StandardNormal, Laplace::default().into()] {
        let model = model(2, prior);
        let of_a = moments(&model, Estimator::new(A, 3), 1);
        let forms: [Form; 4] = [
            B.into(),
            StickingTheLanding.into(),
            ScoreFunction { baseline: Baseline::None }.into(),
            ScoreFunction { baseline: Baseline::OtherSamples }.into(),
        ];
        for (seed, form) in (2..).zip(forms) {
            let of_form = moments(&model, Estimator::new(form, 3), seed);
            let off = worst(&of_form, &of_a);
            println!("{} of {prior:?}: {off:.1} standard errors off", form.get().label());
            assert!(off < 4.0, "{form:?} {prior:?}: {off}");
            let (bound, of_a) = (of_form.bound, of_a.bound);
            assert!((bound.0 - of_a.0).abs() < 4.0 * bound.1.hypot(of_a.1), "{form:?}: {bound:?} {of_a:?}");
        }
    }
}

/// The mean of an estimator with L = 2 over the noise of both samples, by a sum over a grid: exact but for 10⁻⁸, since the integrand is
/// smooth and vanishes at ±8.
fn by_quadrature(model: &Vae<f64>, form: Form) -> (Vec<f64>, Bound) {
    const STEP: f64 = 0.2;
    let grid: Vec<f64> = (-40..=40).map(|i| STEP * f64::from(i)).collect();
    let weight = |e: f64| STEP * (-0.5 * e * e).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let mut ws = Workspace::new(model, &Estimator::new(form, 2), 1, true).unwrap();
    let (mut mean, mut bound, x) = (vec![0.0; model.params().len()], Bound::default(), x());
    for &a in &grid {
        for &b in &grid {
            ws.set_noise(&[a, b]).unwrap();
            let here = ws.gradient(model, &x).unwrap();
            let w = weight(a) * weight(b);
            bound.bound += w * here.bound;
            mean.iter_mut().zip(&ws.gradient).for_each(|(mean, g)| *mean += w * g);
        }
    }
    (mean, bound)
}

#[test]
fn importance_weighted_estimators_have_their_exact_mean() {
    let model = model(1, PriorConfig::StandardNormal);
    let (exact, bound) = by_quadrature(&model, ImportanceWeighted.into());
    // the exact derivative of the exact bound, for a few parameters of encoder and decoder
    for k in [0, 7, 25, 30, exact.len() - 1] {
        let at = |h: f64| {
            let mut moved = model.clone();
            moved.params_mut()[k] += h;
            by_quadrature(&moved, ImportanceWeighted.into()).1.bound
        };
        let numeric = (at(1e-4) - at(-1e-4)) / 2e-4;
        assert!((numeric - exact[k]).abs() < 1e-7, "{k}: {numeric} {}", exact[k]);
    }
    for (seed, form) in [(1, Form::from(ImportanceWeighted)), (2, DoublyReparameterised.into())] {
        let of_form = moments(&model, Estimator::new(form, 2), seed);
        let exact = Moments { mean: exact.clone(), error: vec![0.0; exact.len()], bound: (bound.bound, 0.0) };
        let off = worst(&of_form, &exact);
        println!("{}: {off:.1} standard errors off", form.get().label());
        assert!(off < 4.0, "{form:?}: {off}");
        assert!(
            (of_form.bound.0 - bound.bound).abs() < 4.0 * of_form.bound.1,
            "{form:?}: {:?} {bound:?}",
            of_form.bound
        );
        // the doubly reparameterised gradient's mean is the same, exactly
        let (other, _) = by_quadrature(&model, form);
        assert!(other.iter().zip(&exact.mean).all(|(a, b)| (a - b).abs() < 1e-7), "{form:?}");
    }
    let (of_a, elbo) = by_quadrature(&model, A.into());
    assert!(bound.bound > elbo.bound + 1e-3, "two samples give a tighter bound: {} {}", bound.bound, elbo.bound);
    let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let difference: Vec<f64> = of_a.iter().zip(&exact).map(|(a, b)| a - b).collect();
    assert!(norm(&difference) > 1e-3 * norm(&exact), "the two bounds have different gradients");
}

/// What the estimators are for. The encoder's bias μ of a model with one latent dimension: of one draw, with f = log p(x | z), A has the
/// derivative f′ − z, B f′ − μ, sticking the landing f′ − z + (z − μ)/σ².
#[test]
fn variances_are_ordered_as_they_are_said_to_be() {
    let model = model(1, PriorConfig::StandardNormal);
    let at = model.layout().get("posterior.bias").unwrap().offset;
    let error = |form: Form, samples| moments(&model, Estimator::new(form, samples), 9).error[at];
    let (a, b) = (error(A.into(), 1), error(B.into(), 1));
    let score = error(ScoreFunction::default().into(), 2);
    let baseline = error(ScoreFunction { baseline: Baseline::OtherSamples }.into(), 2);
    println!(
        "standard errors of the mean: L^A {a:.2e}, L^B {b:.2e}, score function {score:.2e}, with baseline {baseline:.2e}"
    );
    assert!(b < a && a < baseline && baseline < 0.7 * score);
    let (iw, dreg) = (error(ImportanceWeighted.into(), 20), error(DoublyReparameterised.into(), 20));
    println!("with 20 importance weighted samples {iw:.2e}, doubly reparameterised {dreg:.2e}");
    assert!(dreg < 0.7 * iw);
}
