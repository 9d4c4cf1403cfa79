//! Choices through a configuration: each trains, is written down and read again, and what does not fit is refused by name.
#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use vae_core::Error;
use vae_core::config::{Budget, RecordAt, RunConfig};
use vae_core::corruption::{CorruptionConfig, Masking, NoiseSchedule};
use vae_core::data::dataset::{Dataset, DatasetConfig, DatasetKind, Limit};
use vae_core::estimators::{A, Baseline, Estimator, Form, KlWeight, ScoreFunction};
use vae_core::likelihoods::{Gaussian, LikelihoodConfig, PixelMean, Variance};
use vae_core::models::ModelConfig;
use vae_core::optim::{OptimiserConfig, Sgd};
use vae_core::posteriors::{Code, Point, PosteriorConfig};
use vae_core::priors::{Beta, GaussianPair, Laplace, PriorConfig};
use vae_core::train::Trainer;
use vae_core::weights::hyperpriors::HyperpriorConfig;
use vae_core::weights::{self, Sampling, WeightsConfig};

fn small() -> RunConfig {
    let limit = Some(Limit { train: 300, eval: 50 });
    let data = DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) };
    let mut config = RunConfig::report(data).latent(3).budget(Budget::Epochs(6)).optimiser(OptimiserConfig::adam(3e-3));
    (config.model.encoder, config.model.decoder) = (vec![16], vec![16]);
    (config.batch, config.record) = (20, RecordAt::Epochs(1));
    config
}

fn data() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| small().data.load().unwrap())
}

fn train(config: &RunConfig) -> Trainer {
    let data = data();
    let mut trainer = Trainer::new(config, data).unwrap();
    trainer.fit(data, &mut []).unwrap();
    trainer
}

/// Every choice of every list, with a configuration that it fits.
fn each() -> Vec<RunConfig> {
    let mut all = Vec::new();
    all.extend(PriorConfig::all().into_iter().map(|prior| {
        let mut config = small().prior(prior).estimator(A, 1);
        config.evaluation = Estimator::new(A, 1);
        config
    }));
    all.extend(PosteriorConfig::all().into_iter().map(|posterior| {
        let mut config = small().posterior(posterior);
        if !posterior.get::<f64>().lives_on(config.model.prior.get::<f64>().support()) {
            config = config.prior(Beta::default());
        }
        if config.estimator.fits(&posterior, &config.model.prior).is_err() {
            config = config.estimator(A, 1).evaluation(A, 1);
        }
        config
    }));
    let annealed = GaussianPair { start: Some(1.0), over: 900, ..GaussianPair::default() };
    all.push(small().prior(annealed).estimator(A, 1).evaluation(A, 1));
    all.push(
        small().prior(Beta { start: Some(1.0), over: 900, ..Beta::symmetric(0.3) }).estimator(A, 1).evaluation(A, 1),
    );
    all.extend([Code::Tanh, Code::Bits].map(|code| small().posterior(Point { code })));
    all.extend(LikelihoodConfig::all().into_iter().map(|likelihood| small().likelihood(likelihood)));
    for variance in [Variance::Shared, Variance::Fixed { sd: 0.3 }] {
        all.push(small().likelihood(Gaussian { mean: PixelMean::Sigmoid, variance }));
    }
    all.extend(Form::all().into_iter().map(|form| small().estimator(form, 3)));
    all.extend(CorruptionConfig::all().into_iter().map(|corruption| small().corruption(corruption)));
    for noise_schedule in [NoiseSchedule::Falling, NoiseSchedule::Steps { count: 3, last: 0.2 }] {
        all.push(RunConfig { noise_schedule, ..small().corruption(Masking { level: 0.3 }) });
    }
    all.extend(OptimiserConfig::all().into_iter().map(|optimiser| small().optimiser(optimiser)));
    all.extend(WeightsConfig::all().into_iter().map(|weights| small().weights(weights)));
    for prior in HyperpriorConfig::all() {
        all.push(small().weights(weights::Gaussian { prior, sampling: Sampling::Minibatch, ..Default::default() }));
    }
    all.push(RunConfig { kl_weight: KlWeight { beta: 0.5, warm_up: 400 }, ..small() });
    all
}

#[test]
fn every_choice_trains_and_is_read_as_it_was_written() {
    let mut hashes = std::collections::HashSet::new();
    for config in each() {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<RunConfig>(&text).unwrap(), config, "{text}");
        hashes.insert(config.hash());
        let trainer = train(&config);
        let records = &trainer.history().records;
        let (first, last) = (records[0].valid, records.last().unwrap().valid);
        assert!(last.bound.is_finite() && last.bound > first.bound, "{text}: {first:?} {last:?}");
        assert!((last.bound - (last.reconstruction - last.kl - last.weights)).abs() < 1e-9);
        // all that a notebook does with a model
        let model = trainer.model();
        let x = data().valid.prepared(&config.preprocess, 7).unwrap();
        let (codes, spread) = model.encode(&x).unwrap();
        assert_eq!((codes.dim(), spread.dim()), ((7, 3), (7, 3)));
        let rebuilt = model.reconstruct(&x, vae_core::inference::Decode::Samples { samples: 2, seed: 1 }).unwrap();
        assert_eq!(rebuilt.dim(), x.dim());
        assert!(model.sample(4, 1).unwrap().iter().chain(&model.sample_pixels(4, 1).unwrap()).all(|v| v.is_finite()));
        assert!(model.elbo(&x, config.evaluation, 1).unwrap().bound.is_finite());
        let marginal = model.log_marginal(&x, 50, 1);
        assert_eq!(marginal.is_ok(), config.model.posterior.get::<f32>().has_density());
    }
    assert_eq!(
        hashes.len(),
        each().len() - 3,
        "only the defaults of posterior, likelihood, corruption and weights are one run"
    );
}

