//! Runs that go on: with more budget, after a divergence, from checkpoints of an older format.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{bits, small, train};
use proptest::prelude::*;
use vae_core::Error;
use vae_core::config::{Budget, EarlyStop, RecordAt, RunConfig};
use vae_core::data::dataset::{DatasetConfig, DatasetKind, Limit};
use vae_core::data::preprocess::Binarise;
use vae_core::estimators::{Estimator, Form};
use vae_core::optim::{OptimiserConfig, Schedule};
use vae_core::runs::{Audience, NoAudience, Run, RunStore, SweepAudience, Watcher};
use vae_core::train::{Control, Event, Observer, Outcome, Trainer, checkpoint};

fn assert_same(a: &Trainer, b: &Trainer) {
    assert_eq!(a.history(), b.history());
    assert_eq!(a.updates(), b.updates());
    assert_eq!(bits(a.model().params()), bits(b.model().params()));
    assert_eq!(a.optimiser(), b.optimiser());
    assert_eq!(a.running_train_bound(), b.running_train_bound());
}

/// Keeps what a store tells of its runs.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Audience for Notes {
    fn run(&self) -> Box<dyn Watcher + '_> {
        Box::new(self.clone())
    }

    fn sweep(&self, _: Vec<String>) -> Box<dyn SweepAudience + '_> {
        Box::new(NoAudience)
    }
}

