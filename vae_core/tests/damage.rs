//! Nothing stored is believed unchecked: changed bits of every kind of file are noticed or harmless, and the run is made all the same.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{bits, small};
use vae_core::Error;
use vae_core::config::{Budget, RunConfig};
use vae_core::runs::RunStore;
use vae_core::train::observer::Observer;
use vae_core::train::{Control, Event, Trainer, checkpoint};

/// Changes one bit of a file, all over it, and calls `check`; `count` times.
fn mutate(path: &Path, count: usize, mut check: impl FnMut(usize)) {
    let good = fs::read(path).unwrap();
    for k in 0..count {
        let place = k * good.len() / count;
        let mut bytes = good.clone();
        bytes[place] ^= 1 << (k % 8);
        fs::write(path, &bytes).unwrap();
        check(place);
    }
    fs::write(path, &good).unwrap();
}

#[test]
fn a_changed_bit_is_noticed_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let (store, config) = (RunStore::at(folder.path()), small());
    let run = store.run(&config).unwrap();
    let (params, text) = (bits(run.model.params()), serde_json::to_string(&run.result).unwrap());
    let data = config.data.load().unwrap();
    let mut noticed = 0;
    for name in ["result.json", "model.safetensors"] {
        mutate(&store.path(&config).join(name), 900, |place| match store.read(&config) {
            Err(Error::Checkpoint { .. } | Error::Io { .. }) => noticed += 1,
            found => {
                let found = found.unwrap().unwrap();
                assert_eq!(bits(found.model.params()), params, "{name}, byte {place}");
                assert_eq!(serde_json::to_string(&found.result).unwrap(), text, "{name}, byte {place}");
            }
        });
    }
    let path = folder.path().join("c.safetensors");
    let mut trainer = Trainer::new(&config, &data).unwrap();
    trainer.step(&data).unwrap();
    checkpoint::save(&trainer, &path).unwrap();
    let state = |trainer: &Trainer| {
        let slots: Vec<Vec<u32>> = trainer.optimiser().slots().iter().map(|slot| bits(&slot.1)).collect();
        (bits(trainer.model().params()), slots, trainer.updates(), trainer.history().records.len())
    };
    let good = state(&trainer);
    mutate(&path, 900, |place| match checkpoint::load(&config, &data, &path) {
        Err(Error::Checkpoint { .. }) => noticed += 1,
        found => assert_eq!(state(&found.unwrap()), good, "checkpoint, byte {place}"),
    });
    assert!(noticed > 2400, "{noticed} of 2700");
}

#[test]
fn what_is_damaged_is_put_aside_and_the_run_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (store, config) = (RunStore::at(folder.path()), small());
    let good = bits(store.run(&config).unwrap().model.params());
    let other = small().seed(8);
    store.run(&other).unwrap();
    let here = store.path(&config);
    let spoil: [&dyn Fn(); 4] = [
        &|| fs::write(here.join("model.safetensors"), b"nonsense").unwrap(),
        &|| fs::write(here.join("result.json"), b"{").unwrap(),
        &|| fs::remove_file(here.join("model.safetensors")).unwrap(),
        &|| {
            fs::copy(store.path(&other).join("model.safetensors"), here.join("model.safetensors")).unwrap();
        },
    ];
    for (k, spoil) in spoil.into_iter().enumerate() {
        spoil();
        assert!(store.read(&config).is_err(), "{k}");
        assert_eq!(bits(store.run(&config).unwrap().model.params()), good, "{k}");
        assert!(here.join("result.json.damaged").exists(), "{k}");
        assert_eq!(bits(store.run_all(std::slice::from_ref(&config)).unwrap()[0].model.params()), good, "{k}");
    }
}

/// Ends a run as a kill would, a checkpoint behind it.
struct Killed(u64);

impl Observer for Killed {
    fn observe(&mut self, event: &Event, _: &Trainer) -> vae_core::Result<Control> {
        Ok(if event.updates == self.0 { Control::Stop("killed".into()) } else { Control::Continue })
    }
}

#[test]
fn a_damaged_checkpoint_is_put_aside_and_one_beside_a_result_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    let config: RunConfig = small().budget(Budget::Epochs(3));
    let path = store.path(&config).join("checkpoint.safetensors");
    let data = config.data.load().unwrap();
    let mut trainer = Trainer::new(&config, &data).unwrap();
    trainer.fit(&data, &mut [&mut Killed(5)]).unwrap();
    fs::create_dir_all(store.path(&config)).unwrap();
    checkpoint::save(&trainer, &path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let made = store.run(&config).unwrap();
    assert!(path.with_extension("safetensors.damaged").exists() && !path.exists());
    assert_eq!(
        bits(made.model.params()),
        bits(RunStore::at(folder.path().join("other")).run(&config).unwrap().model.params())
    );
    fs::write(&path, &bytes).unwrap();
    store.read(&config).unwrap().unwrap();
    assert!(!path.exists());
}
