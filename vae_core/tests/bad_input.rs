//! What is wrong is an error before it is a result.
#![allow(clippy::unwrap_used)]

mod common;

use std::ffi::OsStr;
use std::process::Command;

use common::small;
use ndarray::Array2;
use vae_core::Error;
use vae_core::config::{Budget, Profile, RecordAt, RunConfig, param};
use vae_core::data::dataset::DatasetConfig;
use vae_core::estimators::Estimator;
use vae_core::likelihoods::{LikelihoodConfig, PixelMean};
use vae_core::models::{ModelConfig, Vae};
use vae_core::optim::Schedule;
use vae_core::rng::{Stream, rng};
use vae_core::step::Workspace;
use vae_core::threads;
use vae_core::train::Trainer;

/// Says what the environment means; in a test run of its own it says nothing.
#[test]
fn says_what_the_environment_means() {
    if std::env::var_os("SAY").is_none() {
        return;
    }
    println!("data: {:?}", DatasetConfig::digits().map(|c| c.kind));
    println!("profile: {:?}", Profile::from_env());
    println!("threads: {:?}", threads::available().map(|n| n > 0));
    println!("parameter: {:?}", param("A_NUMBER", 1.5));
}

/// The same with a variable.
fn with(name: &str, value: impl AsRef<OsStr>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "says_what_the_environment_means", "--nocapture"]);
    command.env_remove("VAEB_DATA").env("SAY", "1").env(name, value);
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn variables_that_mean_nothing_are_errors() {
    use std::os::unix::ffi::OsStrExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    for value in [OsStr::new("/no/such/folder"), file.path().as_os_str()] {
        let said = with("VAEB_DATA", value);
        assert!(said.contains("data: Err") && said.contains("is no folder here"), "{said}");
    }
    let not_utf8 = OsStr::from_bytes(b"\xff1");
    for (name, what) in [("VAEB_PROFILE", "profile"), ("VAEB_THREADS", "threads"), ("VAEB_A_NUMBER", "parameter")] {
        let said = with(name, not_utf8);
        assert!(said.contains(&format!("{what}: Err")) && said.contains("not UTF-8"), "{said}");
        let said = with(name, " ");
        assert!(said.contains(&format!("{what}: Ok")), "{said}");
    }
    for value in ["NaN", "inf", "1e400", "much"] {
        assert!(with("VAEB_A_NUMBER", value).contains("parameter: Err"), "{value}");
    }
    assert!(with("VAEB_A_NUMBER", "2.5").contains("parameter: Ok(2.5)"));
}

#[test]
fn unknown_fields_of_a_configuration_are_errors() {
    let whole = serde_json::to_value(small()).unwrap();
    assert!(serde_json::from_value::<RunConfig>(whole.clone()).is_ok());
    for place in ["", "/data", "/data/limit", "/preprocess", "/model", "/estimator"] {
        let mut changed = whole.clone();
        changed.pointer_mut(place).unwrap()["colour"] = 1.into();
        let error = serde_json::from_value::<RunConfig>(changed).unwrap_err().to_string();
        assert!(error.contains("colour"), "{place}: {error}");
    }
}

#[test]
fn a_model_that_is_not_finite_has_no_bound() {
    let config = ModelConfig { latent: 2, encoder: vec![4], decoder: vec![4], ..ModelConfig::default() };
    let x = Array2::from_elem((3, 9), 0.5);
    for (name, value) in [("posterior.bias", f32::NAN), ("posterior.bias", 400.0), ("likelihood.bias", f32::NAN)] {
        let mut model = Vae::<f32>::new(&config, 9, 0).unwrap();
        let place = model.layout().get(name).unwrap().range();
        model.params_mut()[place].fill(value);
        let bound = model.elbo(&x, Estimator::default(), 0);
        let log_px = model.log_marginal(&x, 10, 0);
        assert!(matches!(bound, Err(Error::NonFinite { .. })), "{name} {value}: {bound:?}");
        assert!(matches!(log_px, Err(Error::NonFinite { .. })), "{name} {value}: {log_px:?}");
    }
    let model = Vae::<f32>::new(&config, 9, 0).unwrap();
    assert!(matches!(model.kl_per_dimension(&Array2::zeros((0, 9))), Err(Error::Config { .. })));
}

