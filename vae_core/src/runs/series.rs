//! More budget continues: a run goes on from where a stored one ended that differs from it only in a smaller budget.
//!
//! A finished run keeps `end.safetensors`, a checkpoint of its last update. Without it, a larger budget begins anew.
//! `<store>/series/<hash but budget>/<updates>-<hash>`, an empty file, says which runs
//! there are, so that nothing else need be read; processes that write them at the same time do not meet.

use std::fs::{self, File};
use std::path::PathBuf;

use super::audience::Watcher;
use super::store::RunStore;
use crate::config::RunConfig;
use crate::data::dataset::Dataset;
use crate::train::{Trainer, checkpoint};
use crate::{Error, Result};

/// What a finished run keeps for a larger budget.
const END: &str = "end.safetensors";

impl RunStore {
    fn series(&self, config: &RunConfig) -> PathBuf {
        self.folder().join("series").join(config.hash_but_budget())
    }

    /// Keeps the end of a run for a larger budget, if that can go on from it.
    pub(super) fn keep_end(&self, trainer: &Trainer) -> Result<()> {
        let config = trainer.config();
        if config.bound_to_budget().is_none() {
            checkpoint::save(trainer, &self.path(config).join(END))?;
        }
        self.mark_end(config, trainer.updates())
    }

    /// Says that this run is here and ended after so many updates.
    pub(super) fn mark_end(&self, config: &RunConfig, updates: u64) -> Result<()> {
        let folder = self.series(config);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let name = folder.join(format!("{updates}-{}", config.hash()));
        File::create(&name).map_err(Error::io("create", &name))?;
        Ok(())
    }

    /// A trainer at the end of the longest stored run with at most so many updates that differs from this configuration only
    /// in its budget. Where there are such runs but none will do, the watcher is told why.
    pub(super) fn continue_shorter(
        &self,
        config: &RunConfig,
        data: &Dataset,
        total: u64,
        watcher: &mut dyn Watcher,
    ) -> Option<Trainer> {
        let mut why_not = None;
        for (updates, hash) in self.shorter(config, total) {
            let refused = match config.bound_to_budget() {
                Some(reason) => reason.to_owned(),
                None => match checkpoint::load_shorter(config, data, &self.folder().join(&hash).join(END)) {
                    Ok(trainer) => {
                        let place = trainer.place();
                        watcher.tell(&format!("going on from {place}, where run {hash} with a smaller budget ended"));
                        return Some(trainer);
                    }
                    Err(Error::Checkpoint { reason, .. }) => reason,
                    Err(error) => error.to_string(),
                },
            };
            let line = format!("training anew, not on from the {updates} updates of run {hash}: {refused}");
            why_not.get_or_insert(line);
        }
        if let Some(line) = why_not {
            watcher.tell(&line);
        }
        None
    }

    /// Updates and hash of the stored runs of the same series, the longest first.
    fn shorter(&self, config: &RunConfig, total: u64) -> Vec<(u64, String)> {
        let Ok(entries) = fs::read_dir(self.series(config)) else { return Vec::new() };
        let mut runs: Vec<(u64, String)> = entries
            .flatten()
            .filter_map(|entry| {
                let (updates, hash) =
                    entry.file_name().to_str()?.split_once('-').map(|(u, h)| (u.parse(), h.to_owned()))?;
                // Of a run that was deleted, its mark remains.
                updates.ok().filter(|u| *u <= total).filter(|_| self.folder().join(&hash).is_dir()).map(|u| (u, hash))
            })
            .collect();
        runs.sort_unstable_by(|a, b| b.cmp(a));
        runs
    }
}
