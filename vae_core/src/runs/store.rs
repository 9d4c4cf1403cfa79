//! The store of runs: a run that was made is read, one that was cut off goes on, any other is trained.
//!
//! `<store>/<hash>/` holds `result.json`, `model.safetensors` and `end.safetensors` of a finished run, `checkpoint.safetensors`
//! of one that was cut off, that and `last_good.safetensors`, the model at the same update, of one that diverged, and `lock`.
//! `end.safetensors` is what a larger budget needs to go on: it costs twice the size of the model (AdaGrad, SGD) or three
//! times (Adam), and may be deleted. `<store>/series/` says which runs differ only in their budget. The store is `VAEB_RUNS`, or `data/runs` in the checkout.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::audience::{Audience, NoAudience, Watcher};
use super::provenance::git_commit;
use super::result::{Run, RunResult, model_file};
use crate::checksum;
use crate::config::{Origin, RunConfig};
use crate::data::dataset::{Dataset, Images};
use crate::data::locate::runs_dir;
use crate::environment;
use crate::estimators::Bound;
use crate::files::{remove_scraps, write_atomic, write_tensors};
use crate::kernel::Training;
use crate::models::Vae;
use crate::threads;
use crate::train::observer::{Checkpointer, StopFlag};
use crate::train::{Outcome, Trainer, checkpoint, weights};
use crate::{Error, Result};

/// The numbers of a finished run, its final weights, and the state of one that was cut off.
const RESULT: &str = "result.json";
const MODEL: &str = "model.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";

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
    /// Where what is asked for is listed instead of trained.
    pub(super) listing: Option<PathBuf>,
}

impl RunStore {
    /// In `VAEB_RUNS`, or `data/runs` in the checkout. With `VAEB_LIST` it [lists](Self::listing_to) to that file.
    pub fn open() -> Self {
        Self { listing: environment::path("VAEB_LIST"), ..Self::at(runs_dir()) }
    }

