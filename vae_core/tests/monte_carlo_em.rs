//! Monte Carlo EM: the M step's gradient against differences, chains that find the posterior, and a run that learns, goes on and is bitwise what it was.
#![allow(clippy::unwrap_used)]

mod common;

use common::{bits, small, train_on_threads};
use ndarray::Array2;
use vae_core::config::{Algorithm, Budget, MonteCarloEm, RunConfig};
use vae_core::corruption::Masking;
use vae_core::estimators::{A, B, Estimator};
use vae_core::likelihoods::{Gaussian, LikelihoodConfig, Variance};
use vae_core::mcmc::Density as _;
use vae_core::models::{ModelConfig, Vae};
use vae_core::nn::Init;
use vae_core::numeric::Real;
use vae_core::optim::{Optimiser, OptimiserConfig, Sgd};
use vae_core::priors::{Beta, Laplace};
use vae_core::rng::{Stream, rng};
use vae_core::runs::RunStore;
use vae_core::step::{Ascent, Joint, JointRoom, LatentChains, StepSettings, Workspace};
use vae_core::train::{Trainer, checkpoint};
use vae_core::weights;

const D: usize = 6;
const M: usize = 3;
const STEP: f64 = 1e-3;

fn model<F: Real>(likelihood: LikelihoodConfig) -> Vae<F> {
    let (encoder, decoder, init) = (vec![5], vec![4], Init::Normal { std: 0.6 });
    Vae::new(&ModelConfig { latent: 2, encoder, decoder, init, likelihood, ..ModelConfig::default() }, D, 4).unwrap()
}

/// The mean of log p(x, z), by the density that the chains move in.
fn log_joint(model: &Vae<f64>, x: &[f64], z: &[f64]) -> f64 {
    let mut room = JointRoom::new(model, M);
    let (mut log_p, mut gradient) = ([0.0; M], [0.0; 2 * M]);
    Joint::new(model, x, &mut room).unwrap().log_density(z, &mut log_p, &mut gradient).unwrap();
    log_p.iter().sum::<f64>() / M as f64
}

#[test]
fn the_decoder_climbs_log_p_of_x_and_z() {
    let shared = Gaussian { variance: Variance::Shared, ..Gaussian::default() };
    for likelihood in [LikelihoodConfig::Bernoulli, LikelihoodConfig::from(shared)] {
        let before = model::<f64>(likelihood);
        let x: Vec<f64> = (0..M * D).map(|k| 0.1 + 0.04 * k as f64).collect();
        let z = [0.3, -0.2, 0.7, 0.1, 1.1, -0.8];
        let mut after = before.clone();
        let mut ws = Workspace::new(&after, &Estimator::default(), M, true).unwrap();
        let (ascent, sgd) = (Ascent::new(&after, &ws, 1), Sgd { step: STEP, momentum: 0.0 });
        let mut optimiser = Optimiser::init(OptimiserConfig::from(sgd), after.params().len()).unwrap();
        let settings = StepSettings::plain(1);
        let joint = ascent.maximise(&mut after, (&x, &z), &mut ws, &mut optimiser, settings).unwrap();
        assert!((joint.bound - log_joint(&before, &x, &z)).abs() < 1e-12);
        let decoder = before.layout().get("decoder.0.weight").unwrap().offset;
        for k in 0..before.params().len() {
            let found = (after.params()[k] - before.params()[k]) / STEP;
            let at = |h: f64| {
                let mut moved = before.clone();
                moved.params_mut()[k] += h;
                log_joint(&moved, &x, &z)
            };
            let expected = if k < decoder { 0.0 } else { (at(1e-5) - at(-1e-5)) / 2e-5 };
            assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{k}: {found} {expected}");
        }
    }
}

