//! The store of runs: a run that was made is read, one that was cut off goes on, any other is trained.
//!
//! `<store>/<hash>/` holds `result.json` and `model.safetensors` of a finished run, `checkpoint.safetensors` of one that
//! was cut off, `last_good.safetensors` of one that diverged, and `lock`. The store is `VAEB_RUNS`, or `data/runs` in
//! the checkout.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::audience::{Audience, NoAudience, Watcher};
use super::provenance::git_commit;
use super::result::{Run, RunResult, model_file};
use crate::config::RunConfig;
use crate::data::dataset::Dataset;
use crate::data::locate::project_root;
use crate::estimators::Bound;
use crate::files::{read_tensors, remove_scraps, write_atomic, write_tensors};
use crate::kernel::Training;
use crate::models::Vae;
use crate::threads;
use crate::train::observer::{Checkpointer, StopFlag};
use crate::train::{Outcome, Trainer, checkpoint};
use crate::{Error, Result};

/// Steps of fewer operations are done before a second thread has woken up.
const WORTH_DIVIDING: f64 = 2e7;

/// A folder of runs.
#[derive(Clone, Debug)]
pub struct RunStore {
    folder: PathBuf,
    /// Threads to use; if `None`, `VAEB_THREADS` or all cores. The results do not depend on it.
    pub threads: Option<usize>,
    /// A checkpoint is written at least this often.
    pub checkpoint_every: Duration,
    /// Asks the runs under way to stop.
    pub stop: StopFlag,
    /// Who watches; at first, nobody.
    pub audience: Arc<dyn Audience>,
}

impl RunStore {
    /// In `VAEB_RUNS`, or `data/runs` in the checkout.
    pub fn open() -> Self {
        let set = std::env::var_os("VAEB_RUNS").filter(|folder| !folder.is_empty());
        Self::at(set.map_or_else(|| project_root().join("data").join("runs"), PathBuf::from))
    }