    /// In this folder, which is made when needed.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            threads: None,
            checkpoint_every: Duration::from_secs(20),
            stop: StopFlag::default(),
            audience: Arc::new(NoAudience),
            listing: None,
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
        match self.read(config) {
            Ok(Some(run)) => Ok(run),
            Err(error) if !is_damage(&error) => Err(error),
            _ => {
                self.list(std::iter::once((String::new(), config.clone())))?;
                self.run_on(config, &config.data.load()?)
            }
        }
    }

    /// The run of this configuration on these data: read if it was made, continued if it was cut off; if one that differs only
    /// in a smaller budget was made, begun where that ended, with the bits of a run from scratch; trained otherwise. The
    /// audience is told why a smaller one does not do.
    ///
    /// A run that was asked to stop is returned as it is; it goes on when it is asked for again without a standing request.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Io`]; [`Error::Diverged`] if training diverged: `checkpoint.safetensors` and
    /// `last_good.safetensors` then hold the state and the model at the update that the message names.
    /// [`Error::Config`], [`Error::Checkpoint`] if the weights that it starts from are not there or do not fit.
    pub fn run_on(&self, config: &RunConfig, data: &Dataset) -> Result<Run> {
        self.run_watched(config, data, self.audience.run(), self.threads()?)
    }

    /// The finished run of this configuration, if there is one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is damaged.
    pub fn read(&self, config: &RunConfig) -> Result<Option<Run>> {
        let folder = self.path(config);
        if !folder.join(RESULT).exists() {
            return Ok(None);
        }
        let run = self.read_folder(&folder)?;
        if run.result.config == *config {
            // what a kill between the two left; it is no loss if it stays
            let _ = fs::remove_file(folder.join(CHECKPOINT));
            return Ok(Some(run));
        }
        let reason = format!("belongs to another configuration; delete {} to train anew", folder.display());
        Err(Error::Checkpoint { path: folder.join(RESULT), reason })
    }

    /// The finished run in this folder, which bears the name of its configuration.
    pub(super) fn read_folder(&self, folder: &Path) -> Result<Run> {
        let path = folder.join(RESULT);
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let damaged = |reason: String| Error::Checkpoint {
            path: path.clone(),
            reason: format!("{reason}; delete {} to train anew", folder.display()),
        };
        let result: RunResult = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if !checksum::is_intact(&text) {
            return Err(damaged("is damaged: its content is not that of its checksum".into()));
        }
        let config = &result.config;
        if folder.file_name().is_none_or(|name| *name != *config.hash()) {
            return Err(damaged("belongs to another configuration".into()));
        }
        let (height, width) = config.data.kind.image_shape();
        let mut model = Vae::new(&config.model, height * width, config.seed)?;
        let weights = weights::read(&folder.join(MODEL), &model, config)
            .map_err(|e| e.advise(&format!("delete {} to train anew", folder.display())))?;
        model.params_mut().copy_from_slice(&weights);
        Ok(Run { result, model })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
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
        if self.listing.is_some() && self.read(config)?.is_none() {
            self.list(std::iter::once((String::new(), config.clone())))?;
        }
        let blank = Trainer::from_init(config, data)?; // refuses nonsense before anything is written
        let folder = self.path(config);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let lock = File::create(folder.join("lock")).map_err(Error::io("create", folder.join("lock")))?;
        // Up to the stored result: an Interrupt while it waits, or after the last update, must not lose a notebook or the run.
        let training = Training::begin();
        wait_for(&lock, &training, watcher.as_mut())?;
        let found = match self.read(config) {
            Err(error) if is_damage(&error) => {
                put_aside(&folder, &[RESULT, MODEL], &error, watcher.as_mut())?;
                None
            }
            found => found?,
        };
        if let Some(run) = found {
            if run.result.dataset.1 != data.sha256 {
                let reason = format!("was trained on other data; delete {} to train anew", folder.display());
                return Err(Error::Checkpoint { path: folder.join(RESULT), reason });
            }
            return Ok(run);
        }
        remove_scraps(&folder)?;
        let path = folder.join(CHECKPOINT);
        let kept = match path.exists().then(|| checkpoint::load(config, data, &path)) {
            Some(Err(error)) if is_damage(&error) => {
                put_aside(&folder, &[CHECKPOINT], &error, watcher.as_mut())?;
                None
            }
            kept => kept.transpose()?,
        };
        let mut trainer = match kept {
            Some(trainer) => {
                watcher.tell(&format!("going on from {}", trainer.place()));
                trainer
            }
            None => match self.continue_shorter(config, data, blank.total_updates(), watcher.as_mut()) {
                Some(trainer) => trainer,
                None => self.fresh(config, data, blank)?,
            },
        };
        if trainer.flop_per_sample() * config.batch as f64 > WORTH_DIVIDING {
            trainer = trainer.on_threads(threads)?;
        }
        let outcome = self.fit(&mut trainer, data, watcher.as_mut(), &path);
        let outcome = outcome.and_then(|outcome| {
            if matches!(outcome, Outcome::Stopped(_)) {
                checkpoint::save(&trainer, &path)?;
            }
            result_of(&mut trainer, data, &outcome).map(|result| (outcome, result))
        });
        let (outcome, result) = match outcome {
            Err(error @ Error::Diverged { .. }) => {
                checkpoint::save(&trainer, &path)?;
                write_tensors(&folder.join("last_good.safetensors"), &model_file(config, trainer.model()))?;
                return Err(error);
            }
            made => made?,
        };
        let run = Run { result, model: trainer.model().clone() };
        if !matches!(outcome, Outcome::Stopped(_)) {
            write_tensors(&folder.join(MODEL), &model_file(config, &run.model))?;
            self.keep_end(&trainer)?;
            let json = checksum::sealed(&run.result).map_err(|e| Error::config("result", e.to_string()))?;
            write_atomic(&folder.join(RESULT), json.as_bytes())?;
            if path.exists() {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(run)
    }

    /// Before the first update, with the weights that the configuration says.
    fn fresh(&self, config: &RunConfig, data: &Dataset, blank: Trainer) -> Result<Trainer> {
        match &config.start {
            None => Ok(blank),
            Some(Origin::File { .. }) => Trainer::new(config, data),
            Some(origin @ (Origin::Run(hash) | Origin::Decoder(hash))) => {
                let path = self.folder.join(hash).join(MODEL);
                if !path.exists() {
                    let reason =
                        format!("is run {hash}, which is not finished in {}; make it first", self.folder.display());
                    return Err(Error::config("start", reason));
                }
                let weights = match origin {
                    Origin::Decoder(_) => weights::read_decoder(&path, blank.model())?,
                    _ => weights::read_start(&path, blank.model(), None)?,
                };
                Trainer::with_weights(config, data, &weights)
            }
        }
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

/// Takes the lock of a run, unless SIGINT comes before. A file system without locks is no reason not to train.
fn wait_for(lock: &File, training: &Training, watcher: &mut dyn Watcher) -> Result<()> {
    let mut told = false;
    while let Err(TryLockError::WouldBlock) = lock.try_lock() {
        if training.interrupted() {
            return Err(Error::Interrupted { finished: 0, runs: 1 });
        }
        if !told {
            watcher.tell("another process is training this run; waiting for it");
            told = true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// What a training gave that ended so. An interrupted one is to stop at once: it has no bound of its own.
fn result_of(trainer: &mut Trainer, data: &Dataset, outcome: &Outcome) -> Result<RunResult> {
    let stopped = match outcome {
        Outcome::Finished => None,
        Outcome::EarlyStopped(reason) | Outcome::Stopped(reason) => Some(reason.clone()),
    };
    let (valid, test) = if stopped.as_deref() == Some(Training::INTERRUPTED) {
        let unknown = Bound::new(f64::NAN, f64::NAN);
        (trainer.history().last().map_or(unknown, |record| record.valid), unknown)
    } else {
        (finite("validation", trainer, &data.valid)?, finite("test", trainer, &data.test)?)
    };
    Ok(RunResult {
        config: trainer.config().clone(),
        dataset: (data.name.clone(), data.sha256.clone()),
        history: trainer.history().clone(),
        valid,
        test,
        stopped,
        git_commit: git_commit(),
        seconds: trainer.seconds(),
    })
}

/// A bound that can be stored, or the error that says which one cannot.
fn finite(split: &str, trainer: &mut Trainer, images: &Images) -> Result<Bound> {
    let bound = trainer.evaluate(images, trainer.config().evaluation)?;
    if bound.bound.is_finite() {
        return Ok(bound);
    }
    Err(trainer.diverged(trainer.updates(), format!("the {split} bound"), bound.bound))
}

/// Whether something stored cannot be used, so that the run is to be made without it.
pub(super) fn is_damage(error: &Error) -> bool {
    match error {
        Error::Checkpoint { .. } => true,
        Error::Io { source, .. } => source.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

/// Renames what cannot be used, so that it is neither believed nor lost, and says so.
fn put_aside(folder: &Path, names: &[&str], error: &Error, watcher: &mut dyn Watcher) -> Result<()> {
    let mut aside = Vec::new();
    for path in names.iter().map(|name| folder.join(name)).filter(|path| path.exists()) {
        let mut to = path.clone().into_os_string();
        to.push(".damaged");
        fs::rename(&path, &to).map_err(Error::io("rename", &path))?;
        aside.push(PathBuf::from(to).display().to_string());
    }
    watcher.tell(&format!("{error}. It is put aside as {}, and the run made from what is whole", aside.join(" and ")));
    Ok(())
}
