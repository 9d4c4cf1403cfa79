//! Several runs side by side.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::result::Run;
use super::store::RunStore;
use crate::config::RunConfig;
use crate::data::dataset::{Dataset, DatasetConfig};
use crate::kernel::Training;
use crate::{Error, Result};

impl RunStore {
    /// All runs, as many side by side as there are threads, in the order of the list; finished ones are kept if one fails.
    ///
    /// # Errors
    /// The first error of a run; [`Error::Interrupted`] after SIGINT (Interrupt, Ctrl-C) if not all were finished: those
    /// under way are kept as checkpoints.
    pub fn run_all(&self, configs: &[RunConfig]) -> Result<Vec<Run>> {
        let mut data: Vec<(DatasetConfig, Dataset)> = Vec::new();
        let mut slots: Vec<Option<Result<Run>>> = Vec::new();
        for config in configs {
            let made = self.read(config)?;
            if made.is_none() && data.iter().all(|d| d.0 != config.data) {
                data.push((config.data, config.data.load()?));
            }
            slots.push(made.map(Ok));
        }
        let open: Vec<usize> = (0..configs.len()).filter(|&i| slots[i].is_none()).collect();
        if open.is_empty() {
            return slots.into_iter().flatten().collect();
        }
        let name = |i: usize| {
            format!("{}/{} · N_z {} · seed {}", i + 1, configs.len(), configs[i].model.latent, configs[i].seed)
        };
        let audience = self.audience.sweep(open.iter().map(|&i| name(i)).collect());
        let training = Training::begin();
        let queue: Mutex<VecDeque<(usize, usize)>> = Mutex::new(open.iter().copied().enumerate().collect());
        let slots = Mutex::new(slots);
        let threads = self.threads()?;
        let side_by_side = threads.min(open.len());
        std::thread::scope(|scope| {
            for _ in 0..side_by_side {
                scope.spawn(|| {
                    while let Some((row, i)) = queue.lock().ok().and_then(|mut q| q.pop_front()) {
                        if training.interrupted() {
                            break;
                        }
                        let (config, watcher) = (&configs[i], audience.run(row));
                        let run = match data.iter().find(|d| d.0 == config.data) {
                            Some((_, data)) => self.run_watched(config, data, watcher, threads / side_by_side),
                            None => self.run(config),
                        };
                        audience.made(row, run.as_ref());
                        if let Ok(mut slots) = slots.lock() {
                            slots[i] = Some(run);
                        }
                    }
                });
            }
        });
        audience.end();
        let lost = || Error::config("runs", "a training thread died; run again to go on from its checkpoint");
        let slots = slots.into_inner().map_err(|_| lost())?;
        let interrupted = training.interrupted();
        let whole = |run: &Run| run.result.stopped.as_deref() != Some(Training::INTERRUPTED);
        let finished = slots.iter().flatten().flatten().filter(|run| whole(run)).count();
        let runs: Vec<Run> = slots
            .into_iter()
            .filter(|slot| slot.is_some() || !interrupted)
            .map(|slot| slot.unwrap_or_else(|| Err(lost())))
            .collect::<Result<_>>()?;
        // Figures and means of half a sweep would be wrong without saying so.
        if finished < configs.len() && interrupted {
            return Err(Error::Interrupted { finished, runs: configs.len() });
        }
        Ok(runs)
    }
}
