//! The store of runs: a run that was made is read, one that was cut off goes on, any other is trained.
//!
//! `<store>/<hash>/` holds `result.json` and `model.safetensors` of a finished run, `checkpoint.safetensors` of one that
//! was cut off, `last_good.safetensors` of one that diverged, and `lock`. The store is `VAEB_RUNS`, or `data/runs` in
//! the checkout.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config::RunConfig;
use super::provenance::{Provenance, git_commit};
use super::summary::Quantity;
use crate::data::dataset::{Dataset, DatasetConfig};
use crate::data::locate::project_root;
use crate::estimators::{Bound, Form};
use crate::figures::{Curve, mean_sd};
use crate::files::{TensorFile, read_tensors, remove_scraps, write_atomic, write_tensors};
use crate::live::{self, Sweep, SweepRow, Training};
use crate::models::Vae;
use crate::threads;
use crate::train::observer::{Checkpointer, Observer, Progress, StopFlag};
use crate::train::{History, Outcome, Trainer, checkpoint};
use crate::{Error, Result};

/// What a run gave. Equal configurations give equal results but for `seconds` and `git_commit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// The configuration.
    pub config: RunConfig,
    /// Name of the data set, and SHA-256 of its pixels.
    pub dataset: (String, String),
    /// The bounds on the way.
    pub history: History,
    /// On the validation split, at the end; of an interrupted run, at its last record (NaN if it has none).
    pub valid: Bound,
    /// On the test split, at the end; NaN for an interrupted run, which is to stop at once.
    pub test: Bound,
    /// Why it ended before its budget, if it did: early stopping, or a request.
    pub stopped: Option<String>,
    /// Commit of the checkout when it was finished, with "-dirty" where the code had been changed; empty outside one.
    pub git_commit: String,
    /// Seconds spent in updates and records.
    pub seconds: f64,
}

/// A run: its result and its model.
#[derive(Clone, Debug)]
pub struct Run {
    /// The result.
    pub result: RunResult,
    /// The trained model.
    pub model: Vae<f32>,
}

impl Run {
    /// The bounds on the way.
    pub fn history(&self) -> &History {
        &self.result.history
    }

    /// Two lines: what it was, and where it ended.
    pub fn summary(&self) -> String {
        let (c, r) = (&self.result.config, &self.result);
        let samples = r.history.last().map_or(0, |r| r.samples);
        let [train, valid, test] = [Quantity::Train, Quantity::Valid, Quantity::Test].map(|q| match q.of(self) {
            unknown if unknown.is_nan() => "–".to_owned(),
            bound => mean_sd(&[bound], 2),
        });
        let stopped = match r.stopped.as_deref() {
            None => String::new(),
            Some(Training::INTERRUPTED) => {
                " (stopped early: interrupted; run the cell again to go on from here)".to_owned()
            }
            Some(why) => format!(" (stopped: {why})"),
        };
        format!(
            "{}, N_z {}, L{} estimator, seed {}, {samples} samples{stopped}\n\
             lower bound in nats per datapoint: train {train} · validation {valid} · test {test}",
            r.dataset.0,
            c.model.latent,
            if c.estimator.form == Form::A { "ᴬ" } else { "ᴮ" },
            c.seed
        )
    }

    /// Shows the summary under a notebook cell.
    pub fn evcxr_display(&self) {
        println!("{}", self.summary());
    }

    /// Its learning curve.
    pub fn curve(&self, label: impl Into<String>) -> Curve {
        let history = self.history();
        Curve::new(label, history.samples(), history.train(), history.valid())
    }

    /// Where it comes from.
    pub fn provenance(&self) -> Provenance {
        Provenance::of_runs(std::slice::from_ref(self))
    }

    /// Writes the parameters for NumPy or PyTorch users: safetensors with the layout's names, weights `[inputs, outputs]`
    /// (a layer is h W + b; transpose for `torch.nn.Linear`), and the configuration as metadata `vae_core`. Of a head that
    /// holds two things the first half of the columns is μ, the second log σ².
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn export_parameters(&self, path: impl AsRef<Path>) -> Result<()> {
        write_tensors(path.as_ref(), &model_file(&self.result.config, &self.model))
    }
}

/// Steps of fewer operations are done before a second thread has woken up.
const WORTH_DIVIDING: f64 = 2e7;