#[test]
fn noise_of_fewer_datapoints_is_not_taken_for_that_of_more() {
    let config = |latent| ModelConfig { latent, encoder: vec![4], decoder: vec![4], ..ModelConfig::default() };
    let [model, wider] = [2, 50].map(|latent| Vae::<f32>::new(&config(latent), 9, 0).unwrap());
    let mut ws = Workspace::new(&model, &Estimator::default(), 4, false).unwrap();
    let (x, mut draws) = (vec![0.5f32; 4 * 9], rng(0, Stream::User, 0));
    let message = ws.value(&model, &x[..]).unwrap_err().to_string();
    assert!(message.contains("draw_noise") && message.contains('8'), "{message}");
    ws.draw_noise(&model, 3, &mut draws).unwrap();
    assert!(matches!(ws.value(&model, &x[..]), Err(Error::Shape { what: "noise", .. })));
    ws.value(&model, &x[..3 * 9]).unwrap();
    assert!(ws.draw_noise(&model, 5, &mut draws).is_err() && ws.draw_noise(&wider, 4, &mut draws).is_err());
    assert!(ws.set_noise(&[0.0; 9]).is_err());
    // what the message advises
    ws.draw_noise(&model, 4, &mut draws).unwrap();
    ws.value(&model, &x[..]).unwrap();
}

#[test]
fn pixels_that_a_likelihood_does_not_know_are_errors() {
    let config = ModelConfig { latent: 2, encoder: vec![4], decoder: vec![4], ..ModelConfig::default() };
    let bernoulli = Vae::<f32>::new(&config, 9, 0).unwrap();
    let gaussian = ModelConfig { likelihood: LikelihoodConfig::gaussian(PixelMean::Linear), ..config };
    let gaussian = Vae::<f32>::new(&gaussian, 9, 0).unwrap();
    for (value, unit) in [(f32::NAN, false), (f32::INFINITY, false), (1.5, true), (-0.1, true), (300.0, true)] {
        let mut x = Array2::from_elem((3, 9), 0.5);
        x[[1, 4]] = value;
        for (model, fails) in [(&bernoulli, true), (&gaussian, !unit)] {
            let l_b = Estimator::default();
            let said = [
                model.elbo(&x, l_b, 0).err(),
                model.log_marginal(&x, 10, 0).err(),
                model.gradient_moments(&x, l_b, 2, 0).err(),
                model.denoising_bound(&x, 1, 0).err(),
                model.posteriors_on_grid(&x, 3.0, 5).err(),
            ];
            for error in said {
                let refused = matches!(error, Some(Error::Data { .. } | Error::NonFinite { .. }));
                assert_eq!(refused, fails, "{value}: {error:?}");
                let text = error.map(|e| e.to_string()).unwrap_or_default();
                assert!(!fails || text.contains("x [M, D]") && text.contains(&value.to_string()), "{text}");
            }
        }
    }
}

#[test]
fn a_budget_without_an_end_is_one_of_its_own() {
    for absurd in [Budget::Epochs(u64::MAX), Budget::Samples(u64::MAX / 2), Budget::Updates(1 << 60)] {
        let text = small().budget(absurd).validate(784).unwrap_err().to_string();
        assert!(text.contains("write Budget::UntilInterrupted"), "{text}");
    }
    let endless = RunConfig { record: RecordAt::LogSpaced, ..small().budget(Budget::UntilInterrupted) };
    assert_eq!(serde_json::to_value(endless.budget).unwrap(), "until_interrupted");
    let data = endless.data.load().unwrap();
    let mut trainer = Trainer::new(&endless, &data).unwrap();
    assert!((100..300).contains(&trainer.records_left()), "{}", trainer.records_left());
    let first = (0..4).map(|_| trainer.step(&data).unwrap().record.is_some()).collect::<Vec<_>>();
    assert_eq!(first, [false, false, false, true], "records from 100 samples on");
    let cosine = RunConfig { schedule: Schedule::Cosine { last: 0.1 }, ..endless };
    let text = cosine.validate(784).unwrap_err().to_string();
    assert!(text.contains("has no end, but the cosine"), "{text}");
}
