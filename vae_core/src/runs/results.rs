//! Committed results of a notebook: what it needs to redraw its curves, tables and verdicts without data and without time.
//!
//! `notebooks/results/<notebook>.json`: for the `report` profile each run's configuration, history and final numbers, by the hash of its
//! configuration; no parameters. An entry whose hash is asked for is used, a missing one is trained (or read from the store) and merged in;
//! one that nobody asked for is dropped by [`finish`](Results::finish).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::result::RunResult;
use super::store::RunStore;
use crate::config::{Grid, Profile, RunConfig};
use crate::data::locate::project_root;
use crate::files::write_atomic;
use crate::{Error, Result};

/// The results of a notebook.
#[derive(Clone, Debug)]
pub struct Results {
    store: RunStore,
    /// The file; none but for the `report` profile.
    path: Option<PathBuf>,
    entries: BTreeMap<String, RunResult>,
    asked: BTreeSet<String>,
}

impl Results {
    /// Those of this notebook, with this store for what is missing.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown profile; [`Error::Io`], [`Error::Checkpoint`] if the file cannot be read.
    pub fn open(notebook: &str, store: RunStore) -> Result<Self> {
        let path = project_root().join("notebooks").join("results").join(format!("{notebook}.json"));
        Self::at((Profile::from_env()? == Profile::Report).then_some(path), store)
    }

    /// Those of this file, or of none, whatever the profile.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Checkpoint`] if the file cannot be read.
    pub fn at(path: Option<PathBuf>, store: RunStore) -> Result<Self> {
        let mut entries = BTreeMap::new();
        if let Some(path) = path.as_ref().filter(|path| path.exists()) {
            let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
            let damaged = |e: serde_json::Error| Error::Checkpoint {
                path: path.clone(),
                reason: format!("{e}; take the committed file (`git checkout`), or delete it to train its runs anew"),
            };
            entries = serde_json::from_str(&text).map_err(damaged)?;
        }
        Ok(Self { store, path, entries, asked: BTreeSet::new() })
    }

    /// The results of a grid, in its order: from the file, from the store, or trained. What was made is in the file even if others fail.
    ///
    /// # Errors
    /// Those of [`RunStore::run_grid`]; [`Error::Io`] if the file cannot be written.
    pub fn run(&mut self, grid: &Grid) -> Result<Vec<RunResult>> {
        let hashes: Vec<String> = grid.runs.iter().map(|(_, config)| config.hash()).collect();
        self.asked.extend(hashes.iter().cloned());
        let known = |config: &RunConfig, hash: &String| self.entries.get(hash).is_some_and(|e| e.config == *config);
        let missing = grid.runs.iter().zip(&hashes).filter(|((_, config), hash)| !known(config, hash));
        let missing = Grid { runs: missing.map(|(run, _)| run.clone()).collect() };
        if !missing.runs.is_empty() {
            let made = self.store.run_grid(&missing);
            for (_, config) in &missing.runs {
                if let Some(run) = self.store.read(config)? {
                    self.entries.insert(config.hash(), run.result);
                }
            }
            self.write()?;
            made?;
        }
        let unfinished = || Error::config("runs", "some were asked to stop before their end; run again to go on");
        hashes.iter().map(|hash| self.entries.get(hash).cloned().ok_or_else(unfinished)).collect()
    }

    /// Drops what was not asked for since it was opened, and returns how many were.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn finish(&mut self) -> Result<usize> {
        let before = self.entries.len();
        self.entries.retain(|hash, _| self.asked.contains(hash));
        self.write()?;
        Ok(before - self.entries.len())
    }

    /// One line a run, so that a change is a line in a comparison.
    fn write(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let bad = |e: serde_json::Error| Error::config("results", e.to_string());
        let line = |(hash, result): (&String, &RunResult)| {
            Ok(format!("\"{hash}\": {}", serde_json::to_string(result).map_err(bad)?))
        };
        let lines = self.entries.iter().map(line).collect::<Result<Vec<_>>>()?;
        write_atomic(path, format!("{{\n{}\n}}\n", lines.join(",\n")).as_bytes())
    }
}
