//! Committed results of a notebook: what it needs to redraw its curves, tables and verdicts without data and without time.
//!
//! `notebooks/results/<notebook>.json`: for the `report` profile each run's configuration, history and final numbers, by the hash of its
//! configuration, and what was computed from its model; no parameters. An entry that is asked for is used, a missing one is trained (or read
//! from the store) and merged in; one that nobody asked for is dropped by [`finish`](Results::finish).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims::Claim;
use super::numbers::Number;
use super::provenance::git_commit;
use super::result::{Run, RunResult};
use super::store::RunStore;
use crate::config::{Grid, Profile, RunConfig};
use crate::data::dataset::{Dataset, DatasetConfig};
use crate::data::locate::project_root;
use crate::environment;
use crate::files::write_atomic;
use crate::{Error, Result};

/// The results of a notebook.
#[derive(Clone, Debug)]
pub struct Results {
    store: RunStore,
    /// The file that is written; none but for the `report` profile, and none while figures are redrawn for a page.
    path: Option<PathBuf>,
    entries: Entries,
    asked: BTreeSet<String>,
    claims: Vec<Claim>,
    numbers: Vec<Number>,
}

/// What the file holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Entries {
    /// By the hash of the configuration.
    runs: BTreeMap<String, RunResult>,
    /// By that hash, or the data's configuration, and what it is.
    derived: BTreeMap<String, Value>,
    /// What the notebook tested.
    #[serde(default)]
    claims: Vec<Claim>,
    /// What the report's text may name.
    #[serde(default)]
    numbers: Vec<Number>,
}

impl Results {
    /// Those of this notebook, with this store for what is missing.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown profile; [`Error::Io`], [`Error::Checkpoint`] if the file cannot be read.
    pub fn open(notebook: &str, store: RunStore) -> Result<Self> {
        let path = project_root().join("notebooks").join("results").join(format!("{notebook}.json"));
        let results = Self::at((Profile::from_env()? == Profile::Report).then_some(path), store)?;
        let redrawn = environment::variable("VAEB_REDRAW")?.is_some();
        Ok(if redrawn { Self { path: None, ..results } } else { results })
    }

    /// Those of this file, or of none, whatever the profile.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Checkpoint`] if the file cannot be read.
    pub fn at(path: Option<PathBuf>, store: RunStore) -> Result<Self> {
        let entries = path.as_deref().filter(|path| path.exists()).map(read).transpose()?.unwrap_or_default();
        Ok(Self { store, path, entries, asked: BTreeSet::new(), claims: Vec::new(), numbers: Vec::new() })
    }

    /// The results of a grid, in its order: from the file, from the store, or trained. What was made is in the file even if others fail.
    ///
    /// # Errors
    /// Those of [`RunStore::run_grid`]; [`Error::Io`] if the file cannot be written.
    pub fn run(&mut self, grid: &Grid) -> Result<Vec<RunResult>> {
        let hashes: Vec<String> = grid.runs.iter().map(|(_, config)| config.hash()).collect();
        self.asked.extend(hashes.iter().cloned());
        let known =
            |config: &RunConfig, hash: &String| self.entries.runs.get(hash).is_some_and(|e| e.config == *config);
        let missing = grid.runs.iter().zip(&hashes).filter(|((_, config), hash)| !known(config, hash));
        let missing = Grid { runs: missing.map(|(run, _)| run.clone()).collect() };
        if !missing.runs.is_empty() {
            make(&self.store, &self.origins(missing.runs.iter().map(|(_, config)| config)))?;
            let made = self.store.run_grid(&missing);
            for (_, config) in &missing.runs {
                if let Some(run) = self.store.read(config)? {
                    self.entries.runs.insert(config.hash(), run.result);
                }
            }
            self.write()?;
            made?;
        }
        let unfinished = || Error::config("runs", "some were asked to stop before their end; run again to go on");
        hashes.iter().map(|hash| self.entries.runs.get(hash).cloned().ok_or_else(unfinished)).collect()
    }