/// Of a fixed decoder, the moments of the chains are those of a fine grid.
#[test]
fn chains_find_the_posterior() {
    let model = model::<f32>(LikelihoodConfig::Bernoulli);
    let one: Vec<f32> = (0..D).map(|k| (k % 2) as f32).collect();
    let grid = model.posteriors_on_grid(&Array2::from_shape_vec((1, D), one.clone()).unwrap(), 5.0, 121).unwrap();
    let density = grid.log_posterior.row(0).mapv(f64::exp);
    let exact = [0, 1].map(|j| grid.codes.column(j).mapv(f64::from).dot(&density) / density.sum());
    let (n, x) = (200, one.repeat(200));
    let rows: Vec<usize> = (0..n).collect();
    let mut chains = LatentChains::new(&model, (n, n), 10, &mut rng(0, Stream::Chains, 0));
    let mut mean = [0.0f64; 2];
    for index in 0..150 {
        chains.advance(&model, &x, &rows, &mut rng(0, Stream::User, index)).unwrap();
        if index >= 50 {
            for z in chains.samples().chunks_exact(2) {
                (0..2).for_each(|j| mean[j] += f64::from(z[j]) / (100 * n) as f64);
            }
        }
    }
    assert!((0..2).all(|j| (exact[j] - mean[j]).abs() < 0.05), "{mean:?} {exact:?}");
}

fn config() -> RunConfig {
    small().algorithm(Algorithm::MonteCarloEm(MonteCarloEm::default())).optimiser(OptimiserConfig::adam(3e-3))
}

#[test]
fn a_run_learns_whatever_the_threads_and_goes_on_where_it_was() {
    let config = config();
    let data = config.data.load().unwrap();
    let after = |epochs, threads| train_on_threads(&config.clone().budget(Budget::Epochs(epochs)), &data, threads);
    let long = after(10, 1);
    let log_px: Vec<f64> = long.history().records.iter().map(|r| r.valid.bound).collect();
    assert!(log_px[log_px.len() - 1] > log_px[0] + 20.0, "{log_px:?}");
    let encoder = long.model().layout().get("decoder.0.weight").unwrap().offset;
    let start = Trainer::new(&config, &data).unwrap();
    assert_eq!(bits(&long.model().params()[..encoder]), bits(&start.model().params()[..encoder]));
    if vae_core::threads::cores() > 1 {
        assert_eq!(bits(after(2, 2).model().params()), bits(after(2, 1).model().params()));
    }

    // from a checkpoint between two records, and in a store with a larger budget
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let whole = config.clone().budget(Budget::Epochs(3));
    let mut first = Trainer::new(&whole, &data).unwrap();
    for _ in 0..17 {
        first.step(&data).unwrap();
    }
    checkpoint::save(&first, &path).unwrap();
    let mut second = checkpoint::load(&whole, &data, &path).unwrap();
    second.fit(&data, &mut []).unwrap();
    let unbroken = after(3, 1);
    assert_eq!(bits(second.model().params()), bits(unbroken.model().params()));
    assert_eq!(second.optimiser(), unbroken.optimiser());
    let store = RunStore::at(folder.path());
    store.run(&config).unwrap();
    let on = store.run(&whole).unwrap();
    assert_eq!(bits(on.model.params()), bits(unbroken.model().params()));
}

#[test]
fn what_it_does_not_know_is_refused() {
    for config in [
        config().weights(weights::Gaussian::default()),
        config().corruption(Masking { level: 0.1 }),
        config().estimator(B, 5),
        config().prior(Beta::symmetric(0.5)).estimator(A, 1).evaluation(A, 1),
    ] {
        let error = config.validate(784).unwrap_err().to_string();
        assert!(error.contains("Monte Carlo EM does not know"), "{error}");
    }
    let laplace = config().prior(Laplace { scale: 1.0 }).estimator(A, 1).evaluation(A, 1);
    assert!(laplace.validate(784).is_ok());
    let nothing = Algorithm::MonteCarloEm(MonteCarloEm { updates: 0, ..MonteCarloEm::default() });
    assert!(config().algorithm(nothing).validate(784).is_err());
}
