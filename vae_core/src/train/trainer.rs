//! Algorithm 1: pick M datapoints, estimate the bound and its gradient, step uphill; until the budget is spent.

use std::path::Path;
use std::sync::Arc;

use rayon::ThreadPool;

use super::evaluate::{evaluate, evaluate_without_encoder};
use super::history::{History, Record};
use super::state::{Kept, Parts};
use super::weights;
use crate::config::{Budget, Origin, RunConfig};
use crate::corruption::CorruptionConfig;
use crate::data::batches::Batches;
use crate::data::dataset::{Dataset, Images};
use crate::data::preprocess::Preprocessor;
use crate::estimators::{Bound, Estimator};
use crate::models::Vae;
use crate::numeric::isa;
use crate::optim::Optimiser;
use crate::rng::{Stream, rng};
use crate::step::{Ascent, LatentChains, Workspace};
use crate::threads;
use crate::{Error, Result};

/// A run under way: model, optimiser, position and history. A pure function of its configuration and the data.
#[derive(Clone, Debug)]
pub struct Trainer {
    pub(super) config: RunConfig,
    pub(super) model: Vae<f32>,
    pub(super) optimiser: Optimiser<f32>,
    pub(super) batches: Batches,
    pub(super) preprocess: Preprocessor<f32>,
    pub(super) ws: Workspace<f32>,
    pub(super) ascent: Ascent<f32>,
    pub(super) threads: usize,
    pub(super) pool: Option<Arc<ThreadPool>>,
    /// The minibatch x `[M, D]`.
    pub(super) x: Vec<f32>,
    /// The same as the encoder sees it; empty without corruption.
    pub(super) corrupted: Vec<f32>,
    /// The parts of the bound of the last epoch's minibatches; update u is in slot u mod length.
    pub(super) window: Vec<Parts>,
    history: History,
    /// Those of Monte Carlo EM.
    pub(super) chains: Option<LatentChains<f32>>,
    kept: Kept,
    pub(super) seconds: f64,
    pub(super) updates: u64,
    pub(super) next_record: u64,
    pub(super) n: usize,
    dataset_sha256: String,
}

impl Trainer {
    /// Before the first update.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration makes no sense, belongs to another data set or needs other values than it has, if
    /// `VAEB_ISA` names no path of this machine, or if it starts from the weights of a run: only a store has those, see
    /// [`with_weights`](Self::with_weights). [`Error::Io`], [`Error::Checkpoint`] if it starts from a file that cannot be used.
    pub fn new(config: &RunConfig, data: &Dataset) -> Result<Self> {
        let trainer = Self::from_init(config, data)?;
        match &config.start {
            None => Ok(trainer),
            Some(Origin::File { path, sha256 }) => {
                let weights = weights::read_start(Path::new(path), &trainer.model, Some(sha256))?;
                trainer.starting_from(&weights)
            }
            Some(Origin::Run(hash) | Origin::Decoder(hash)) => Err(Error::config(
                "start",
                format!("is run {hash}, which a store has: use `RunStore::run`, or `Trainer::with_weights`"),
            )),
        }
    }

    /// Before the first update, with these parameters, in the order of the model's layout, whatever the configuration says of
    /// its start.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Shape`] if there are not as many as the model has.
    pub fn with_weights(config: &RunConfig, data: &Dataset, weights: &[f32]) -> Result<Self> {
        Self::from_init(config, data)?.starting_from(weights)
    }

    fn starting_from(mut self, weights: &[f32]) -> Result<Self> {
        let (expected, found) = (self.model.params().len(), weights.len());
        if expected != found {
            let (expected, found) = (format!("{expected} values"), format!("{found}"));
            return Err(Error::Shape { what: "weights to start from", expected, found });
        }
        self.model.params_mut().copy_from_slice(weights);
        self.keep();
        Ok(self)
    }