/// The JSON of configurations from before there were such choices.
#[test]
fn old_configurations_are_read_and_keep_their_text() {
    let old = r#"{"latent":10,"encoder":[200],"decoder":[200],"activation":"tanh","likelihood":{"gaussian":{"mean":"sigmoid"}},"init":{"normal":{"std":0.01}}}"#;
    let model: ModelConfig = serde_json::from_str(old).unwrap();
    assert_eq!(model.likelihood, LikelihoodConfig::gaussian(PixelMean::Sigmoid));
    assert_eq!(serde_json::to_string(&model).unwrap(), old);
    let optimiser = r#"{"adagrad":{"step":0.01,"epsilon":1e-6,"place":"outside_root"}}"#;
    assert_eq!(serde_json::from_str::<OptimiserConfig>(optimiser).unwrap(), OptimiserConfig::default());
    assert_eq!(serde_json::to_string(&Estimator::default()).unwrap(), r#"{"form":"B","samples":1}"#);
    // an option that a choice does not have is not ignored
    assert!(serde_json::from_str::<OptimiserConfig>(&optimiser.replace("place", "plaice")).is_err());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    type Change = fn(&mut RunConfig);
    let changes: [(Change, &str); 9] = [
        (
            |c| *c = c.clone().posterior(Point::default()).estimator(A, 1),
            "`estimator.form` is A, which needs log q(z | x), but Point has no density: use B",
        ),
        (
            |c| c.evaluation = Estimator::new(ScoreFunction { baseline: Baseline::OtherSamples }, 1),
            "`evaluation.samples` is 1",
        ),
        (|c| *c = c.clone().prior(Laplace { scale: 0.0 }), "model.prior.scale"),
        (|c| *c = c.clone().corruption(Masking { level: 1.5 }), "model.corruption.level"),
        (|c| c.kl_weight.beta = f64::NAN, "kl_weight.beta"),
        (
            |c| {
                let variance = Variance::Fixed { sd: 0.0 };
                *c = c.clone().likelihood(Gaussian { mean: PixelMean::Linear, variance });
            },
            "model.likelihood.variance.sd",
        ),
        (|c| *c = c.clone().optimiser(Sgd { step: 0.1, momentum: 2.0 }), "optimiser.momentum"),
        (|c| *c = c.clone().estimator(A, 0), "estimator.samples"),
        (|c| c.model.latent = 0, "model.latent"),
    ];
    for (change, part) in changes {
        let mut config = small();
        change(&mut config);
        let error = config.validate(784).unwrap_err();
        assert!(matches!(error, Error::Config { .. }) && error.to_string().contains(part), "{error}");
    }
}

/// β changes what is learned, not what is reported; with β = 0 nothing holds the codes together.
#[test]
fn the_weight_of_the_kl_term_is_in_the_gradient_only() {
    let with = |beta, warm_up| {
        let kl_weight = KlWeight { beta, warm_up };
        let trainer = train(&RunConfig { kl_weight, budget: Budget::Epochs(60), ..small() });
        trainer.history().last().unwrap().valid
    };
    let (none, one, strong) = (with(0.0, 0), with(1.0, 0), with(4.0, 0));
    assert!(none.kl > one.kl && one.kl > strong.kl, "{none:?} {one:?} {strong:?}");
    for bound in [none, one, strong] {
        assert!((bound.bound - (bound.reconstruction - bound.kl)).abs() < 1e-9);
    }
    let warmed = with(1.0, 18_000);
    assert!(warmed.kl > one.kl, "{warmed:?} {one:?}");
}

/// With all pixels lost the encoder says the same of every image, in training and in evaluation; the target stays whole.
#[test]
fn the_encoder_sees_the_corrupted_input_and_the_target_stays() {
    let masked = train(&small().corruption(Masking { level: 1.0 }));
    let x = data().valid.prepared(&small().preprocess, 50).unwrap();
    let nothing = ndarray::Array2::zeros(x.dim());
    let (lost, blank) = (masked.model().elbo(&x, Estimator::default(), 1).unwrap(), &nothing);
    assert!((lost.kl - masked.model().kl_per_dimension(blank).unwrap().sum()).abs() < 1e-5, "{lost:?}");
    let of_nothing = masked.model().elbo(blank, Estimator::default(), 1).unwrap();
    assert!((lost.kl - of_nothing.kl).abs() < 1e-5 && lost.reconstruction != of_nothing.reconstruction);
    let (none, clean) = (train(&small().corruption(Masking { level: 0.0 })), train(&small()));
    assert_eq!(none.model().params(), clean.model().params(), "nothing lost is no corruption");
    assert_ne!(masked.model().params(), clean.model().params());
}