impl Watcher for Notes {
    fn tell(&mut self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Observer for Notes {
    fn observe(&mut self, _: &Event, _: &Trainer) -> vae_core::Result<Control> {
        Ok(Control::Continue)
    }
}

fn store(folder: &Path) -> (RunStore, Notes) {
    let notes = Notes::default();
    (RunStore::at(folder).watched_by(notes.clone()), notes)
}

fn assert_same_runs(a: &Run, b: &Run) {
    assert_eq!(bits(a.model.params()), bits(b.model.params()));
    assert_eq!(a.history(), b.history());
    assert_eq!((a.result.valid, a.result.test), (b.result.valid, b.result.test));
    assert_eq!((&a.result.config, &a.result.stopped), (&b.result.config, &b.result.stopped));
}

/// For every optimiser, and with everything that has state.
#[test]
fn more_budget_goes_on_with_the_bits_of_a_run_from_scratch() {
    for optimiser in OptimiserConfig::all() {
        let (here, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut config = small().optimiser(optimiser);
        config.schedule = Schedule::Stages(vec![(100, 0.7), (900, 0.3)]);
        config.estimator = Estimator { form: Form::A, samples: 2 };
        config.preprocess.binarise = Binarise::Dynamic { seed: 3 };
        let data = config.data.load().unwrap();
        let (store, notes) = store(here.path());
        let short = store.run(&config).unwrap();
        assert_eq!(notes.taken(), [""; 0]);
        let larger = config.clone().budget(Budget::Epochs(5));
        let long = store.run(&larger).unwrap();
        let told = notes.taken();
        assert!(
            matches!(&told[..], [line] if line.starts_with("going on from update 24 of 60, where run")),
            "{told:?}"
        );
        let whole = RunStore::at(fresh.path()).run(&larger).unwrap();
        assert_same_runs(&long, &whole);
        let end = |store: &RunStore| checkpoint::load(&larger, &data, &store.path(&larger).join("end.safetensors"));
        assert_same(&end(&store).unwrap(), &end(&RunStore::at(fresh.path())).unwrap());
        // the smaller run is what it was, and one that is asked for in other words goes on from the longest
        assert_same_runs(&store.run(&config).unwrap(), &short);
        store.run(&config.clone().budget(Budget::Updates(60))).unwrap();
        assert!(notes.taken()[0].starts_with("going on from update 60 of 60"));
        store.run(&config.clone().budget(Budget::Samples(25 * 40))).unwrap();
        assert!(notes.taken()[0].starts_with("going on from update 24 of 40"));
        store.run(&config.clone().budget(Budget::Epochs(1))).unwrap();
        assert_eq!(notes.taken(), [""; 0]);
    }
}

/// A smaller run begins otherwise than the larger: it takes records that the larger does not, and ends with one.
#[test]
fn the_history_is_that_of_the_larger_budget() {
    let mut config = small().budget(Budget::Updates(170));
    config.record = RecordAt::LogSpaced;
    config.batch = 1;
    let data = config.data.load().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (store, notes) = store(folder.path());
    let short = store.run(&config).unwrap();
    let larger = config.clone().budget(Budget::Updates(26_000));
    let run = store.run(&larger).unwrap();
    assert!(notes.taken()[0].starts_with("going on from update 170 of 26000"));
    let updates = |run: &Run| run.history().records.iter().map(|r| r.updates).collect::<Vec<_>>();
    assert_eq!(updates(&short), [100, 125, 160, 170]);
    assert_eq!(updates(&run)[..3], [160, 200, 250]);
    assert_eq!(run.history(), train(&larger, &data).history());
}

#[test]
fn it_says_why_a_smaller_run_does_not_do() {
    let folder = tempfile::tempdir().unwrap();
    let (store, notes) = store(folder.path());
    let anew = |config: &RunConfig, why: &str| {
        let data = config.data.load().unwrap();
        let run = store.run(config).unwrap();
        assert_eq!(bits(run.model.params()), bits(train(config, &data).model().params()));
        let told = notes.taken();
        assert!(matches!(&told[..], [line] if line.starts_with("training anew") && line.contains(why)), "{told:?}");
    };
    let mut cosine = small();
    cosine.schedule = Schedule::Cosine { last: 0.1 };
    store.run(&cosine).unwrap();
    assert!(!store.path(&cosine).join("end.safetensors").exists(), "nothing can go on from it");
    anew(&cosine.clone().budget(Budget::Epochs(3)), "cosine");
    // an end that is damaged, or was deleted
    store.run(&small()).unwrap();
    let end = store.path(&small()).join("end.safetensors");
    std::fs::write(&end, "x").unwrap();
    anew(&small().budget(Budget::Epochs(3)), "24 updates");
    std::fs::remove_file(&end).unwrap();
    std::fs::remove_file(store.path(&small().budget(Budget::Epochs(3))).join("end.safetensors")).unwrap();
    anew(&small().budget(Budget::Epochs(4)), "36 updates");
    // of a run that was deleted altogether nothing is said
    for epochs in [2, 3, 4] {
        std::fs::remove_dir_all(store.path(&small().budget(Budget::Epochs(epochs)))).unwrap();
    }
    store.run(&small().budget(Budget::Epochs(5))).unwrap();
    assert_eq!(notes.taken(), [""; 0]);
}

#[test]
fn an_early_stop_stops_the_larger_budget_too() {
    let mut config = small().budget(Budget::Epochs(50));
    config.early_stop = Some(EarlyStop { patience: 2, min_delta: 1e9 });
    let (here, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = RunStore::at(here.path());
    assert_eq!(store.run(&config).unwrap().history().records.len(), 3);
    let larger = config.budget(Budget::Epochs(90));
    let (run, whole) = (store.run(&larger).unwrap(), RunStore::at(fresh.path()).run(&larger).unwrap());
    assert!(run.result.stopped.is_some());
    assert_same_runs(&run, &whole);
}

/// Many at a time, in one folder, whichever comes first: each is what it is by itself.
#[test]
fn runs_of_one_series_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let data = small().data.load().unwrap();
    std::thread::scope(|scope| {
        for k in 0..8u64 {
            let (folder, data) = (folder.path(), &data);
            scope.spawn(move || {
                let config = small().budget(Budget::Epochs(1 + (3 * k) % 5));
                let run = RunStore::at(folder).run(&config).unwrap();
                let whole = train(&config, data);
                assert_eq!(bits(run.model.params()), bits(whole.model().params()));
                assert_eq!(run.history(), whole.history());
            });
        }
    });
}

fn records() -> impl Strategy<Value = RecordAt> {
    prop_oneof![
        Just(RecordAt::LogSpaced),
        (1u64..4).prop_map(RecordAt::Epochs),
        (1u64..400).prop_map(RecordAt::Samples),
        prop::collection::vec(1u64..1500, 0..6).prop_map(|mut counts| {
            counts.sort_unstable();
            RecordAt::At(counts)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is recorded and whenever it stops: going on gives what a run from scratch gives, or is refused because
    /// early stopping would have ended the longer run before.
    #[test]
    fn going_on_is_a_run_from_scratch(
        record in records(),
        batch in prop_oneof![Just(1usize), Just(25)],
        (short, more) in (1u64..50, 0u64..900),
        stop in prop::option::of((1u64..4, prop_oneof![Just(0.0), Just(0.5), Just(3.0), Just(-1.0)])),
    ) {
        let mut config = small().budget(Budget::Updates(short)).optimiser(OptimiserConfig::adam(1e-2));
        (config.record, config.batch) = (record, batch);
        config.early_stop = stop.map(|(patience, min_delta)| EarlyStop { patience, min_delta });
        let larger = config.clone().budget(Budget::Updates(short + more / batch as u64));
        let data = config.data.load().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("end.safetensors");
        checkpoint::save(&train(&config, &data), &path).unwrap();
        let whole = train(&larger, &data);
        match checkpoint::load_shorter(&larger, &data, &path) {
            Ok(mut trainer) => {
                trainer.fit(&data, &mut []).unwrap();
                assert_same(&trainer, &whole);
            }
            Err(error) => prop_assert!(stop.is_some() && error.to_string().contains("early stopping"), "{}", error),
        }
    }
}

/// A record that is missing, though it is due under the larger budget, is a reason to begin anew; so is another run.
#[test]
fn what_is_no_beginning_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("end.safetensors");
    let mut config = small();
    config.record = RecordAt::Epochs(2);
    let data = config.data.load().unwrap();
    checkpoint::save(&train(&config, &data), &path).unwrap();
    let refused = |config: &RunConfig, why: &str| {
        let error = checkpoint::load_shorter(config, &data, &path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(&config.clone().budget(Budget::Epochs(1)), "24 of 12");
    refused(&config.clone().seed(8), "more than its budget");
    let mut bytes = std::fs::read(&path).unwrap();
    let (from, to) = (br#"{\"records\":[{\"updates\":24"#, br#"{\"records\":[{\"updates\":23"#);
    // and as a file from before there were checksums
    for (from, to) in [(&from[..], &to[..]), (br#""sha256":"#, br#""sha25x":"#)] {
        let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    std::fs::write(&path, bytes).unwrap();
    refused(&config.budget(Budget::Epochs(4)), "a record at update 24");
}

/// The step size explodes in the third epoch: message, updates, optimiser and parameters name the record after the second.
#[test]
fn after_a_divergence_all_agree_and_training_can_go_on() {
    for optimiser in OptimiserConfig::all() {
        let mut config = small().optimiser(optimiser).budget(Budget::Epochs(4));
        config.schedule = Schedule::Stages(vec![(24 * 25 + 3 * 25, 1e30)]);
        let data = config.data.load().unwrap();
        let good = train(&config.clone().budget(Budget::Epochs(2)), &data);
        let mut trainer = Trainer::new(&config, &data).unwrap();
        let error = trainer.fit(&data, &mut []).unwrap_err();
        let Error::Diverged { step, kept, .. } = error else { panic!("{error}") };
        assert!(step > 27 && kept == 24, "{error}");
        assert!(error.to_string().contains("put back to update 24."), "{error}");
        assert_same(&trainer, &good);
        assert_eq!(trainer.optimiser().updates(), 24);
        // on from there, up to the same end
        for update in 25..=27 {
            assert_eq!(trainer.step(&data).unwrap().updates, update);
        }
        let again = trainer.fit(&data, &mut []).unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
        assert_same(&trainer, &good);
        // the store says the same, and says it again
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::at(folder.path());
        for _ in 0..2 {
            assert_eq!(store.run(&config).unwrap_err().to_string(), error.to_string());
            let at = |file| store.path(&config).join(file);
            assert_same(&checkpoint::load(&config, &data, &at("checkpoint.safetensors")).unwrap(), &good);
            let bytes = std::fs::read(at("last_good.safetensors")).unwrap();
            let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            for tensor in good.model().layout().tensors() {
                let bytes: Vec<u8> =
                    good.model().params()[tensor.range()].iter().flat_map(|v| v.to_le_bytes()).collect();
                assert_eq!(file.tensor(&tensor.name).unwrap().data(), bytes);
            }
        }
    }
}

/// A checkpoint that was written before the window had a third part.
#[test]
fn a_checkpoint_of_format_1_goes_on() {
    let limit = Some(Limit { train: 100, eval: 20 });
    let data = DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) };
    let mut config = RunConfig::report(data).latent(1).budget(Budget::Epochs(3)).seed(7);
    (config.model.encoder, config.model.decoder) = (vec![], vec![]);
    (config.batch, config.record) = (25, RecordAt::Epochs(1));
    let data = config.data.load().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoint_format_1.safetensors");
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()[..2000]).into_owned();
    assert!(text.contains(r#"{\"format\":1,"#), "{text}");
    let mut old = checkpoint::load(&config, &data, &path).unwrap();
    assert_eq!((old.updates(), old.optimiser().updates(), old.history().records.len()), (6, 6, 1));
    // in the present format it is the same
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.safetensors");
    checkpoint::save(&old, &copy).unwrap();
    let mut new = checkpoint::load(&config, &data, &copy).unwrap();
    assert_same(&old, &new);
    assert_eq!(old.fit(&data, &mut []).unwrap(), Outcome::Finished);
    new.fit(&data, &mut []).unwrap();
    assert_same(&old, &new);
    // and the run is the one that it was; on another processor, but for rounding
    let whole = train(&config, &data);
    let close = |a: f64, b: f64| (a - b).abs() < 1e-2;
    for (a, b) in old.history().records.iter().zip(&whole.history().records) {
        assert!(close(a.train.bound, b.train.bound) && close(a.valid.bound, b.valid.bound), "{a:?} {b:?}");
    }
    assert!(old.model().params().iter().zip(whole.model().params()).all(|(a, b)| (a - b).abs() < 1e-3));
}
