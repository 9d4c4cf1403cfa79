//! Training as a whole: it learns, repeats, resumes bit for bit, and fails well.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use vae_core::Error;
use vae_core::config::{Budget, EarlyStop, Objective, RecordAt, RunConfig, WeightPrior};
use vae_core::data::dataset::{Dataset, DatasetConfig, DatasetKind, Limit};
use vae_core::estimators::{Estimator, Form};
use vae_core::nn::{Activation, Init};
use vae_core::optim::{OptimiserConfig, Schedule, Sgd};
use vae_core::runs::RunStore;
use vae_core::train::observer::StopFlag;
use vae_core::train::{Control, Event, Observer, Outcome, Trainer, checkpoint};

fn small() -> RunConfig {
    let data = DatasetConfig {
        limit: Some(Limit { train: 600, eval: 100 }),
        ..DatasetConfig::new(DatasetKind::SyntheticDigits)
    };
    let mut config = RunConfig::report(data).latent(3).budget(Budget::Epochs(4)).seed(7);
    (config.model.encoder, config.model.decoder) = (vec![16], vec![16]);
    (config.batch, config.record) = (50, RecordAt::Epochs(1));
    config
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Stops at an update.
struct StopAt(u64);

impl Observer for StopAt {
    fn observe(&mut self, event: &Event, _: &Trainer) -> vae_core::Result<Control> {
        Ok(if event.updates == self.0 { Control::Stop("test".into()) } else { Control::Continue })
    }
}

fn train(config: &RunConfig, data: &Dataset) -> Trainer {
    let mut trainer = Trainer::new(config, data).unwrap();
    assert_eq!(trainer.fit(data, &mut []).unwrap(), Outcome::Finished);
    trainer
}

#[test]
fn it_learns_and_repeats() {
    let config = small();
    let data = config.data.load().unwrap();
    let (a, b) = (train(&config, &data), train(&config, &data));
    assert_eq!(bits(a.model().params()), bits(b.model().params()));
    assert_eq!(a.history(), b.history());
    let other = train(&config.clone().seed(8), &data);
    assert_ne!(bits(a.model().params()), bits(other.model().params()));
    let records = &a.history().records;
    assert_eq!(records.iter().map(|r| r.samples).collect::<Vec<_>>(), [600, 1200, 1800, 2400]);
    assert!(records[3].valid.bound > records[0].valid.bound && records[3].valid.bound > -300.0, "{records:?}");
    for r in records {
        assert!((r.train.bound - (r.train.reconstruction - r.train.kl)).abs() < 1e-9 && r.valid.kl >= 0.0);
    }
}

/// For every optimiser, and with everything that has state: the checkpoint loses nothing.
#[test]
fn resumed_training_is_bitwise_equal() {
    let folder = tempfile::tempdir().unwrap();
    for (k, optimiser) in OptimiserConfig::all().into_iter().enumerate() {
        let mut config = small().optimiser(optimiser);
        config.schedule = Schedule::Cosine { last: 0.1 };
        config.estimator = Estimator { form: Form::A, samples: 2 };
        config.model.activation = Activation::Gelu;
        config.preprocess.binarise = vae_core::data::preprocess::Binarise::Dynamic { seed: 3 };
        let data = config.data.load().unwrap();
        let whole = train(&config, &data);
        for stop in [1, 17, 36] {
            let path = folder.path().join(format!("{k}-{stop}.safetensors"));
            let mut first = Trainer::new(&config, &data).unwrap();
            assert_eq!(first.fit(&data, &mut [&mut StopAt(stop)]).unwrap(), Outcome::Stopped("test".into()));
            checkpoint::save(&first, &path).unwrap();
            let mut second = checkpoint::load(&config, &data, &path).unwrap();
            assert_eq!(second.updates(), stop);
            second.fit(&data, &mut []).unwrap();
            assert_eq!(bits(second.model().params()), bits(whole.model().params()));
            assert_eq!(second.optimiser(), whole.optimiser());
            assert_eq!(second.history(), whole.history());
        }
    }
}

#[test]
fn damaged_checkpoints_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    let config = small();
    let data = config.data.load().unwrap();
    let mut trainer = Trainer::new(&config, &data).unwrap();
    trainer.fit(&data, &mut [&mut StopAt(5)]).unwrap();
    checkpoint::save(&trainer, &path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8], config: &RunConfig, path: &Path| {
        std::fs::write(path, bytes).unwrap();
        let error = checkpoint::load(config, &data, path).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
    };
    for end in [0, 7, 8, 100, good.len() / 2, good.len() - 1] {
        refused(&good[..end], &config, &path);
    }
    let mut huge = good.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(&huge, &config, &path);
    let mut nan = good.clone();
    let n = nan.len();
    nan[n - 100_000..n - 20_000].fill(0xff);
    refused(&nan, &config, &path);
    refused(&good, &config.clone().seed(1), &path);
}

