//! Section 2: bounds, gaps and gradients against closed forms and quadrature.
#![allow(clippy::unwrap_used)]

use ndarray::{Array1, Array2, array};
use proptest::prelude::*;
use rand::Rng as _;
use vae_core::estimators::{A, B, Baseline, Estimator, Form, ImportanceWeighted, ScoreFunction, StickingTheLanding};
use vae_core::optim::OptimiserConfig;
use vae_core::rng::{Stream, rng};
use vae_core::svi::{
    GaussianLinear, LogJoint, LogisticRegression, MeanField, ProbitTosses, SquaredMean, ascend,
    divergence_by_quadrature, estimate, exact_elbo, gradient_variance, log_evidence_by_quadrature, posterior_density,
};

/// x ~ N(z, ¼), one observation: p(z | x) = N(0.8 x, 0.2).
fn quarter() -> GaussianLinear {
    GaussianLinear::new(array![[1.0]], array![0.7], 0.25).unwrap()
}

fn regression() -> GaussianLinear {
    let x = array![[1.0, 0.3], [1.0, -1.2], [1.0, 2.0], [1.0, 0.1]];
    GaussianLinear::new(x, array![0.5, -0.7, 1.9, 0.0], 0.5).unwrap()
}

fn logistic() -> LogisticRegression {
    let mut draws = rng(4, Stream::User, 0);
    let x = Array2::from_shape_fn((20, 2), |(_, j)| if j == 0 { 1.0 } else { draws.random_range(-2.0..2.0) });
    let y: Array1<bool> = x.outer_iter().map(|x| 1.5 * x[1] - 0.5 + draws.random_range(-1.5..1.5) > 0.0).collect();
    LogisticRegression::new(x, y).unwrap()
}

#[test]
fn evidence_by_quadrature_is_the_closed_one() {
    for model in [quarter(), regression()] {
        let (closed, found) = (model.log_evidence(), log_evidence_by_quadrature(&model).unwrap());
        assert!((closed - found).abs() < 1e-9, "{closed} {found}");
    }
    // with q the posterior the bound is the evidence
    let (mean, covariance) = quarter().posterior();
    let q = MeanField::new(&[mean[0]], &[covariance[[0, 0]].sqrt()]);
    assert!((exact_elbo(&quarter(), &q).unwrap() - quarter().log_evidence()).abs() < 1e-9);
    assert!((mean[0] - 0.8 * 0.7).abs() < 1e-12 && (covariance[[0, 0]] - 0.2).abs() < 1e-12);
}

#[test]
fn the_gap_of_the_bound_is_the_divergence() {
    let (squared, tosses) = (SquaredMean::new(2.0, 0.25).unwrap(), ProbitTosses::new(2, 3).unwrap());
    let models: [&dyn LogJoint; 5] = [&quarter(), &regression(), &logistic(), &squared, &tosses];
    for model in models {
        for sd in [0.3, 0.6, 1.0] {
            let q = MeanField::new(&vec![0.4; model.dim()], &vec![sd; model.dim()]);
            let evidence = log_evidence_by_quadrature(model).unwrap();
            let (bound, divergence) = (exact_elbo(model, &q).unwrap(), divergence_by_quadrature(model, &q).unwrap());
            assert!(
                bound < evidence && (evidence - bound - divergence).abs() < 1e-6,
                "{model:?}: {bound} {divergence}"
            );
        }
    }
}

/// Variances of the derivative by m that are derived by hand: with f = log p(x | z), L̃¹ has f′ − z = 4x − 5z, L̃² 4x − 4z − m, sticking the
/// landing 4x − 5z + (z − m)/s²; so 25 s², 16 s² and (5 − 1/s²)² s².
#[test]
fn variances_are_those_derived_by_hand() {
    for (sd, expected) in [(0.2f64.sqrt(), [5.0, 3.2, 0.0]), (1.0, [25.0, 16.0, 16.0]), (0.1, [0.25, 0.16, 90.25])] {
        let q = MeanField::new(&[0.8 * 0.7], &[sd]);
        for (form, expected) in [A.into(), B.into(), Form::from(StickingTheLanding)].into_iter().zip(expected) {
            let spread = gradient_variance(&quarter(), &q, Estimator::new(form, 1), 200_000, 1).unwrap();
            assert!((spread.variance[0] - expected).abs() < 0.02 * expected + 1e-9, "{form:?}, s = {sd}: {spread:?}");
        }
    }
}