/// A folder of runs.
#[derive(Clone, Debug)]
pub struct RunStore {
    folder: PathBuf,
    /// Threads to use; if `None`, `VAEB_THREADS` or all cores. The results do not depend on it.
    pub threads: Option<usize>,
    /// Lines of progress a run; 0 for none.
    pub progress_lines: u32,
    /// A checkpoint is written at least this often.
    pub checkpoint_every: Duration,
    /// Asks the runs under way to stop.
    pub stop: StopFlag,
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
            progress_lines: 12,
            checkpoint_every: Duration::from_secs(20),
            stop: StopFlag::default(),
        }
    }

    /// Where the run of a configuration lies.
    pub fn path(&self, config: &RunConfig) -> PathBuf {
        self.folder.join(config.hash())
    }

    /// The run of this configuration on its data, which are loaded.
    ///
    /// # Errors
    /// As [`run_on`](Self::run_on), and those of [`DatasetConfig::load`].
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
        self.run_watched(config, data, ("", None), self.threads()?)
    }

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
        let sweep = (self.progress_lines > 0 && live::enabled()).then(|| Sweep::new(open.iter().map(|&i| name(i))));
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
                        let (config, label) = (&configs[i], format!("[{}] ", name(i)));
                        let watch = sweep.as_ref().map(|sweep| sweep.row(row));
                        let run = match data.iter().find(|d| d.0 == config.data) {
                            Some((_, data)) => self.run_watched(config, data, (&label, watch), threads / side_by_side),
                            None => self.run(config),
                        };
                        if let Some(sweep) = &sweep {
                            sweep.made(row, run.as_ref());
                        }
                        if let Ok(mut slots) = slots.lock() {
                            slots[i] = Some(run);
                        }
                    }
                });
            }
        });
        if let Some(sweep) = sweep {
            sweep.end();
        }
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

    fn threads(&self) -> Result<usize> {
        self.threads.map_or_else(threads::available, threads::check)
    }

    fn run_watched(
        &self,
        config: &RunConfig,
        data: &Dataset,
        (label, row): (&str, Option<SweepRow<'_>>),
        threads: usize,
    ) -> Result<Run> {
        let fresh = Trainer::new(config, data)?; // refuses nonsense before anything is written
        let folder = self.path(config);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let lock = File::create(folder.join("lock")).map_err(Error::io("create", folder.join("lock")))?;
        // A file system without locks is no reason not to train.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            println!("{label}another process is training this run; waiting for it");
            lock.lock().map_err(Error::io("lock", folder.join("lock")))?;
        }
        if let Some(run) = self.read(config)? {
            if run.result.dataset.1 != data.sha256 {
                let reason = format!("was trained on other data; delete {} to train anew", folder.display());
                return Err(Error::Checkpoint { path: folder.join("result.json"), reason });
            }
            return Ok(run);
        }
        // Up to the stored result: an Interrupt after the last update must not lose the run.
        let _training = Training::begin();
        remove_scraps(&folder)?;
        let path = folder.join("checkpoint.safetensors");
        let mut trainer = fresh;
        if path.exists() {
            trainer = checkpoint::load(config, data, &path)?;
            println!("{label}going on from update {} of {}", trainer.updates(), trainer.total_updates());
        }
        if trainer.flop_per_sample() * config.batch as f64 > WORTH_DIVIDING {
            trainer = trainer.on_threads(threads)?;
        }
        let outcome = self.fit(&mut trainer, data, (label, row), &path);
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
        (label, row): (&str, Option<SweepRow<'_>>),
        checkpoint: &Path,
    ) -> Result<Outcome> {
        let mut checkpointer = Checkpointer::new(checkpoint, u64::MAX, self.checkpoint_every);
        let (mut stop, mut progress, mut row) = (self.stop.clone(), Progress::new(label, self.progress_lines), row);
        let mut observers: Vec<&mut dyn Observer> = vec![&mut checkpointer, &mut stop];
        match &mut row {
            Some(row) => observers.push(row),
            None if self.progress_lines > 0 => observers.push(&mut progress),
            None => {}
        }
        trainer.fit(data, &mut observers)
    }
}

/// A bound that can be stored, or the error that says which one cannot.
fn finite(split: &str, trainer: &Trainer, bound: Bound) -> Result<Bound> {
    if bound.bound.is_finite() {
        return Ok(bound);
    }
    Err(Error::NonFinite { step: trainer.updates(), quantity: format!("the {split} bound"), value: bound.bound })
}

fn model_file(config: &RunConfig, model: &Vae<f32>) -> TensorFile {
    let mut file = TensorFile::new(config.to_json().to_string());
    for tensor in model.layout().tensors() {
        file.push_f32(&tensor.name, &tensor.shape, &model.params()[tensor.range()]);
    }
    file
}

/// [`RunStore::run`] in the usual store.
///
/// # Errors
/// As there.
pub fn run(config: &RunConfig) -> Result<Run> {
    RunStore::open().run(config)
}

/// [`RunStore::run_all`] in the usual store.
///
/// # Errors
/// As there.
pub fn run_all(configs: &[RunConfig]) -> Result<Vec<Run>> {
    RunStore::open().run_all(configs)
}