#[test]
fn divergence_is_an_error_and_keeps_the_last_good_parameters() {
    let config = small().optimiser(Sgd { step: 1e12, momentum: 0.0 });
    let data = config.data.load().unwrap();
    let mut trainer = Trainer::new(&config, &data).unwrap();
    let error = trainer.fit(&data, &mut []).unwrap_err();
    let Error::Diverged { kept: 0, step: 1.., .. } = &error else { panic!("{error}") };
    assert_eq!((trainer.updates(), trainer.optimiser().updates()), (0, 0));
    assert_eq!(bits(trainer.model().params()), bits(Trainer::new(&config, &data).unwrap().model().params()));
    assert!(trainer.evaluate(&data.valid, config.evaluation).unwrap().bound.is_finite());
    // through the store: a typed error, and the last good model on disk
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    assert!(matches!(store.run(&config), Err(Error::Diverged { kept: 0, .. })));
    assert!(store.path(&config).join("last_good.safetensors").exists() && store.read(&config).unwrap().is_none());
}

#[test]
fn objective_and_prior_have_the_scale_that_they_say() {
    // With plain SGD, one step is step · scale · (g − c θ).
    let one = |objective, weight_prior| {
        let mut config = small().optimiser(Sgd { step: 1e-6, momentum: 0.0 }).budget(Budget::Updates(1));
        (config.objective, config.weight_prior) = (objective, weight_prior);
        config.model.init = Init::Xavier;
        let data = config.data.load().unwrap();
        let before = Trainer::new(&config, &data).unwrap().model().params().to_vec();
        let after = train(&config, &data).model().params().to_vec();
        let step: Vec<f64> = after.iter().zip(&before).map(|(a, b)| f64::from(a - b)).collect();
        (step, before)
    };
    let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (plain, _) = one(Objective::PerDatapoint, WeightPrior::None);
    let (batch, theta) = one(Objective::Minibatch, WeightPrior::None);
    let (whole, _) = one(Objective::Dataset, WeightPrior::None);
    assert!((norm(&batch) / norm(&plain) / 50.0 - 1.0).abs() < 0.05, "{}", norm(&batch) / norm(&plain));
    assert!((norm(&whole) / norm(&batch) / 12.0 - 1.0).abs() < 0.05);
    // −½‖θ‖² against the sum over the minibatch: the difference of the two steps is −step · θ
    let (misscaled, _) = one(Objective::Minibatch, WeightPrior::AuthorsMisscaled);
    let difference: Vec<f64> = misscaled.iter().zip(&batch).map(|(a, b)| a - b).collect();
    let theta: Vec<f64> = theta.iter().map(|t| f64::from(*t)).collect();
    let slope = difference.iter().zip(&theta).map(|(d, t)| d * t).sum::<f64>() / norm(&theta).powi(2);
    assert!((slope / -1e-6 - 1.0).abs() < 0.05, "{slope:e}");
    // rightly scaled with λ = 1 it is M/N of that
    let n = 600.0;
    assert_eq!(WeightPrior::Gaussian { precision: 1.0 }.per_datapoint(600, 50), 1.0 / n);
    assert_eq!(WeightPrior::AuthorsMisscaled.per_datapoint(600, 50), 1.0 / 50.0);
}

#[test]
fn the_store_reads_continues_and_trains() {
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    let config = small();
    let mut asked = store.clone();
    asked.stop = StopFlag::default();
    asked.stop.request();
    let cut = asked.run(&config).unwrap();
    assert_eq!(cut.result.stopped.as_deref(), Some(StopFlag::REASON));
    assert!(store.read(&config).unwrap().is_none());
    let whole = store.run(&config).unwrap();
    let data = config.data.load().unwrap();
    assert_eq!(bits(whole.model.params()), bits(train(&config, &data).model().params()));
    assert!(!store.path(&config).join("checkpoint.safetensors").exists());
    let read = store.run(&config).unwrap();
    assert_eq!(bits(read.model.params()), bits(whole.model.params()));
    assert_eq!(read.result.history, whole.result.history);
    let both = store.run_all(&[config.clone().seed(1), config.clone()]).unwrap();
    assert_eq!(bits(both[1].model.params()), bits(whole.model.params()));
    assert_eq!(both[0].result.config.seed, 1);
    std::fs::write(store.path(&config).join("result.json"), "{").unwrap();
    assert!(matches!(store.read(&config), Err(Error::Checkpoint { .. })));
}