/// The same for the estimate itself and for the derivative by log s², with q's mean m anywhere: with z = m + s ε they are polynomials of the
/// second degree in ε, and Var(aε + bε²) = a² + 2b². L̃² does not win everywhere: not at the posterior, not at small s beside the prior.
#[test]
fn variances_of_the_estimate_and_by_log_variance_are_those_derived_by_hand() {
    let (tau, x, draws) = (4.0, 0.7, 200_000);
    for (m, sd) in [(0.56, 0.2f64.sqrt()), (0.56, 1.0), (0.56, 0.1), (-0.5, 0.3)] {
        let (q, s) = (MeanField::new(&[m], &[sd]), sd);
        // slopes of the log weight at m along ε, and half its curvature
        let (a1, a2) = (tau * x - (tau + 1.0) * m, tau * (x - m));
        let value = |a: f64, b: f64| a * a + 2.0 * b * b;
        let by_log_var = |a: f64, b: f64| 0.25 * s * s * value(a, b);
        let expected = [
            (value(a1 * s, 0.5 * (1.0 - (tau + 1.0) * s * s)), by_log_var(a1, -(tau + 1.0) * s)),
            (value(a2 * s, -0.5 * tau * s * s), by_log_var(a2, -tau * s)),
            (value(a1 * s, 0.5 * (1.0 - (tau + 1.0) * s * s)), by_log_var(a1, 1.0 / s - (tau + 1.0) * s)),
        ];
        for (form, (value, by_log_var)) in
            [A.into(), B.into(), Form::from(StickingTheLanding)].into_iter().zip(expected)
        {
            let spread = gradient_variance(&quarter(), &q, Estimator::new(form, 1), draws, 2).unwrap();
            let near = |found: f64, expected: f64| (found - expected).abs() < 0.03 * expected + 1e-9;
            assert!(near(spread.bound_variance, value), "{form:?} at {m}, {s}: {spread:?} {value}");
            assert!(near(spread.variance[1], by_log_var), "{form:?} at {m}, {s}: {spread:?} {by_log_var}");
            assert!((spread.total() - spread.variance[0] - spread.variance[1]).abs() < 1e-12);
            let error = (spread.bound_variance / draws as f64).sqrt();
            assert!((spread.bound - exact_elbo(&quarter(), &q).unwrap()).abs() < 4.5 * error + 1e-9, "{spread:?}");
        }
    }
}

#[test]
fn tosses_have_a_closed_evidence_and_posterior() {
    // B(3, 2) = 2! 1! / 4! = 1/12; no toss: 1
    for (ones, tosses, evidence) in [(2, 3, 1.0 / 12.0), (0, 0, 1.0), (5, 5, 1.0 / 6.0)] {
        let model = ProbitTosses::new(ones, tosses).unwrap();
        assert!((model.log_evidence() - f64::ln(evidence)).abs() < 1e-12);
        assert!((log_evidence_by_quadrature(&model).unwrap() - model.log_evidence()).abs() < 1e-9);
        let at = [-1.0, 0.0, 0.4, 3.0];
        for (z, density) in at.into_iter().zip(posterior_density(&model, &at).unwrap()) {
            assert!((density - model.posterior(z)).abs() < 1e-9, "{z}");
        }
    }
    // far out the logarithms stay finite, and continuous where the approximation begins
    let (model, mut slope) = (ProbitTosses::new(1, 1).unwrap(), [0.0]);
    let near = [-29.999, -30.001].map(|z| model.log_likelihood(&[z], &mut slope));
    assert!(
        (near[0] - near[1] - 0.002 * 30.0).abs() < 3e-3 && model.log_likelihood(&[-1e3], &mut slope) < -4e5,
        "{near:?}"
    );
}

#[test]
fn a_squared_mean_has_a_posterior_of_two_modes() {
    let model = SquaredMean::new(2.0, 0.25).unwrap();
    let z: Vec<f64> = (-600..=600).map(|i| 0.01 * f64::from(i)).collect();
    let density = posterior_density(&model, &z).unwrap();
    assert!((density.iter().sum::<f64>() * 0.01 - 1.0).abs() < 1e-9);
    let peaks: Vec<f64> = (1..z.len() - 1)
        .filter(|&i| density[i] > density[i - 1] && density[i] > density[i + 1])
        .map(|i| z[i])
        .collect();
    // the joint density is stationary at 0 and at z² = x − σ²/2
    assert!(peaks.len() == 2 && peaks.iter().all(|z| (z.abs() - 1.875f64.sqrt()).abs() < 0.01), "{peaks:?}");
    assert!(posterior_density(&regression(), &z).is_err());
}

#[test]
fn drawn_data_are_those_of_the_model() {
    // so many data that the posterior stands at the θ they were drawn with
    let theta = [0.5, -1.0];
    let (mean, covariance) = GaussianLinear::drawn(20_000, &theta, 0.5, 3).unwrap().posterior();
    assert!((0..2).all(|j| (mean[j] - theta[j]).abs() < 4.5 * covariance[[j, j]].sqrt() + 1e-4), "{mean} {covariance}");
    let (model, mut slope) = (LogisticRegression::drawn(20_000, &theta, 3).unwrap(), [0.0; 2]);
    model.log_likelihood(&theta, &mut slope);
    // the score at the true θ has a variance below N/4 a weight
    assert!(slope.iter().all(|s| s.abs() < 4.5 * (20_000f64 / 4.0).sqrt()), "{slope:?}");
    model.log_likelihood(&[0.5, 1.0], &mut slope);
    assert!(slope[1] < -1000.0, "{slope:?}");
    let of = |seed| format!("{:?}", LogisticRegression::drawn(5, &theta, seed).unwrap());
    assert!(of(1) == of(1) && of(1) != of(2));
}

