//! Several runs side by side.

use std::sync::Mutex;

use super::result::Run;
use super::store::{RunStore, is_damage};
use crate::config::{Grid, RunConfig};
use crate::data::dataset::{Dataset, DatasetConfig};
use crate::kernel::Training;
use crate::{Error, Result};

/// A run of a sweep that is still to be made.
struct Open {
    /// Its place in the list, and among those that are still to be made, in the order of the list.
    index: usize,
    row: usize,
    /// What it takes, in units that only compare.
    work: f64,
}

impl RunStore {
    /// All runs, as many side by side as there are threads, the longest first; in the order of the list. Each is stored when it is
    /// finished. If one fails, the others are made all the same.
    ///
    /// # Errors
    /// [`Error::Sweep`] naming every run that failed; the error itself if there is only one run. [`Error::Interrupted`] after SIGINT
    /// (Interrupt, Ctrl-C) if not all were finished: those under way are kept as checkpoints.
    pub fn run_all(&self, configs: &[RunConfig]) -> Result<Vec<Run>> {
        let name = |(i, c): (usize, &RunConfig)| {
            format!("{}/{} · N_z {} · seed {}", i + 1, configs.len(), c.model.latent, c.seed)
        };
        self.run_named(configs.iter().enumerate().map(|(i, config)| (name((i, config)), config.clone())).collect())
    }

    /// [`run_all`](Self::run_all) of a grid, with its names.
    ///
    /// # Errors
    /// As there.
    pub fn run_grid(&self, grid: &Grid) -> Result<Vec<Run>> {
        self.run_named(grid.runs.clone())
    }

    fn run_named(&self, list: Vec<(String, RunConfig)>) -> Result<Vec<Run>> {
        let mut data: Vec<(DatasetConfig, Dataset)> = Vec::new();
        let mut slots: Vec<Option<Result<Run>>> = Vec::new();
        for (_, config) in &list {
            // what is damaged is made anew, under the run's lock
            let made = match self.read(config) {
                Err(error) if is_damage(&error) => None,
                made => made.transpose(),
            };
            if made.is_none() && data.iter().all(|d| d.0 != config.data) {
                // what cannot be loaded is an error of its run, later
                data.extend(config.data.load().ok().map(|set| (config.data, set)));
            }
            slots.push(made);
        }
        let data_of = |config: &RunConfig| data.iter().find(|d| d.0 == config.data).map(|d| &d.1);
        let missing = (0..list.len()).filter(|&i| slots[i].is_none()).enumerate();
        let work = |config: &RunConfig| data_of(config).map_or(0.0, |data| work(config, data));
        let mut open: Vec<Open> = missing.map(|(row, index)| Open { index, row, work: work(&list[index].1) }).collect();
        let total = list.len();
        let lost = || Error::config("runs", "a training thread died; run again to go on from its checkpoint");
        if !open.is_empty() {
            self.list(open.iter().map(|run| list[run.index].clone()))?;
            let audience = self.audience.sweep(open.iter().map(|run| list[run.index].0.clone()).collect());
            let training = Training::begin();
            open.sort_by(|a, b| a.work.total_cmp(&b.work)); // the longest at the end, from where they are taken
            let threads = self.threads()?;
            let side_by_side = threads.min(open.len());
            let (queue, made) = (Mutex::new(open), Mutex::new(slots));
            std::thread::scope(|scope| {
                for _ in 0..side_by_side {
                    scope.spawn(|| {
                        while let Some(Open { index, row, .. }) = queue.lock().ok().and_then(|mut q| q.pop()) {
                            if training.interrupted() {
                                break;
                            }
                            let (config, watcher) = (&list[index].1, audience.run(row));
                            let run = match data_of(config) {
                                Some(data) => self.run_watched(config, data, watcher, threads / side_by_side),
                                None => self.run(config),
                            };
                            audience.made(row, run.as_ref());
                            if let Ok(mut made) = made.lock() {
                                made[index] = Some(run);
                            }
                        }
                    });
                }
            });
            audience.end();
            slots = made.into_inner().map_err(|_| lost())?;
            let whole = |run: &Run| run.result.stopped.as_deref() != Some(Training::INTERRUPTED);
            let finished = slots.iter().flatten().flatten().filter(|run| whole(run)).count();
            // Figures and means of half a sweep would be wrong without saying so.
            if finished < total && training.interrupted() {
                return Err(Error::Interrupted { finished, runs: total });
            }
        }
        let made: Vec<Result<Run>> = slots.into_iter().map(|slot| slot.unwrap_or_else(|| Err(lost()))).collect();
        if total == 1 {
            return made.into_iter().collect();
        }
        let failed = |(run, (name, _)): (&Result<Run>, &(String, RunConfig))| {
            run.as_ref().err().map(|error| format!("{name}: {error}"))
        };
        let failures: Vec<String> = made.iter().zip(&list).filter_map(failed).collect();
        if failures.is_empty() { made.into_iter().collect() } else { Err(Error::Sweep { failures, runs: total }) }
    }
}

/// Multiply-adds of a run's training, about: one for each parameter that a sample meets.
fn work(config: &RunConfig, data: &Dataset) -> f64 {
    let (encoder, decoder) = config.model.sizes(data.dim());
    let (m, l) = (config.batch.max(1), config.estimator.samples as f64);
    config.budget.samples(m, (data.train.len() / m) as u64) as f64 * (encoder as f64 + l * decoder as f64)
}