#[test]
fn early_stopping_is_part_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    let mut config = small().budget(Budget::Epochs(50));
    config.early_stop = Some(EarlyStop { patience: 2, min_delta: 1e9 });
    let run = store.run(&config).unwrap();
    assert_eq!(run.history().records.len(), 3);
    assert!(run.result.stopped.is_some() && store.read(&config).unwrap().is_some());
    // the trainer alone does the same, and again if it is asked again
    let data = config.data.load().unwrap();
    let mut trainer = Trainer::new(&config, &data).unwrap();
    for _ in 0..2 {
        assert!(matches!(trainer.fit(&data, &mut []).unwrap(), Outcome::EarlyStopped(_)));
        assert_eq!(bits(trainer.model().params()), bits(run.model.params()));
    }
}

#[test]
fn nonsense_configurations_are_refused() {
    let data = small().data.load().unwrap();
    type Change = fn(&mut RunConfig);
    let changes: [Change; 15] = [
        |c| c.model.encoder = vec![1 << 20, 1 << 20],
        |c| c.evaluation.samples = usize::MAX,
        |c| c.budget = Budget::Samples(49),
        |c| c.record = RecordAt::Epochs(0),
        |c| c.early_stop = Some(EarlyStop { patience: 1, min_delta: f64::NAN }),
        |c| c.early_stop = Some(EarlyStop { patience: 0, min_delta: 0.0 }),
        |c| c.batch = 0,
        |c| c.batch = 601,
        |c| c.batch = usize::MAX,
        |c| c.estimator.samples = 0,
        |c| c.model.latent = 0,
        |c| c.model.encoder = vec![usize::MAX],
        |c| c.model.init = Init::Normal { std: f64::NAN },
        |c| c.weight_prior = WeightPrior::Gaussian { precision: -1.0 },
        |c| c.data.kind = DatasetKind::SyntheticFaces,
    ];
    for change in changes {
        let mut config = small();
        change(&mut config);
        let error = Trainer::new(&config, &data).unwrap_err();
        assert!(matches!(error, Error::Config { .. } | Error::Shape { .. }), "{error}");
    }
}

#[test]
fn hashes_tell_configurations_apart() {
    assert_eq!(small().hash(), small().hash());
    assert_ne!(small().hash(), small().seed(8).hash());
    assert_ne!(small().hash(), small().latent(4).hash());
    assert_eq!(
        RunConfig::report(DatasetConfig::new(DatasetKind::Mnist)).hash(),
        "7de0677ff6f04926",
        "stored runs are lost"
    );
    assert_eq!(RunConfig::report(DatasetConfig::new(DatasetKind::FreyFace)).hash(), "f8d7a626154e70bd");
    let text = serde_json::to_string(&small()).unwrap();
    assert_eq!(serde_json::from_str::<RunConfig>(&text).unwrap(), small());
}