    /// Something that takes a run's model: from the file, or computed from the run, which is read from the store or trained. `what` names it,
    /// with all that it depends on but the run ("squared error, 1000 test images").
    ///
    /// # Errors
    /// Those of [`RunStore::run`] and of `compute`; [`Error::Config`] if `what` is already the name of something of another type;
    /// [`Error::Io`] if the file cannot be written.
    pub fn derive<T: Serialize + DeserializeOwned>(
        &mut self,
        what: &str,
        config: &RunConfig,
        compute: impl FnOnce(&Run) -> Result<T>,
    ) -> Result<T> {
        let (store, origins) = (self.store.clone(), self.origins(std::iter::once(config)));
        self.kept(format!("{} {what}", config.hash()), || {
            make(&store, &origins)?;
            compute(&store.run(config)?)
        })
    }

    /// The same of each of several runs, with the data that it was trained on, which are loaded once and only if something is to be computed.
    ///
    /// # Errors
    /// As [`derive`](Self::derive), and those of [`DatasetConfig::load`].
    pub fn derive_each<T: Serialize + DeserializeOwned>(
        &mut self,
        what: &str,
        runs: &[RunResult],
        compute: impl Fn(&Run, &Dataset) -> Result<T>,
    ) -> Result<Vec<T>> {
        let (store, mut loaded) = (self.store.clone(), None::<Dataset>);
        let of_run = |run: &RunResult| {
            let (config, origins) = (&run.config, self.origins(std::iter::once(&run.config)));
            self.kept(format!("{} {what}", config.hash()), || {
                let data = match loaded.take().filter(|data| data.config == config.data) {
                    Some(data) => data,
                    None => config.data.load()?,
                };
                make(&store, &origins)?;
                let value = compute(&store.run(config)?, &data);
                loaded = Some(data);
                value
            })
        };
        runs.iter().map(of_run).collect()
    }

    /// The same of a data set, which is loaded only where it is computed.
    ///
    /// # Errors
    /// Those of [`DatasetConfig::load`] and of `compute`; otherwise as [`derive`](Self::derive).
    pub fn of_data<T: Serialize + DeserializeOwned>(
        &mut self,
        what: &str,
        data: &DatasetConfig,
        compute: impl FnOnce(&Dataset) -> Result<T>,
    ) -> Result<T> {
        let name = serde_json::to_string(data).unwrap_or_default();
        self.kept(format!("{name} {what}"), || compute(&data.load()?))
    }

    /// The same of neither model nor data, where it takes time.
    ///
    /// # Errors
    /// Those of `compute`; otherwise as [`derive`](Self::derive).
    pub fn computed<T: Serialize + DeserializeOwned>(
        &mut self,
        what: &str,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.kept(what.to_owned(), compute)
    }

    /// Numbers of training, validation and test images.
    ///
    /// # Errors
    /// As [`of_data`](Self::of_data).
    pub fn images(&mut self, data: &DatasetConfig) -> Result<[usize; 3]> {
        self.of_data("images", data, |data| Ok([data.train.len(), data.valid.len(), data.test.len()]))
    }

