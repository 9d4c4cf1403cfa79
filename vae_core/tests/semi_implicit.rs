//! Section 7: the semi-implicit posterior. Its mixture against an independent library, and the bound between its two ends.
#![allow(clippy::unwrap_used)]

use rand::Rng as _;
use statrs::distribution::{Continuous, Normal};
use vae_core::estimators::{Estimator, Form};
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::Init;
use vae_core::posteriors::{Drawn, PosteriorConfig, SemiImplicit, Shape};
use vae_core::rng::{Stream, rng};
use vae_core::step::Workspace;

const D: usize = 8;

fn model(posterior: impl Into<PosteriorConfig>) -> Vae<f64> {
    let init = Init::Normal { std: 0.8 };
    let config = ModelConfig {
        latent: 2,
        encoder: vec![6],
        decoder: vec![5],
        init,
        posterior: posterior.into(),
        ..ModelConfig::default()
    };
    Vae::new(&config, D, 3).unwrap()
}

fn images(m: usize) -> Vec<f64> {
    let mut draws = rng(5, Stream::User, 0);
    (0..m * D).map(|_| draws.random_range(0.05..0.95)).collect()
}

#[test]
fn the_mixture_is_that_of_statrs() {
    let (m, l, k, n_z) = (2, 3, 4, 2);
    let mut draws = rng(1, Stream::User, 0);
    let head: Vec<f64> = (0..m * (l + k) * 2 * n_z).map(|_| draws.random_range(-1.0..1.0)).collect();
    let z: Vec<f64> = (0..m * l * n_z).map(|_| draws.random_range(-2.0..2.0)).collect();
    let mut log_q = vec![0.0; m * l];
    let q = PosteriorConfig::from(SemiImplicit { noise: 1, inner: k });
    q.get::<f64>().log_prob(&head, Shape { m, l, n_z }, Drawn { noise: &[], z: &z }, &mut log_q);
    for i in 0..m {
        for s in 0..l {
            let z = &z[(i * l + s) * n_z..][..n_z];
            let density = |row: usize| {
                let head = &head[(i * (l + k) + row) * 2 * n_z..][..2 * n_z];
                (0..n_z).map(|j| Normal::new(head[j], (0.5 * head[n_z + j]).exp()).unwrap().pdf(z[j])).product::<f64>()
            };
            let mean = (density(s) + (l..l + k).map(density).sum::<f64>()) / (k + 1) as f64;
            assert!((log_q[i * l + s] - mean.ln()).abs() < 1e-12);
        }
    }
}

/// The bound over many draws of ε and ψ.
fn bound(model: &Vae<f64>, x: &[f64], draws: u64) -> f64 {
    let m = x.len() / D;
    let mut ws = Workspace::new(model, &Estimator::new(Form::A, 1), m, false).unwrap();
    let of = |draw| {
        ws.draw_noise(model, m, &mut rng(2, Stream::User, draw)).unwrap();
        ws.value(model, x).unwrap().bound
    };
    (0..draws).map(of).sum::<f64>() / draws as f64
}

#[test]
fn the_bound_rises_with_the_inner_samples() {
    let x = images(40);
    let bounds: Vec<f64> =
        [0, 1, 5, 30].iter().map(|&inner| bound(&model(SemiImplicit { noise: 3, inner }), &x, 400)).collect();
    assert!(bounds.windows(2).all(|w| w[0] < w[1]), "{bounds:?}");
}

/// Without a way for ψ into the encoder it is the Gaussian, whatever K.
#[test]
fn without_noise_it_is_the_gaussian() {
    let x = images(10);
    let gaussian = model(PosteriorConfig::DiagonalGaussian);
    for inner in [0, 4] {
        let mut silent = model(SemiImplicit { noise: 3, inner });
        let noise = silent.encoder().injection().unwrap().weight();
        silent.params_mut().fill(0.0);
        let places: Vec<_> =
            silent.layout().tensors().iter().filter(|t| t.name != "encoder.noise.weight").cloned().collect();
        for place in places {
            let from = gaussian.layout().get(&place.name).unwrap().range();
            silent.params_mut()[place.range()].copy_from_slice(&gaussian.params()[from]);
        }
        assert!(silent.params()[noise].iter().all(|v| *v == 0.0));
        let of = |model: &Vae<f64>| {
            let mut ws = Workspace::new(model, &Estimator::new(Form::A, 2), 10, false).unwrap();
            let noise: Vec<f64> = (0..10 * 2 * 2).map(|k| (f64::from(k) * 0.7).sin()).collect();
            ws.set_noise(&noise).unwrap();
            ws.value(model, &x).unwrap().bound
        };
        assert!((of(&silent) - of(&gaussian)).abs() < 1e-12);
    }
}
