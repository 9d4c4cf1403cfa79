//! Wake-sleep: each phase moves its own network, the sleep phase's gradient against differences, and a run that learns.
#![allow(clippy::unwrap_used)]

mod common;

use common::{bits, small, train_on_threads};
use statrs::distribution::{Continuous, Normal};
use vae_core::config::{Algorithm, Budget};
use vae_core::corruption::Masking;
use vae_core::estimators::{A, Estimator, ImportanceWeighted};
use vae_core::models::{Learned, ModelConfig, Vae};
use vae_core::nn::Init;
use vae_core::nn::dense::Input;
use vae_core::optim::{Optimiser, OptimiserConfig, Sgd};
use vae_core::posteriors::SemiImplicit;
use vae_core::rng::{Stream, rng};
use vae_core::runs::RunStore;
use vae_core::step::{Ascent, StepSettings, Workspace};
use vae_core::weights;

const D: usize = 6;
const M: usize = 3;
const STEP: f64 = 1e-3;

fn model() -> Vae<f64> {
    let (encoder, decoder, init) = (vec![5], vec![4], Init::Normal { std: 0.6 });
    Vae::new(&ModelConfig { latent: 2, encoder, decoder, init, ..ModelConfig::default() }, D, 4).unwrap()
}

/// The model after one dream with gradient ascent, and the dreams.
fn dreamt() -> (Vae<f64>, Vec<f64>) {
    let (mut model, mut dreams) = (model(), vec![0.0; M * D]);
    let mut ws = Workspace::new(&model, &Estimator::default(), M, true).unwrap();
    let ascent = Ascent::new(&model, &ws, 1);
    let mut optimiser =
        Optimiser::init(OptimiserConfig::from(Sgd { step: STEP, momentum: 0.0 }), model.params().len()).unwrap();
    let mut rng = rng(1, Stream::Dream, 0);
    ascent.dream(&mut model, &mut dreams, &mut ws, &mut optimiser, StepSettings::plain(1), &mut rng).unwrap();
    (model, dreams)
}

#[test]
fn the_encoder_climbs_log_q_of_dreams() {
    let (before, (after, dreams)) = (model(), dreamt());
    assert!(dreams.iter().all(|x| *x == 0.0 || *x == 1.0));
    let mut z = vec![0.0; M * 2];
    before.prior().get().draw(2, &mut rng(1, Stream::Dream, 0), &mut z);
    let log_q = |params: &[f64]| {
        let mut trace = before.encoder().trace(M, false);
        before.encoder().forward(params, Input::dense(&dreams), &mut trace, M).unwrap();
        let of = |(head, z): (&[f64], &[f64])| {
            (0..2).map(|j| Normal::new(head[j], (0.5 * head[2 + j]).exp()).unwrap().ln_pdf(z[j])).sum::<f64>()
        };
        trace.head().chunks_exact(4).zip(z.chunks_exact(2)).map(of).sum::<f64>() / M as f64
    };
    let decoder = before.layout().get("decoder.0.weight").unwrap().offset;
    for k in 0..before.params().len() {
        let found = (after.params()[k] - before.params()[k]) / STEP;
        let at = |h: f64| {
            let mut params = before.params().to_vec();
            params[k] += h;
            log_q(&params)
        };
        let expected = if k < decoder { (at(1e-5) - at(-1e-5)) / 2e-5 } else { 0.0 };
        assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{k}: {found} {expected}");
    }
}

#[test]
fn a_run_learns_whatever_the_threads_and_goes_on_where_it_was() {
    let config = small().algorithm(Algorithm::WakeSleep).optimiser(OptimiserConfig::adam(3e-3));
    assert_ne!(config.hash(), config.clone().algorithm(Algorithm::Aevb).hash());
    let data = config.data.load().unwrap();
    let after = |epochs, threads| train_on_threads(&config.clone().budget(Budget::Epochs(epochs)), &data, threads);
    let long = after(30, 1);
    let bounds: Vec<f64> = long.history().records.iter().map(|r| r.valid.bound).collect();
    assert!(bounds[bounds.len() - 1] > bounds[0] + 20.0, "{bounds:?}");
    if vae_core::threads::cores() > 1 {
        assert_eq!(bits(after(3, 2).model().params()), bits(after(3, 1).model().params()));
    }
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    store.run(&config.clone().budget(Budget::Epochs(2))).unwrap();
    let on = store.run(&config.clone().budget(Budget::Epochs(5))).unwrap();
    assert_eq!(bits(on.model.params()), bits(after(5, 1).model().params()));
}

#[test]
fn what_a_dream_is_not_made_of_is_refused() {
    let base = || small().algorithm(Algorithm::WakeSleep);
    for config in [
        base().posterior(SemiImplicit::default()).estimator(A, 1).evaluation(A, 1),
        base().weights(weights::Gaussian::default()),
        base().corruption(Masking { level: 0.1 }),
        base().estimator(ImportanceWeighted, 5),
        base().learned(Learned::Encoder),
    ] {
        let error = config.validate(784).unwrap_err().to_string();
        assert!(error.contains("wake-sleep does not know"), "{error}");
    }
}