    /// The runs that these begin with, where only their numbers are here: a store without them makes them.
    fn origins<'a>(&self, configs: impl Iterator<Item = &'a RunConfig>) -> Vec<RunConfig> {
        let hashes: BTreeSet<&str> = configs.filter_map(|config| config.start.as_ref()?.run_hash()).collect();
        let of = |hash: &&str| {
            let config = &self.entries.runs.get(*hash)?.config;
            let mut origins = self.origins(std::iter::once(config));
            origins.push(config.clone());
            Some(origins)
        };
        hashes.iter().filter_map(of).flatten().collect()
    }

    fn kept<T: Serialize + DeserializeOwned>(&mut self, key: String, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let bad = |e: serde_json::Error| Error::config("what", format!("({key:?}) stands for something else: {e}"));
        self.asked.insert(key.clone());
        if let Some(value) = self.entries.derived.get(&key) {
            return serde_json::from_value(value.clone()).map_err(bad);
        }
        let made = make()?;
        let value = serde_json::to_value(&made).map_err(bad)?;
        // JSON has neither NaN nor infinity: what would not be read again is not kept
        serde_json::from_value::<T>(value.clone()).map_err(|e| {
            let reason = format!("({key:?}) cannot be read again ({e}); for NaN and infinity use Option and None");
            Error::config("what", reason)
        })?;
        self.entries.derived.insert(key, value);
        self.write()?;
        Ok(made)
    }

    /// Records a claim of the report and what became of it, for the table of all claims. Those of the last time go with
    /// [`finish`](Self::finish).
    pub fn claim(&mut self, claim: Claim) {
        self.claims.push(claim);
    }

    /// Records a number of some runs for the report's text, as it is to be printed there. As claims, those of the last time go with
    /// [`finish`](Self::finish).
    pub fn number(&mut self, name: &str, text: impl Into<String>, unit: &str, runs: &[RunResult]) {
        let runs: BTreeSet<String> = runs.iter().map(|run| run.config.hash()).collect();
        let (name, unit) = (name.to_owned(), unit.to_owned());
        let runs = runs.into_iter().collect();
        self.numbers.push(Number { name, text: text.into(), unit, runs, commit: String::new() });
    }

    /// Drops what was not asked for since it was opened, and returns how many entries that were.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn finish(&mut self) -> Result<usize> {
        let Entries { runs, derived, .. } = &mut self.entries;
        let before = runs.len() + derived.len();
        runs.retain(|hash, _| self.asked.contains(hash));
        derived.retain(|key, _| self.asked.contains(key));
        let dropped = before - runs.len() - derived.len();
        self.entries.claims = std::mem::take(&mut self.claims);
        self.entries.numbers = std::mem::take(&mut self.numbers);
        if !self.entries.numbers.is_empty() {
            let commit = git_commit();
            self.entries.numbers.iter_mut().for_each(|number| number.commit.clone_from(&commit));
        }
        self.write()?;
        Ok(dropped)
    }

    /// One line an entry, so that a change is a line in a comparison.
    fn write(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let text = format!(
            "{{\"runs\": {{\n{}\n}}, \"derived\": {{\n{}\n}}, \"claims\": [\n{}\n], \"numbers\": [\n{}\n]}}\n",
            lines(&self.entries.runs)?,
            lines(&self.entries.derived)?,
            listed(&self.entries.claims)?,
            listed(&self.entries.numbers)?
        );
        write_atomic(path, text.as_bytes())
    }
}

/// The runs that others begin with, unless they are there.
fn make(store: &RunStore, origins: &[RunConfig]) -> Result<()> {
    origins.iter().try_for_each(|config| store.run(config).map(|_| ()))
}

/// The committed claims of all notebooks, in the order of their sections.
///
/// # Errors
/// [`Error::Io`], [`Error::Checkpoint`] if a file in `notebooks/results` cannot be read.
pub fn claims() -> Result<Vec<Claim>> {
    let folder = project_root().join("notebooks").join("results");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut files: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    let mut all = Vec::new();
    for path in files {
        all.extend(read(&path)?.claims);
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Entries> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|e| Error::Checkpoint {
        path: path.to_owned(),
        reason: format!("{e}; take the committed file (`git checkout`), or delete it to train its runs anew"),
    })
}

fn json(entry: &impl Serialize) -> Result<String> {
    serde_json::to_string(entry).map_err(|e| Error::config("results", e.to_string()))
}

fn listed(entries: &[impl Serialize]) -> Result<String> {
    Ok(entries.iter().map(json).collect::<Result<Vec<_>>>()?.join(",\n"))
}

fn lines(entries: &BTreeMap<String, impl Serialize>) -> Result<String> {
    let line = |(key, entry): (&String, _)| Ok(format!("{}: {}", Value::from(key.as_str()), json(&entry)?));
    Ok(entries.iter().map(line).collect::<Result<Vec<_>>>()?.join(",\n"))
}
