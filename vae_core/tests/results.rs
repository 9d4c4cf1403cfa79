//! Sweeps whose runs may fail, and committed results that stand for runs.
#![allow(clippy::unwrap_used, clippy::panic)]

use vae_core::Error;
use vae_core::config::{Budget, Grid, Origin, RecordAt, RunConfig};
use vae_core::data::dataset::{DatasetConfig, DatasetKind, Limit};
use vae_core::figures::mean_curve;
use vae_core::optim::{OptimiserConfig, Sgd};
use vae_core::runs::{Claim, Interval, Quantity, Results, RunStore, Verdict};

fn small() -> RunConfig {
    let limit = Some(Limit { train: 200, eval: 50 });
    let data = DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) };
    let mut config = RunConfig::report(data).latent(2).budget(Budget::Epochs(2)).optimiser(OptimiserConfig::adam(1e-3));
    (config.model.encoder, config.model.decoder) = (vec![8], vec![8]);
    (config.batch, config.record) = (20, RecordAt::Epochs(1));
    config
}

fn grid() -> Grid {
    Grid::of(small()).over("N_z", [2, 3], |c, n_z| c.model.latent = n_z).seeds(0..2)
}

fn diverges() -> Grid {
    let mut config = small().optimiser(Sgd { step: 1e12, momentum: 0.0 });
    config.seed = 9;
    Grid { runs: vec![("too fast".into(), config)] }
}

#[test]
fn a_run_that_fails_is_named_and_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    let mut unreadable = small();
    unreadable.data.kind = DatasetKind::FreyFace;
    unreadable.model.latent = 0;
    let all = diverges().and(grid()).and(Grid { runs: vec![("no such model".into(), unreadable)] });
    let error = store.run_grid(&all).unwrap_err();
    let Error::Sweep { failures, runs: 6 } = &error else { panic!("{error}") };
    assert!(failures.len() == 2 && failures[0].starts_with("too fast: ") && failures[1].starts_with("no such model: "));
    assert!(error.to_string().starts_with("2 of 6 runs failed, the others are stored:\ntoo fast: "), "{error}");
    for (name, config) in &grid().runs {
        assert!(store.read(config).unwrap().is_some(), "{name}");
    }
    assert_eq!(store.run_grid(&grid()).unwrap().len(), 4);
    assert!(matches!(store.run_grid(&diverges()), Err(Error::Diverged { .. })));
}

#[test]
fn what_cannot_be_read_again_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    let open = || Results::at(Some(path.clone()), RunStore::at(folder.path())).unwrap();
    let mut results = open();
    let reason = results.computed("a ratio", || Ok(vec![f64::NAN])).unwrap_err().to_string();
    assert!(reason.contains("a ratio") && reason.contains("use Option"), "{reason}");
    // what the message advises, now and once more
    assert_eq!(results.computed("a ratio", || Ok(vec![None, Some(0.1 + 0.2)])).unwrap(), [None, Some(0.1 + 0.2)]);
    let made_again = || -> vae_core::Result<Vec<Option<f64>>> { panic!("it is kept") };
    assert_eq!(open().computed("a ratio", made_again).unwrap(), [None, Some(0.1 + 0.2)]);
}

