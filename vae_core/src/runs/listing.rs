//! Runs on several machines: the list of those that a program asks for, instead of the work; and stores that become one.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store::RunStore;
use crate::config::{Grid, RunConfig};
use crate::files::write_atomic;
use crate::{Error, Result};

/// A run of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    config: RunConfig,
}

impl Grid {
    /// A list of runs that [`to_json`](Self::to_json) wrote, or a program with `VAEB_LIST`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Checkpoint`] if it is no such list.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let bad = |e: serde_json::Error| Error::Checkpoint {
            path: path.to_owned(),
            reason: format!("is no list of runs: {e}; make one with `cargo notebooks sweep NOTEBOOK --list`"),
        };
        let list: Vec<Listed> = serde_json::from_str(&text).map_err(bad)?;
        Ok(Self { runs: list.into_iter().map(|run| (run.name, run.config)).collect() })
    }

    /// The list as JSON, a run a line.
    ///
    /// # Errors
    /// None that a valid configuration can cause.
    pub fn to_json(&self) -> Result<String> {
        let line = |(name, config): &(String, RunConfig)| {
            serde_json::to_string(&Listed { name: name.clone(), config: config.clone() })
                .map_err(|e| Error::config("runs", e.to_string()))
        };
        Ok(format!("[\n{}\n]\n", self.runs.iter().map(line).collect::<Result<Vec<_>>>()?.join(",\n")))
    }

    /// Part `part` of `parts`, counted from 1: every so many-th run, so that all parts have of the long ones.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no such part.
    pub fn slice(&self, part: usize, parts: usize) -> Result<Self> {
        if part == 0 || part > parts {
            return Err(Error::config("slice", format!("is {part} of {parts}; parts are counted from 1")));
        }
        Ok(Self { runs: self.runs.iter().skip(part - 1).step_by(parts).cloned().collect() })
    }
}

/// What became of the runs of another store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Taken over.
    pub taken: usize,
    /// Already here; left as they are.
    pub known: usize,
}

impl RunStore {
    /// The same that trains nothing: what it is asked for and does not have goes to this file, and the call fails with
    /// [`Error::Listed`]. `VAEB_LIST` does it for [`open`](Self::open).
    #[must_use]
    pub fn listing_to(mut self, path: impl Into<PathBuf>) -> Self {
        self.listing = Some(path.into());
        self
    }

    /// Lists these, if that is what it is for.
    pub(super) fn list(&self, missing: impl Iterator<Item = (String, RunConfig)>) -> Result<()> {
        let Some(path) = &self.listing else { return Ok(()) };
        let grid = Grid { runs: missing.collect() };
        write_atomic(path, grid.to_json()?.as_bytes())?;
        Err(Error::Listed { runs: grid.runs.len(), path: path.clone() })
    }

    /// Takes over the finished runs of another store, each read and checked first. None that is here is touched.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Checkpoint`] naming a run there that is damaged: those before it are taken over.
    pub fn merge(&self, other: &Self) -> Result<Merged> {
        let mut merged = Merged::default();
        let entries = fs::read_dir(other.folder()).map_err(Error::io("read", other.folder()))?;
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.retain(|folder| folder.join("result.json").is_file());
        folders.sort();
        for folder in folders {
            let run = other.read_folder(&folder)?;
            let to = self.path(&run.result.config);
            if to.join("result.json").exists() {
                merged.known += 1;
                continue;
            }
            fs::create_dir_all(&to).map_err(Error::io("create", &to))?;
            // the result last: it says that the others are there
            for name in ["model.safetensors", "end.safetensors", "result.json"] {
                let from = folder.join(name);
                if from.is_file() {
                    let bytes = fs::read(&from).map_err(Error::io("read", &from))?;
                    write_atomic(&to.join(name), &bytes)?;
                }
            }
            let updates = run.result.history.records.last().map_or(0, |record| record.updates);
            self.mark_end(&run.result.config, updates)?;
            merged.taken += 1;
        }
        Ok(merged)
    }
}