/// A run that is killed (SIGKILL) and asked for again ends in the same bits as one that was not. The child is this test,
/// called again with `VAEB_TEST_CHILD`.
#[test]
fn a_killed_run_ends_in_the_same_bits() {
    let config = small().budget(Budget::Epochs(400));
    let train_in = |folder: &Path| {
        let mut store = RunStore::at(folder);
        store.checkpoint_every = std::time::Duration::from_millis(20);
        store.run(&config).unwrap()
    };
    if let Some(folder) = std::env::var_os("VAEB_TEST_CHILD") {
        train_in(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let whole = train_in(&whole);
    let checkpoint = RunStore::at(&cut).path(&config).join("checkpoint.safetensors");
    let mut kills = 0;
    for _ in 0..3 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_run_ends_in_the_same_bits"])
            .env("VAEB_TEST_CHILD", &cut)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let modified = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        let before = modified(&checkpoint);
        while child.try_wait().unwrap().is_none() {
            if modified(&checkpoint).is_some_and(|now| Some(now) != before) {
                child.kill().unwrap();
                kills += 1;
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        child.wait().unwrap();
    }
    assert!(kills > 0 && RunStore::at(&cut).read(&config).unwrap().is_none(), "the child was never caught in the act");
    let resumed = train_in(&cut);
    assert_eq!(bits(resumed.model.params()), bits(whole.model.params()));
    assert_eq!(resumed.result.history, whole.result.history);
}

/// The bound of constant pixel means, and of p = ½ everywhere, by the code that evaluates models.
#[test]
fn constant_decoders_give_the_known_bounds() {
    let mut config = RunConfig::report(DatasetConfig::new(DatasetKind::Mnist));
    config.model.init = Init::Normal { std: 0.0 };
    let data = match config.data.load() {
        Err(Error::NotFound { .. }) => return println!("skipped: MNIST is not here"),
        other => other.unwrap(),
    };
    let pre = config.preprocess.prepare();
    let bound = |model: &vae_core::models::Vae<f32>, images| {
        vae_core::train::evaluate(model, images, &pre, (config.evaluation, config.model.corruption), (0, 2))
            .unwrap()
            .bound
    };
    let mut model = vae_core::models::Vae::<f32>::new(&config.model, data.dim(), 0).unwrap();
    assert!((bound(&model, &data.valid) + 543.43).abs() < 0.01, "{}", bound(&model, &data.valid));
    // logits of the training means; a pixel that is always 0 gets a logit of −16
    let n = data.train.len() as f64;
    let bias = model.layout().get("likelihood.bias").unwrap().range();
    for (column, b) in data.train.pixels.bytes().unwrap().columns().into_iter().zip(model.params_mut()[bias].iter_mut())
    {
        let mean = column.iter().map(|&k| f64::from(k) / 256.0).sum::<f64>() / n;
        *b = (mean / (1.0 - mean)).ln().max(-16.0) as f32;
    }
    let (train, valid, test) = (bound(&model, &data.train), bound(&model, &data.valid), bound(&model, &data.test));
    println!("constant pixel means: train {train:.2}, validation {valid:.2}, test {test:.2}; k/256");
    for (found, reference) in [(train, -205.98), (valid, -204.44), (test, -205.51)] {
        assert!((found - reference).abs() < 0.02, "{found} is not {reference}");
    }
}

/// Names, shapes and orientation of the exported parameters, by computing the encoder's first layer from the file alone.
#[test]
fn exported_parameters_are_what_the_documentation_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    let mut config = small().budget(Budget::Epochs(1));
    config.model.encoder = vec![]; // the head is then the first layer
    let run = store.run(&config).unwrap();
    let path = folder.path().join("export.safetensors");
    run.export_parameters(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<&str> = file.names();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "decoder.0.bias",
            "decoder.0.weight",
            "likelihood.bias",
            "likelihood.weight",
            "posterior.bias",
            "posterior.weight"
        ]
    );
    let tensor = |name: &str| -> (Vec<usize>, Vec<f32>) {
        let t = file.tensor(name).unwrap();
        (t.shape().to_vec(), t.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    };
    let ((shape, w), (_, b)) = (tensor("posterior.weight"), tensor("posterior.bias"));
    assert_eq!(shape, [784, 6]);
    let x = config.data.load().unwrap().valid.prepared(&config.preprocess, 1).unwrap();
    let (mu, log_var) = run.model.encode(&x).unwrap();
    for j in 0..6 {
        let h: f32 = b[j] + (0..784).map(|i| x[[0, i]] * w[i * 6 + j]).sum::<f32>();
        let model = if j < 3 { mu[[0, j]] } else { log_var[[0, j - 3]] };
        assert!((h - model).abs() < 1e-4, "{h} {model}");
    }
}

/// The authors' protocol V0 on MNIST, against their trace: `cargo test --release -- --ignored authors` (a minute or two).
#[test]
#[ignore = "needs MNIST and minutes"]
fn the_authors_protocol_follows_their_trace() {
    let folder = tempfile::tempdir().unwrap();
    let config = RunConfig::report(DatasetConfig::new(DatasetKind::Mnist)).budget(Budget::Samples(1_000_000));
    let run = RunStore::at(folder.path()).run(&config).unwrap();
    for (samples, train, valid, within) in [(50_000, -190.5, -169.2, 4.0), (1_000_000, -132.7, -132.3, 1.5)] {
        let r = run.history().at(samples).unwrap();
        println!("{samples}: train {:.2} ({train}), validation {:.2} ({valid})", r.train.bound, r.valid.bound);
        assert!((r.train.bound - train).abs() < within && (r.valid.bound - valid).abs() < within);
    }
}
