//! Runs that begin with given weights.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;

use common::{bits, small};
use safetensors::tensor::{Dtype, TensorView};
use vae_core::Error;
use vae_core::config::{Budget, Origin, RunConfig};
use vae_core::estimators;
use vae_core::models::Learned;
use vae_core::posteriors::SemiImplicit;
use vae_core::runs::RunStore;
use vae_core::train::{Trainer, checkpoint};

/// A tensor: name, type, shape, bytes.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

/// Writes tensors as NumPy would: without our metadata.
fn write(path: &Path, tensors: &[Tensor]) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn tensors(trainer: &Trainer) -> Vec<Tensor> {
    let (layout, params) = (trainer.model().layout(), trainer.model().params());
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    layout.tensors().iter().map(|t| (t.name.clone(), Dtype::F32, t.shape.clone(), bytes(&params[t.range()]))).collect()
}

#[test]
fn a_run_begins_with_the_weights_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    let first = store.run(&small()).unwrap();
    let config = small().seed(8).warm_start(Origin::run(&first));
    assert_ne!(config.hash(), small().seed(8).hash());
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<RunConfig>(&text).unwrap(), config);
    assert!(text.ends_with(&format!(r#""start":{{"run":"{}"}}}}"#, small().hash())), "{text}");
    let second = store.run(&config).unwrap();
    // the same by hand
    let data = config.data.load().unwrap();
    let mut trainer = Trainer::with_weights(&config, &data, first.model.params()).unwrap();
    assert_eq!(bits(trainer.model().params()), bits(first.model.params()));
    assert_eq!((trainer.updates(), trainer.history().records.len()), (0, 0));
    trainer.fit(&data, &mut []).unwrap();
    assert_eq!(bits(second.model.params()), bits(trainer.model().params()));
    assert_eq!(second.history(), trainer.history());
    let cold = store.run(&small().seed(8)).unwrap();
    assert!(second.history().records[0].valid.bound > cold.history().records[0].valid.bound + 1.0);
    // more budget goes on with it, too
    let larger = store.run(&config.clone().budget(Budget::Epochs(3))).unwrap();
    assert_eq!(larger.history().records[..2], second.history().records[..]);
    // what cannot be
    let refused = |config: &RunConfig, why: &str| {
        let error = store.run(config).unwrap_err();
        assert!(matches!(error, Error::Config { .. } | Error::Checkpoint { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    };
    refused(&small().warm_start(Origin::Run("0123456789abcdef".into())), "make it first");
    refused(&small().warm_start(Origin::Run("../../elsewhere!".into())), "16 hexadecimal digits");
    refused(
        &small().latent(3).warm_start(Origin::run(&first)),
        "tensor posterior.weight is F32 [5, 4], expected F32 [5, 6]",
    );
    let error = Trainer::new(&config, &data).unwrap_err().to_string();
    assert!(error.contains("RunStore::run") && error.contains("Trainer::with_weights"), "{error}");
    assert!(matches!(Trainer::with_weights(&config, &data, &[0.0]), Err(Error::Shape { .. })));
}

#[test]
fn a_run_begins_with_weights_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = small().data.load().unwrap();
    let other = Trainer::new(&small().seed(9), &data).unwrap();
    let path = folder.path().join("weights.safetensors");
    write(&path, &tensors(&other));
    let config = small().warm_start(Origin::file(&path).unwrap());
    assert_eq!(serde_json::from_value::<RunConfig>(config.to_json()).unwrap(), config);
    let trainer = Trainer::new(&config, &data).unwrap();
    assert_eq!(bits(trainer.model().params()), bits(other.model().params()));
    // what we export, metadata and all, will do
    let store = RunStore::at(folder.path().join("runs"));
    let run = store.run(&config).unwrap();
    let exported = folder.path().join("exported.safetensors");
    run.export_parameters(&exported).unwrap();
    let next = Trainer::new(&small().warm_start(Origin::file(&exported).unwrap()), &data).unwrap();
    assert_eq!(bits(next.model().params()), bits(run.model.params()));
    // where the file lies is nothing to the run; what it holds is all
    let moved = folder.path().join("moved.safetensors");
    std::fs::rename(&path, &moved).unwrap();
    let same = small().warm_start(Origin::file(&moved).unwrap());
    assert_eq!((same.hash(), &same), (config.hash(), &config));
    assert_eq!(store.run(&same).unwrap().history(), run.history());
    let mut changed = tensors(&other);
    changed[0].3[0] ^= 1;
    write(&path, &changed);
    assert_ne!(small().warm_start(Origin::file(&path).unwrap()).hash(), config.hash());
    let error = Trainer::new(&config, &data).unwrap_err().to_string();
    assert!(error.contains("has changed") && error.contains("`Origin::file`"), "{error}");
    // a run that was begun needs the file no more
    let begun = folder.path().join("checkpoint.safetensors");
    checkpoint::save(&trainer, &begun).unwrap();
    checkpoint::load(&config, &data, &begun).unwrap();
}

#[test]
fn wrong_weights_are_refused_by_the_name_of_the_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let data = small().data.load().unwrap();
    let path = folder.path().join("weights.safetensors");
    type Change = fn(&mut Vec<Tensor>);
    let changes: [(Change, &str); 6] = [
        (|t| t.retain(|t| t.0 != "decoder.0.bias"), "tensor decoder.0.bias is missing, expected F32 [5]"),
        (|t| t[0].2.reverse(), "tensor encoder.0.weight is F32 [5, 784], expected F32 [784, 5]"),
        (
            |t| {
                t[1].1 = Dtype::F64;
                t[1].3 = vec![0; 40];
            },
            "tensor encoder.0.bias is F64 [5], expected F32 [5]",
        ),
        (
            |t| t.push(("fc1.weight".into(), Dtype::F32, vec![1], vec![0; 4])),
            "tensor fc1.weight is not one of this model, expected encoder.0.weight, ",
        ),
        (|t| t[1].3[..4].copy_from_slice(&f32::NAN.to_le_bytes()), "tensor encoder.0.bias holds NaN"),
        (|t| t[1].0 = "encoder.bias".into(), "tensor encoder.0.bias is missing"),
    ];
    for (change, why) in changes {
        let mut tensors = tensors(&Trainer::new(&small(), &data).unwrap());
        change(&mut tensors);
        write(&path, &tensors);
        let error = Trainer::new(&small().warm_start(Origin::file(&path).unwrap()), &data).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("weights.safetensors"), "{why}: {error}");
        assert!(!error.contains("delete"), "they are the user's own: {error}");
    }
    let mut wide = small();
    wide.model.encoder = vec![500];
    write(&path, &tensors(&Trainer::new(&wide, &data).unwrap()));
    let error = Trainer::new(&small().warm_start(Origin::file(&path).unwrap()), &data).unwrap_err().to_string();
    assert!(error.contains("tensor encoder.0.weight is F32 [784, 500], expected F32 [784, 5]"), "{error}");
    std::fs::write(&path, "no tensors").unwrap();
    let error = Trainer::new(&small().warm_start(Origin::file(&path).unwrap()), &data).unwrap_err();
    assert!(matches!(error, Error::Checkpoint { .. }) && !error.to_string().contains("delete"), "{error}");
    assert!(matches!(Origin::file(folder.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn a_decoder_goes_on_with_another_encoder_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    let first = store.run(&small()).unwrap();
    let mut config = small().seed(3).warm_start(Origin::decoder_of(&first)).learned(Learned::Encoder);
    config =
        config.posterior(SemiImplicit { noise: 2, inner: 3 }).estimator(estimators::A, 1).evaluation(estimators::A, 1);
    config.model.encoder = vec![7, 4];
    let second = store.run(&config).unwrap();
    let of = |run: &vae_core::runs::Run, name: &str| {
        run.model.params()[run.model.layout().get(name).unwrap().range()].to_vec()
    };
    for name in ["decoder.0.weight", "decoder.0.bias", "likelihood.weight", "likelihood.bias"] {
        assert_eq!(of(&first, name), of(&second, name), "{name}");
    }
    let drawn = vae_core::models::Vae::<f32>::new(&config.model, 36, 3).unwrap();
    for name in ["encoder.0.weight", "encoder.noise.weight", "posterior.weight"] {
        assert_ne!(drawn.params()[drawn.layout().get(name).unwrap().range()], of(&second, name)[..], "{name}");
    }
    let wrong = small().latent(3).warm_start(Origin::decoder_of(&first));
    assert!(store.run(&wrong).unwrap_err().to_string().contains("decoder.0.weight"));
    let only = store.run(&small().warm_start(Origin::run(&first)).learned(Learned::Decoder)).unwrap();
    assert_eq!(of(&first, "encoder.0.weight"), of(&only, "encoder.0.weight"));
    assert_ne!(of(&first, "decoder.0.weight"), of(&only, "decoder.0.weight"));
}