    /// Before the first update, with the weights that the seed draws, whatever the configuration says of its start.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn from_init(config: &RunConfig, data: &Dataset) -> Result<Self> {
        if config.data != data.config {
            return Err(Error::config(
                "data",
                format!("is {:?}, but the data set given is {:?}", config.data, data.config),
            ));
        }
        config.validate(data.dim())?;
        isa::check()?;
        data.require_usable()?;
        if config.model.likelihood.get::<f32>().needs_unit_interval() {
            data.require_unit_interval("model.likelihood", config.model.likelihood.name())?;
        }
        if config.preprocess.draws() {
            data.require_unit_interval("preprocess.binarise", "a draw")?;
        }
        let n = data.train.len();
        let model = Vae::new(&config.model, data.dim(), config.seed)?;
        let batches = Batches::new(n, config.batch, config.batches, config.seed)?;
        let ws = workspace(config, &model, n)?;
        let corrupted = if config.model.corruption.get::<f32>().is_none() { 0 } else { config.batch * data.dim() };
        let window = vec![[0.0; 3]; batches.batches_per_epoch() as usize];
        let chains = config.algorithm.monte_carlo_em().map(|em| {
            let mut rng = rng(config.seed, Stream::Chains, CHAINS_BEGIN);
            LatentChains::new(&model, (n, config.batch), em.leapfrog, &mut rng)
        });
        let mut trainer = Self {
            chains,
            optimiser: Optimiser::init(config.optimiser, model.layout().len())?,
            preprocess: config.preprocess.prepare(),
            ascent: Ascent::new(&model, &ws, 1),
            ws,
            threads: 1,
            pool: None,
            x: vec![0.0; config.batch * data.dim()],
            corrupted: vec![0.0; corrupted],
            config: config.clone(),
            kept: Kept::default(),
            seconds: 0.0,
            model,
            batches,
            window,
            history: History::default(),
            updates: 0,
            next_record: 0,
            n,
            dataset_sha256: data.sha256.clone(),
        };
        if trainer.total_updates() == 0 {
            let m = config.batch;
            return Err(Error::config("budget", format!("{:?} is less than one minibatch of {m}", config.budget)));
        }
        trainer.schedule_record();
        trainer.keep();
        Ok(trainer)
    }

    /// The same on so many threads (a new trainer has one). The results do not depend on it.
    ///
    /// # Errors
    /// [`Error::Config`] if the machine has fewer cores.
    pub fn on_threads(mut self, threads: usize) -> Result<Self> {
        self.pool = threads::pool(threads)?;
        self.threads = threads;
        self.ws = workspace(&self.config, &self.model, self.n)?.on_threads(threads);
        self.ascent = Ascent::new(&self.model, &self.ws, threads);
        self.chains = self.chains.map(|chains| chains.on_threads(threads));
        Ok(self)
    }

    /// Threads that a step takes.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Refuses other data than the trainer was made for, and a precision for which there are no instructions here.
    pub(super) fn require_same(&self, data: &Dataset) -> Result<()> {
        self.config.precision.check()?;
        if data.config == self.config.data && data.sha256 == self.dataset_sha256 {
            return Ok(());
        }
        let made = format!("{:?} with SHA-256 {}", self.config.data, self.dataset_sha256);
        let given = format!("{:?} with SHA-256 {}", data.config, data.sha256);
        Err(Error::config("data", format!("is {made}, but {given} was given; make a trainer for that: Trainer::new")))
    }

    pub(super) fn record(&mut self, data: &Dataset) -> Result<Record> {
        let valid = self.evaluate(&data.valid, self.config.evaluation)?;
        if !valid.bound.is_finite() {
            return Err(self.diverged(self.updates, "the validation bound".into(), valid.bound));
        }
        let samples = self.samples();
        let record = Record { updates: self.updates, samples, train: self.running_train_bound(), valid };
        self.history.records.push(record);
        self.schedule_record();
        self.keep();
        Ok(record)
    }

    /// Takes the present state as the one that a divergence puts back.
    fn keep(&mut self) {
        let chains = self.chains.as_ref().map(LatentChains::state);
        self.kept.keep(&self.model, &self.optimiser, (&self.window, chains), self.updates);
    }

    fn put_back(&mut self) {
        self.updates = self.kept.put(&mut self.model, &mut self.optimiser, (&mut self.window, self.chains.as_mut()));
        self.optimiser.set_updates(self.updates * self.config.algorithm.updates());
        self.schedule_record();
    }

    /// Puts all back to what is kept, and says so.
    pub(crate) fn diverged(&mut self, step: u64, quantity: String, value: f64) -> Error {
        self.put_back();
        Error::Diverged { step, quantity, value, kept: self.updates }
    }

    /// Puts back what a checkpoint holds; lengths were checked by the caller.
    pub(super) fn restore(&mut self, state: Kept, history: History, seconds: f64) {
        (self.kept, self.history, self.seconds) = (state, history, seconds);
        self.put_back();
    }

    fn schedule_record(&mut self) {
        self.next_record = self.record_after(self.updates);
    }

    /// The first update after this one at which a record is taken: one that the configuration names, or the last.
    pub(super) fn record_after(&self, updates: u64) -> u64 {
        let (m, per_epoch, total) = (self.config.batch as u64, self.batches.batches_per_epoch(), self.total_updates());
        let due = self.config.record.next(updates, m, per_epoch, total);
        if updates < total { due.min(total) } else { due }
    }

    /// With its inputs corrupted as at present in training, the full bound on a split, the divergence of Gaussian weights included, preprocessed as in training, with noise from the evaluation stream of the run's seed.
    ///
    /// # Errors
    /// [`Error::Shape`] if the images do not fit the model.
    pub fn evaluate(&self, images: &Images, estimator: Estimator) -> Result<Bound> {
        let at = (self.config.seed, self.threads);
        if self.chains.is_some() {
            return evaluate_without_encoder(&self.model, images, &self.config.preprocess, at.0);
        }
        let bound = evaluate(&self.model, images, &self.preprocess, (estimator, self.corruption()), at)?;
        Ok(bound.with_weights(self.model.weights_divergence(self.config.seed) / self.n as f64))
    }

    /// Mean over the minibatches of the last epoch, or of all so far.
    pub fn running_train_bound(&self) -> Bound {
        let seen = &self.window[..self.window.len().min(self.updates as usize)];
        let mean = |k: usize| seen.iter().map(|w| w[k]).sum::<f64>() / seen.len().max(1) as f64;
        Bound::new(mean(0), mean(1)).with_weights(mean(2))
    }

    /// Updates at which the run ends.
    pub fn total_updates(&self) -> u64 {
        let per_epoch = self.batches.batches_per_epoch();
        self.config.budget.samples(self.config.batch, per_epoch) / self.config.batch as u64
    }

    /// Training samples at which the run ends.
    pub fn total_samples(&self) -> u64 {
        self.total_updates() * self.config.batch as u64
    }

    /// Whether the run ends by itself.
    pub(crate) fn ends(&self) -> bool {
        self.config.budget != Budget::UntilInterrupted
    }

    /// The corruption of inputs as it is at present.
    pub(super) fn corruption(&self) -> CorruptionConfig {
        let factor = self.config.noise_schedule.factor(self.samples(), self.total_samples());
        self.config.model.corruption.get::<f32>().times(factor)
    }

    /// The configuration.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The model as it is now.
    pub fn model(&self) -> &Vae<f32> {
        &self.model
    }

    /// The records so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Updates made.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Training samples seen.
    pub fn samples(&self) -> u64 {
        self.updates * self.config.batch as u64
    }

    /// Records still to be taken (100 001 stands for more, too).
    pub fn records_left(&self) -> u64 {
        let next = |update: &u64| Some(self.record_after(*update));
        let due =
            std::iter::successors(Some(self.next_record), next).take_while(|update| *update <= self.total_updates());
        due.take(100_001).count() as u64
    }

    /// Seconds spent in updates and records so far, before a checkpoint included.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The optimiser and its state.
    pub fn optimiser(&self) -> &Optimiser<f32> {
        &self.optimiser
    }

    /// The threads of a step; none for one.
    pub(super) fn pool(&self) -> Option<Arc<ThreadPool>> {
        self.pool.clone()
    }

    pub(super) fn dataset_sha256(&self) -> &str {
        &self.dataset_sha256
    }

    pub(super) fn window(&self) -> &[Parts] {
        &self.window
    }
}

/// Index of the draws that Monte Carlo EM's chains begin with.
const CHAINS_BEGIN: u64 = 1 << 35;

/// The buffers of a step, for N datapoints.
fn workspace(config: &RunConfig, model: &Vae<f32>, n: usize) -> Result<Workspace<f32>> {
    let ws = Workspace::new(model, &config.estimator, config.batch, true)?;
    Ok(ws.in_precision(config.precision).with_datapoints(n))
}
