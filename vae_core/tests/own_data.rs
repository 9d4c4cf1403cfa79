//! A user's own images through configuration, trainer and store.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;
use std::time::SystemTime;

use ndarray::Array2;
use vae_core::prelude::*;

/// Runs the test of this name again, in a process whose folder of runs is a new one; true in that process.
fn with_a_folder(test: &str) -> bool {
    if std::env::var_os("VAEB_TEST_CHILD").is_some() {
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test]).env("VAEB_TEST_CHILD", "1").env("VAEB_RUNS", folder.path());
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

const SPLIT: Split = Split::Shares { valid: 0.2, test: 0.2, seed: 3 };

/// `[40, 16]`: bars whose place depends on the row and the seed.
fn bytes(seed: usize) -> Array2<u8> {
    Array2::from_shape_fn((40, 16), |(i, j)| if (i * (seed + 3) + j) % 5 < 2 { 220 } else { (7 * i % 50) as u8 })
}

fn small(data: &Dataset) -> RunConfig {
    let mut config = RunConfig::report(data.config).latent(2).budget(Budget::Epochs(3));
    (config.model.encoder, config.model.decoder) = (vec![8], vec![8]);
    config
}

#[test]
fn two_sets_of_one_shape_have_their_own_results() {
    if !with_a_folder("two_sets_of_one_shape_have_their_own_results") {
        return;
    }
    let labels = Some((0..40).collect());
    let real = bytes(1).mapv(|k| f32::from(k) / 100.0 - 1.0);
    let sets = [
        Dataset::own("one", bytes(1), None, (4, 4), SPLIT).unwrap(),
        Dataset::own("two", bytes(2), None, (4, 4), SPLIT).unwrap(),
        Dataset::own("one, labelled", bytes(1), labels, (4, 4), SPLIT).unwrap(),
        Dataset::own("one", bytes(1), None, (4, 4), Split::Sizes { valid: 8, test: 8 }).unwrap(),
        Dataset::own("one, real", real, None, (4, 4), SPLIT).unwrap(),
    ];
    let configs: Vec<RunConfig> = sets.iter().map(small).collect();
    drop(sets); // a later cell has the configurations alone
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    let first = store.run_all(&configs).unwrap();
    let names: Vec<&str> = first.iter().map(|run| run.result.dataset.0.as_str()).collect();
    assert_eq!(names, ["one", "two", "one, labelled", "one", "one, real"]);
    assert!(first[1].summary().starts_with("two, N_z 2"), "{}", first[1].summary());
    assert_ne!(first[0].result.dataset.1, first[1].result.dataset.1);
    for other in [1, 3, 4] {
        assert_ne!(first[0].model.params(), first[other].model.params(), "{}", names[other]);
    }
    let written = || -> Vec<SystemTime> {
        let modified = |config| std::fs::metadata(store.path(config).join("result.json")).unwrap().modified().unwrap();
        configs.iter().map(modified).collect()
    };
    let before = written();
    let second = store.run_all(&configs).unwrap();
    assert_eq!(written(), before, "trained again");
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(a.model.params(), b.model.params());
        assert_eq!((&a.result.config, &a.result.dataset), (&b.result.config, &b.result.dataset));
    }
    let alone = store.run(&configs[1]).unwrap();
    assert_eq!(alone.model.params(), first[1].model.params());

    // Other data under the same configuration, made by hand, are refused and not given the stored result.
    let mut forged = configs[0].data.load().unwrap();
    forged.sha256 = "0".repeat(64);
    let error = store.run_on(&configs[0], &forged).unwrap_err().to_string();
    assert!(error.contains("was trained on other data"), "{error}");
}

#[test]
fn a_trainer_refuses_other_data_than_its_own() {
    if !with_a_folder("a_trainer_refuses_other_data_than_its_own") {
        return;
    }
    let [one, two] = [1, 2].map(|seed| Dataset::own("x", bytes(seed), None, (4, 4), SPLIT).unwrap());
    let mut forged = one.clone();
    forged.sha256 = two.sha256.clone();
    let mut trainer = Trainer::new(&small(&one), &one).unwrap();
    for other in [&two, &one.truncated(30, 8), &forged] {
        let refused = |error: Error| assert!(error.to_string().contains("make a trainer for that"), "{error}");
        refused(trainer.fit(other, &mut []).unwrap_err());
        refused(trainer.step(other).unwrap_err());
    }
    assert_eq!(trainer.updates(), 0);
    trainer.step(&one).unwrap();
    assert_eq!(trainer.fit(&one, &mut []).unwrap(), Outcome::Finished);
    assert!(Trainer::new(&small(&one), &two).is_err());
}