    /// In this folder, which is made when needed.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            threads: None,
            checkpoint_every: Duration::from_secs(20),
            stop: StopFlag::default(),
            audience: Arc::new(NoAudience),
        }
    }

    /// The same with an audience, say [`Screen`](crate::live::Screen).
    #[must_use]
    pub fn watched_by(mut self, audience: impl Audience + 'static) -> Self {
        self.audience = Arc::new(audience);
        self
    }

    /// Where the run of a configuration lies.
    pub fn path(&self, config: &RunConfig) -> PathBuf {
        self.folder.join(config.hash())
    }

    /// The run of this configuration on its data, which are loaded.
    ///
    /// # Errors
    /// As [`run_on`](Self::run_on), and those of [`DatasetConfig::load`](crate::data::DatasetConfig::load).
    pub fn run(&self, config: &RunConfig) -> Result<Run> {
        match self.read(config)? {
            Some(run) => Ok(run),
            None => self.run_on(config, &config.data.load()?),
        }
    }

    /// The run of this configuration on these data: read if it was made, continued if it was cut off, trained otherwise.
    /// A run that was asked to stop is returned as it is; it goes on when it is asked for again without a standing request.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Io`]; [`Error::NonFinite`] if training diverged: `last_good.safetensors` then holds the
    /// parameters of the last record.
    pub fn run_on(&self, config: &RunConfig, data: &Dataset) -> Result<Run> {
        self.run_watched(config, data, self.audience.run(), self.threads()?)
    }

    /// The finished run of this configuration, if there is one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is damaged.
    pub fn read(&self, config: &RunConfig) -> Result<Option<Run>> {
        let folder = self.path(config);
        let path = folder.join("result.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let damaged = |reason: String| Error::Checkpoint {
            path: path.clone(),
            reason: format!("{reason}; delete {} to train anew", folder.display()),
        };
        let result: RunResult = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if result.config != *config {
            return Err(damaged("belongs to another configuration".into()));
        }
        let (height, width) = config.data.kind.image_shape();
        let mut model = Vae::new(&config.model, height * width, config.seed)?;
        let file = folder.join("model.safetensors");
        let tensors = read_tensors(&file, 4 * model.params().len() as u64 + (1 << 20))?;
        for tensor in model.layout().tensors().to_vec() {
            let values = tensors.f32(&tensor.name, tensor.len(), &file)?;
            model.params_mut()[tensor.range()].copy_from_slice(&values);
        }
        Ok(Some(Run { result, model }))
    }

    pub(super) fn threads(&self) -> Result<usize> {
        self.threads.map_or_else(threads::available, threads::check)
    }

    pub(super) fn run_watched(
        &self,
        config: &RunConfig,
        data: &Dataset,
        mut watcher: Box<dyn Watcher + '_>,
        threads: usize,
    ) -> Result<Run> {
        let fresh = Trainer::new(config, data)?; // refuses nonsense before anything is written
        let folder = self.path(config);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let lock = File::create(folder.join("lock")).map_err(Error::io("create", folder.join("lock")))?;
        // A file system without locks is no reason not to train.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            watcher.tell("another process is training this run; waiting for it");
            lock.lock().map_err(Error::io("lock", folder.join("lock")))?;
        }
        if let Some(run) = self.read(config)? {
            return Ok(run);
        }
        // Up to the stored result: an Interrupt after the last update must not lose the run.
        let _training = Training::begin();
        remove_scraps(&folder)?;
        let path = folder.join("checkpoint.safetensors");
        let mut trainer = fresh;
        if path.exists() {
            trainer = checkpoint::load(config, data, &path)?;
            watcher.tell(&format!("going on from update {} of {}", trainer.updates(), trainer.total_updates()));
        }
        if trainer.flop_per_sample() * config.batch as f64 > WORTH_DIVIDING {
            trainer = trainer.on_threads(threads)?;
        }
        let outcome = self.fit(&mut trainer, data, watcher.as_mut(), &path);
        let (complete, stopped) = match outcome {
            Ok(Outcome::Finished) => (true, None),
            Ok(Outcome::EarlyStopped(reason)) => (true, Some(reason)),
            Ok(Outcome::Stopped(reason)) => {
                checkpoint::save(&trainer, &path)?;
                (false, Some(reason))
            }
            Err(error @ Error::NonFinite { .. }) => {
                write_tensors(&folder.join("last_good.safetensors"), &model_file(config, trainer.model()))?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let (valid, test) = if stopped.as_deref() == Some(Training::INTERRUPTED) {
            let unknown = Bound::new(f64::NAN, f64::NAN);
            (trainer.history().last().map_or(unknown, |record| record.valid), unknown)
        } else {
            let bound = |split, images| finite(split, &trainer, trainer.evaluate(images, config.evaluation)?);
            (bound("validation", &data.valid)?, bound("test", &data.test)?)
        };
        let result = RunResult {
            config: config.clone(),
            dataset: (data.name.clone(), data.sha256.clone()),
            history: trainer.history().clone(),
            valid,
            test,
            stopped,
            git_commit: git_commit(),
            seconds: trainer.seconds(),
        };
        let run = Run { result, model: trainer.model().clone() };
        if complete {
            write_tensors(&folder.join("model.safetensors"), &model_file(config, &run.model))?;
            let json = serde_json::to_vec_pretty(&run.result).map_err(|e| Error::config("result", e.to_string()))?;
            write_atomic(&folder.join("result.json"), &json)?;
            if path.exists() {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(run)
    }

    fn fit(
        &self,
        trainer: &mut Trainer,
        data: &Dataset,
        watcher: &mut dyn Watcher,
        checkpoint: &Path,
    ) -> Result<Outcome> {
        let mut checkpointer = Checkpointer::new(checkpoint, u64::MAX, self.checkpoint_every);
        let mut stop = self.stop.clone();
        trainer.fit(data, &mut [&mut checkpointer, &mut stop, watcher])
    }
}

/// A bound that can be stored, or the error that says which one cannot.
fn finite(split: &str, trainer: &Trainer, bound: Bound) -> Result<Bound> {
    if bound.bound.is_finite() {
        return Ok(bound);
    }
    Err(Error::NonFinite { step: trainer.updates(), quantity: format!("the {split} bound"), value: bound.bound })
}