#[test]
fn every_estimator_has_the_gradient_of_the_exact_bound() {
    let (squared, tosses) = (SquaredMean::new(2.0, 0.25).unwrap(), ProbitTosses::new(2, 3).unwrap());
    let models: [&dyn LogJoint; 4] = [&regression(), &logistic(), &squared, &tosses];
    for model in models {
        let q = MeanField::new(&[0.3, -0.2][..model.dim()], &[0.5, 0.8][..model.dim()]);
        let exact: Vec<f64> = (0..q.phi.len())
            .map(|k| {
                let at = |h: f64| {
                    let mut q = q.clone();
                    q.phi[k] += h;
                    exact_elbo(model, &q).unwrap()
                };
                (at(1e-4) - at(-1e-4)) / 2e-4
            })
            .collect();
        let score = |baseline| Form::from(ScoreFunction { baseline });
        let forms =
            [A.into(), B.into(), StickingTheLanding.into(), score(Baseline::None), score(Baseline::OtherSamples)];
        for form in forms {
            let draws = 50_000;
            let spread = gradient_variance(model, &q, Estimator::new(form, 2), draws, 7).unwrap();
            for k in 0..q.phi.len() {
                let error = (spread.variance[k] / draws as f64).sqrt();
                assert!((spread.mean[k] - exact[k]).abs() < 4.5 * error + 1e-6, "{form:?} {k}: {spread:?} {exact:?}");
            }
        }
    }
}

#[test]
fn the_ascent_ends_at_the_best_q() {
    // of a Gaussian posterior the best mean field has its mean, and the variances 1 / A_jj
    let model = regression();
    let start = MeanField::new(&[0.0, 0.0], &[1.0, 1.0]);
    let way = ascend(&model, &start, Estimator::new(B, 10), OptimiserConfig::adagrad(0.1), (20_000, 1000), 3).unwrap();
    assert_eq!(way.path.len(), 21);
    let (q, (mean, covariance)) = (way.path.last().unwrap(), model.posterior());
    let det = covariance[[0, 0]] * covariance[[1, 1]] - covariance[[0, 1]].powi(2);
    let best =
        MeanField::new(&[mean[0], mean[1]], &[(det / covariance[[1, 1]]).sqrt(), (det / covariance[[0, 0]]).sqrt()]);
    for (found, best) in q.phi.iter().zip(&best.phi) {
        assert!((found - best).abs() < 0.03, "{q:?} {best}");
    }
    assert!(exact_elbo(&model, &best).unwrap() >= exact_elbo(&model, q).unwrap());
    assert!(exact_elbo(&model, &best).unwrap() < model.log_evidence());
}

#[test]
fn misuse_is_an_error() {
    assert!(GaussianLinear::new(array![[1.0]], array![1.0, 2.0], 1.0).is_err());
    assert!(GaussianLinear::new(array![[1.0]], array![1.0], 0.0).is_err());
    assert!(LogisticRegression::new(array![[1.0]], array![true, false]).is_err());
    assert!(LogisticRegression::drawn(3, &[], 0).is_err() && GaussianLinear::drawn(3, &[1.0; 3], 1.0, 0).is_err());
    assert!(SquaredMean::new(1.0, 0.0).is_err() && SquaredMean::new(f64::NAN, 1.0).is_err());
    assert!(ProbitTosses::new(2, 1).is_err());
    let q = MeanField::new(&[0.0], &[1.0]);
    assert!(estimate(&quarter(), &q, Estimator::default(), &[0.0, 0.0]).is_err());
    assert!(gradient_variance(&quarter(), &q, Estimator::default(), 1, 0).is_err());
    assert!(ascend(&quarter(), &q, Estimator::default(), OptimiserConfig::adam(0.1), (1, 0), 0).is_err());
}

proptest! {
    /// The gradient at fixed noise is the derivative of the estimate, where the rule is such.
    #[test]
    fn gradients_are_derivatives(m in -1.0..1.0f64, log_var in -2.0..1.0f64, noise in prop::collection::vec(-2.0..2.0f64, 6)) {
        let model = logistic();
        let q = MeanField { phi: vec![m, -0.3, log_var, 0.2] };
        for form in [Form::from(A), B.into(), ImportanceWeighted.into()] {
            let estimator = Estimator::new(form, 3);
            let (_, gradient) = estimate(&model, &q, estimator, &noise).unwrap();
            for (k, analytic) in gradient.into_iter().enumerate() {
                let at = |h: f64| {
                    let mut q = q.clone();
                    q.phi[k] += h;
                    estimate(&model, &q, estimator, &noise).unwrap().0
                };
                let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                prop_assert!((analytic - numeric).abs() < 1e-6 * (1.0 + numeric.abs()), "{form:?} {k}: {} {}", analytic, numeric);
            }
        }
    }
}