/// Each refusal says what to write, and that then works.
#[test]
fn a_configuration_must_fit_the_values() {
    if !with_a_folder("a_configuration_must_fit_the_values") {
        return;
    }
    let unit = Dataset::own("unit", bytes(1).mapv(|k| f32::from(k) / 220.0), None, (4, 4), SPLIT).unwrap();
    let mut wide = bytes(1).mapv(|k| f32::from(k) / 220.0);
    wide[[7, 5]] = 1.5;
    let wide = Dataset::own("wide", wide, None, (4, 4), SPLIT).unwrap();
    let grey = Dataset::own("grey", bytes(1), None, (4, 4), SPLIT).unwrap();
    let refused = |data: &Dataset, config: &RunConfig, parts: &[&str]| {
        let error = Trainer::new(config, data).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let trains = |data: &Dataset, config: &RunConfig| {
        Trainer::new(config, data).unwrap().fit(data, &mut []).unwrap();
    };
    for data in [&unit, &wide] {
        let mut config = small(data);
        trains(data, &config);
        for scale in [Scale::K255, Scale::K256] {
            config.preprocess.scale = scale;
            refused(data, &config, &["`preprocess.scale` is K25", "write Scale::AsIs"]);
        }
        config.preprocess.scale = Scale::AsIs;
        config.preprocess.binarise = Binarise::Threshold(128);
        refused(data, &config, &["`preprocess.binarise`", "write Binarise::None"]);
        config.preprocess.binarise = Binarise::None;
        trains(data, &config);
    }
    let mut config = small(&grey);
    config.preprocess.scale = Scale::AsIs;
    refused(&grey, &config, &["`preprocess.scale` is AsIs", "write Scale::K255"]);
    config.preprocess.scale = Scale::K255;
    trains(&grey, &config);

    for binarise in [Binarise::None, Binarise::Dynamic { seed: 1 }] {
        let mut config = small(&wide);
        config.model.likelihood = LikelihoodConfig::Bernoulli;
        config.preprocess.binarise = binarise;
        refused(
            &wide,
            &config,
            &["Bernoulli needs values in [0, 1]", "1.5", "column 5", "LikelihoodConfig::gaussian(PixelMean::Linear)"],
        );
        config.model.likelihood = LikelihoodConfig::gaussian(PixelMean::Linear);
        if binarise != Binarise::None {
            refused(&wide, &config, &["`preprocess.binarise` a draw needs values in [0, 1]", "Binarise::None"]);
        }
        config.preprocess.binarise = Binarise::None;
        trains(&wide, &config);
        let mut config = small(&unit);
        config.model.likelihood = LikelihoodConfig::Bernoulli;
        config.preprocess = Preprocess { binarise, invert: true, ..config.preprocess };
        trains(&unit, &config);
    }
}

#[test]
fn the_report_protocol_fits_own_images() {
    if !with_a_folder("the_report_protocol_fits_own_images") {
        return;
    }
    let data = Dataset::own("few", bytes(1), None, (4, 4), SPLIT).unwrap();
    let config = RunConfig::report(data.config);
    assert_eq!((config.preprocess.scale, config.batch, config.batches), (Scale::K255, 24, BatchScheme::Shuffled));
    assert_eq!(config.model.likelihood, LikelihoodConfig::Bernoulli);
    assert_eq!(RunConfig::report(data.truncated(10, 2).config).batch, 10);
    let real = Dataset::own("few", bytes(1).mapv(f32::from), None, (4, 4), SPLIT).unwrap();
    let config = RunConfig::report(real.config);
    assert_eq!(config.preprocess.scale, Scale::AsIs);
    assert_eq!(config.model.likelihood, LikelihoodConfig::gaussian(PixelMean::Linear));
    assert_eq!(config.preprocess.describe(), "x as it is");
    // The bits do not depend on the threads, for real numbers either.
    let mut one = Trainer::new(&small(&real), &real).unwrap();
    let mut all = Trainer::new(&small(&real), &real).unwrap().on_threads(vae_core::threads::cores()).unwrap();
    for trainer in [&mut one, &mut all] {
        trainer.fit(&real, &mut []).unwrap();
    }
    assert_eq!(one.model().params(), all.model().params());
}

#[test]
fn real_numbers_reach_the_model_as_they_are() {
    let x = ndarray::array![[0.0f32, 0.25, 1.0], [-3.5, 1e-30, 7.0]];
    let images = Values::from(x.clone());
    let as_is = Preprocess { scale: Scale::AsIs, ..Preprocess::default() };
    let mut out = [0.0f32; 6];
    as_is.prepare().gather(&images, &[1, 0], 5, &mut out).unwrap();
    assert_eq!(out, [-3.5, 1e-30, 7.0, 0.0, 0.25, 1.0]);
    let inverted = Preprocess { invert: true, ..as_is };
    inverted.prepare().gather(&images, &[1, 0], 5, &mut out).unwrap();
    assert_eq!(out, [4.5, 1.0, -6.0, 1.0, 0.75, 0.0]);
    let mut columns_first = Array2::zeros((3, 2));
    columns_first.assign(&x.t());
    as_is.prepare().gather(&columns_first.reversed_axes().into(), &[0], 0, &mut out[..3]).unwrap();
    assert_eq!(out[..3], [0.0, 0.25, 1.0]);

    // Draws: each value is the probability of a one; those of an inverted value are their complement in law.
    let epochs = 4000;
    for (invert, expected) in [(false, [0.0, 0.25, 1.0]), (true, [1.0, 0.75, 0.0])] {
        let drawn = Preprocess { binarise: Binarise::Dynamic { seed: 2 }, invert, ..as_is };
        let (single, double) = (drawn.prepare::<f32>(), drawn.prepare::<f64>());
        let mut sum = [0.0f64; 3];
        for epoch in 0..epochs {
            let (mut a, mut b) = ([0.0f32; 3], [0.0f64; 3]);
            single.gather(&images, &[0], epoch, &mut a).unwrap();
            double.gather(&images, &[0], epoch, &mut b).unwrap();
            assert_eq!(a.map(f64::from), b);
            sum.iter_mut().zip(b).for_each(|(sum, b)| *sum += b);
        }
        for (sum, p) in sum.iter().zip(expected) {
            let sd = (p * (1.0f64 - p) / epochs as f64).sqrt();
            assert!((sum / epochs as f64 - p).abs() <= 5.0 * sd, "{sum} of {epochs}, p {p}");
        }
        let error = single.gather(&images, &[1], 0, &mut [0.0; 3]).unwrap_err().to_string();
        assert!(error.contains("-3.5 in row 1, column 0"), "{error}");
    }
    for (images, scale) in [(images, Scale::K255), (Values::from(Array2::<u8>::zeros((2, 3))), Scale::AsIs)] {
        let wrong = Preprocess { scale, ..Preprocess::default() };
        assert!(matches!(wrong.prepare().gather(&images, &[0], 0, &mut [0.0f32; 3]), Err(Error::Config { .. })));
    }
}

/// Stored results are found under these names.
#[test]
fn configurations_of_the_other_sets_keep_their_hashes() {
    let hash = |kind, limit| RunConfig::report(DatasetConfig { limit, ..DatasetConfig::new(kind) }).hash();
    let limit = Some(Limit { train: 600, eval: 100 });
    assert_eq!(hash(DatasetKind::Mnist, None), "7de0677ff6f04926");
    assert_eq!(hash(DatasetKind::FreyFace, None), "f8d7a626154e70bd");
    assert_eq!(hash(DatasetKind::SyntheticDigits, limit), "772825161954080b");
    assert_eq!(hash(DatasetKind::SyntheticFaces, limit), "071539724bc231b8");
}

/// Whoever changes the pixels of a set is told of what no model can learn before the first update.
#[test]
fn pixels_that_are_not_finite_are_refused_at_the_start() {
    if !with_a_folder("pixels_that_are_not_finite_are_refused_at_the_start") {
        return;
    }
    let real = bytes(1).mapv(|k| f32::from(k) / 255.0);
    let made = Dataset::own("real", real, None, (4, 4), SPLIT).unwrap();
    for likelihood in [LikelihoodConfig::Bernoulli, LikelihoodConfig::gaussian(PixelMean::Linear)] {
        for value in [f32::NAN, f32::INFINITY, 7.0] {
            let mut data = made.clone();
            let Values::Real(pixels) = &mut data.valid.pixels else { panic!("not real") };
            pixels[[2, 3]] = value;
            let refused = Trainer::new(&small(&data).likelihood(likelihood), &data).map(drop);
            let wanted = !value.is_finite() || likelihood == LikelihoodConfig::Bernoulli;
            assert_eq!(refused.is_err(), wanted, "{likelihood:?} {value}");
            let text = refused.err().map_or(String::new(), |error| error.to_string());
            assert!(!wanted || text.contains("row 2, column 3") && text.contains(&value.to_string()), "{text}");
        }
    }
}

#[test]
fn what_is_left_out_and_what_is_missing_is_said() {
    if !with_a_folder("what_is_left_out_and_what_is_missing_is_said") {
        return;
    }
    let data = Dataset::own("mine", bytes(1), None, (4, 4), SPLIT).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |batches| {
        let config = RunConfig { batches, batch: 10, ..small(&data) };
        RunStore::at(folder.path()).run_on(&config, &data).unwrap().summary()
    };
    let (fixed, shuffled) = (run(BatchScheme::FixedBlocks), run(BatchScheme::Shuffled));
    assert!(fixed.contains("\nfixed blocks of 10 leave out the last 4 training images"), "{fixed}");
    assert!(!shuffled.contains("leave out"), "{shuffled}");

    let mut empty = data.clone();
    empty.valid.pixels = Array2::<u8>::zeros((0, 16)).into();
    let text = Trainer::new(&small(&empty), &empty).unwrap_err().to_string();
    assert!(text.contains("mine: has no validation images") && !text.contains("limit"), "{text}");
    let limited = data.truncated(10, 0);
    let text = Trainer::new(&small(&limited), &limited).unwrap_err().to_string();
    assert!(text.contains("`data.limit` leaves no validation images"), "{text}");
}