#[test]
fn committed_results_stand_for_the_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notebooks/results/x.json");
    let store = |name: &str| RunStore::at(folder.path().join(name));
    let open = |name| Results::at(Some(file.clone()), store(name)).unwrap();
    let mut first = open("first");
    let made = first.run(&grid()).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 4 + 8, "a line a run");
    // another machine: an empty store, and nothing is trained
    let mut second = open("second");
    let again = second.run(&grid()).unwrap();
    assert!(!folder.path().join("second").exists());
    for (a, b) in made.iter().zip(&again) {
        assert_eq!((&a.config, &a.history, a.test), (&b.config, &b.history, b.test));
    }
    // results draw and compare as runs do
    assert_eq!(mean_curve("x", &again[..2]).unwrap().train_band.unwrap().len(), 2);
    let of = |n_z: usize| -> Vec<f64> {
        again.iter().filter(|r| r.config.model.latent == n_z).map(|r| Quantity::Valid.of(r)).collect()
    };
    assert!(Interval::paired(&of(3), &of(2)).unwrap().n == 2);
    // so do numbers that took a model
    let weight = |run: &vae_core::runs::Run| Ok(run.model.params()[0]);
    let one = &grid().runs[0].1;
    let found: f32 = first.derive("first weight", one, weight).unwrap();
    let mut second = open("second");
    let again_found: f32 =
        second.derive("first weight", one, |_| Err(Error::config("x", "was computed anew"))).unwrap();
    assert_eq!(found, again_found);
    assert!(second.derive::<String>("first weight", one, |_| Ok(String::new())).is_err());
    assert!(second.derive::<f32>("another", one, weight).is_ok(), "trained in a store that has no such run");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 4 + 2 + 7);
    // a failure loses nothing of what was made beside it; what is no longer asked for goes
    let more = Grid::of(small()).seeds(5..6).and(diverges());
    assert!(matches!(second.run(&more), Err(Error::Sweep { .. })));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 5 + 2 + 7);
    let mut third = open("third");
    third.run(&Grid { runs: grid().runs[..3].to_vec() }).unwrap();
    third.claim(Claim::new("4.4", "it is so").ours("1", Verdict::Holds));
    assert_eq!(third.finish().unwrap(), 2 + 2);
    assert!(std::fs::read_to_string(&file).unwrap().contains("it is so"));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3 + 1 + 7);
    std::fs::write(&file, "{").unwrap();
    let error = Results::at(Some(file.clone()), store("fourth")).unwrap_err();
    assert!(error.to_string().contains("git checkout"), "{error}");
    // without a file all is in the store
    let mut none = Results::at(None, store("first")).unwrap();
    assert_eq!(none.run(&grid()).unwrap().len(), 4);
}

/// Where only the numbers of a run are known, one that begins with its weights makes it.
#[test]
fn a_run_that_begins_with_committed_ones_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    let open = |name: &str| Results::at(Some(file.clone()), RunStore::at(folder.path().join(name))).unwrap();
    let first = Grid { runs: vec![("first".into(), small())] };
    open("here").run(&first).unwrap();
    let later = small().seed(4).warm_start(Origin::Run(small().hash()));
    let mut elsewhere = open("elsewhere");
    elsewhere.run(&first).unwrap();
    elsewhere.run(&Grid { runs: vec![("later".into(), later.clone())] }).unwrap();
    let width = |run: &vae_core::runs::Run| Ok(run.model.latent());
    assert_eq!(open("a third place").derive("N_z", &later, width).unwrap(), 2);
}

#[test]
fn a_list_is_made_in_parts_elsewhere_and_merged() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let whole = RunStore::at(at("whole")).run_grid(&grid()).unwrap();
    let file = at("list.json");
    let lists = RunStore::at(at("home")).listing_to(&file);
    let error = lists.run_grid(&grid()).unwrap_err();
    assert!(
        matches!(error, Error::Listed { runs: 4, .. }) && error.to_string().contains("cargo notebooks sweep"),
        "{error}"
    );
    let list = Grid::read(&file).unwrap();
    assert_eq!(list, grid());
    assert!(list.slice(0, 3).is_err() && list.slice(4, 3).is_err());
    let home = RunStore::at(at("home"));
    for part in 1..=3 {
        let elsewhere = RunStore::at(at(&format!("part {part}")));
        let runs = elsewhere.run_grid(&list.slice(part, 3).unwrap()).unwrap().len();
        let merged = home.merge(&elsewhere).unwrap();
        assert_eq!((merged.taken, merged.known), (runs, 0));
        assert_eq!(home.merge(&elsewhere).unwrap().known, runs);
    }
    // nothing is missing any more, and the bits are those of one machine
    let merged = lists.run_grid(&grid()).unwrap();
    for (a, b) in merged.iter().zip(&whole) {
        assert_eq!(a.model.params(), b.model.params());
        assert_eq!(a.result.history, b.result.history);
    }
    // a merged run can be carried on
    let longer = small().budget(Budget::Epochs(3)).seed(1);
    assert_eq!(
        home.run(&longer).unwrap().model.params(),
        RunStore::at(at("alone")).run(&longer).unwrap().model.params()
    );
    // what is damaged is not taken
    let other = RunStore::at(at("part 1"));
    let model = other.path(&list.runs[0].1).join("model.safetensors");
    std::fs::write(&model, b"nonsense").unwrap();
    let error = RunStore::at(at("a third")).merge(&other).unwrap_err();
    assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
    assert!(Grid::read(model).unwrap_err().to_string().contains("sweep NOTEBOOK --list"));
}
