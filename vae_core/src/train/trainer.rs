//! Algorithm 1: pick M datapoints, estimate the bound and its gradient, step uphill; until the budget is spent.

use std::sync::Arc;
use std::time::Instant;

use rayon::ThreadPool;

use super::history::{History, Record};
use super::observer::{Control, Event, Observer};
use crate::data::batches::Batches;
use crate::data::dataset::{Dataset, Images};
use crate::data::preprocess::Preprocessor;
use crate::data::values::Values;
use crate::estimators::{Ascent, Bound, Estimator, Scaling, Workspace};
use crate::likelihoods::LikelihoodConfig;
use crate::live::Training;
use crate::models::Vae;
use crate::nn::Mlp;
use crate::nn::dense::Dense;
use crate::numeric::isa;
use crate::optim::Optimiser;
use crate::rng::{Stream, rng};
use crate::runs::config::RunConfig;
use crate::threads;
use crate::{Error, Result};

/// How a call of [`Trainer::fit`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The budget is spent.
    Finished,
    /// The configuration's early stopping ended it, for this reason.
    EarlyStopped(String),
    /// An observer stopped it, for this reason; `fit` again goes on.
    Stopped(String),
}

/// A run under way: model, optimiser, position and history. A pure function of its configuration and the data.
#[derive(Clone, Debug)]
pub struct Trainer {
    config: RunConfig,
    model: Vae<f32>,
    optimiser: Optimiser<f32>,
    batches: Batches,
    preprocess: Preprocessor<f32>,
    ws: Workspace<f32>,
    ascent: Ascent<f32>,
    threads: usize,
    pool: Option<Arc<ThreadPool>>,
    x: Vec<f32>,
    /// (reconstruction, KL) of the last epoch's minibatches; update u is in slot u mod length.
    window: Vec<[f64; 2]>,
    history: History,
    /// The parameters at the last record, whose validation bound was finite (at first, the initial ones).
    last_good: Vec<f32>,
    seconds: f64,
    updates: u64,
    next_record: u64,
    n: usize,
    dataset_sha256: String,
}

impl Trainer {
    /// Before the first update.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration makes no sense, belongs to another data set or needs other values than it has,
    /// or if `VAEB_ISA` names no path of
    /// this machine.
    pub fn new(config: &RunConfig, data: &Dataset) -> Result<Self> {
        if config.data != data.config {
            return Err(Error::config(
                "data",
                format!("is {:?}, but the data set given is {:?}", config.data, data.config),
            ));
        }
        config.validate(data.dim())?;
        isa::check()?;
        if data.valid.is_empty() || data.test.is_empty() {
            return Err(Error::config("data.limit", "leaves no validation or test images; allow at least one of each"));
        }
        if config.model.likelihood == LikelihoodConfig::Bernoulli {
            data.require_unit_interval("model.likelihood", "Bernoulli")?;
        }
        if config.preprocess.draws() {
            data.require_unit_interval("preprocess.binarise", "a draw")?;
        }
        let n = data.train.len();
        let model = Vae::new(&config.model, data.dim(), config.seed)?;
        let batches = Batches::new(n, config.batch, config.batches, config.seed)?;
        let ws = Workspace::new(&model, &config.estimator, config.batch, true).in_precision(config.precision);
        let window = vec![[0.0; 2]; batches.batches_per_epoch() as usize];
        let mut trainer = Self {
            optimiser: Optimiser::init(config.optimiser, model.layout().len())?,
            preprocess: config.preprocess.prepare(),
            ascent: Ascent::new(&model, &ws, 1),
            ws,
            threads: 1,
            pool: None,
            x: vec![0.0; config.batch * data.dim()],
            config: config.clone(),
            last_good: model.params().to_vec(),
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
        Ok(trainer)
    }

    /// The same on so many threads (a new trainer has one). The results do not depend on it.
    ///
    /// # Errors
    /// [`Error::Config`] if the machine has fewer cores.
    pub fn on_threads(mut self, threads: usize) -> Result<Self> {
        self.pool = threads::pool(threads)?;
        self.threads = threads;
        let (model, estimator) = (&self.model, &self.config.estimator);
        let ws = Workspace::new(model, estimator, self.config.batch, true);
        self.ws = ws.in_precision(self.config.precision).on_threads(threads);
        self.ascent = Ascent::new(model, &self.ws, threads);
        Ok(self)
    }

    /// Threads that a step takes.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Trains until the budget is spent, the early stopping of the configuration applies, an observer stops it, or SIGINT
    /// (Interrupt in a notebook, Ctrl-C) does: model and history are then those after the last update.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a bound or the gradient is not finite; the model then holds the parameters of the last
    /// record, the last that are known to be good. [`Error::Config`] if `data` are not those of [`new`](Self::new). Errors
    /// of the observers.
    pub fn fit(&mut self, data: &Dataset, observers: &mut [&mut dyn Observer]) -> Result<Outcome> {
        self.require_same(data)?;
        let training = Training::begin();
        for observer in observers.iter_mut() {
            observer.begin(self);
        }
        // The whole loop on the pool's threads: to enter it anew at each step would cost more than 50 µs.
        let outcome = match self.pool.clone() {
            Some(pool) => pool.install(|| threads::keep_awake(|| self.fit_while(&training, data, observers))),
            None => self.fit_while(&training, data, observers),
        };
        for observer in observers.iter_mut() {
            observer.end(outcome.as_ref(), self);
        }
        outcome
    }

    fn fit_while(
        &mut self,
        training: &Training,
        data: &Dataset,
        observers: &mut [&mut dyn Observer],
    ) -> Result<Outcome> {
        while self.updates < self.total_updates() {
            if let Some(reason) = self.early_stop() {
                return Ok(Outcome::EarlyStopped(reason));
            }
            if training.interrupted() {
                return Ok(Outcome::Stopped(Training::INTERRUPTED.into()));
            }
            let event = self.step(data)?;
            let mut stop = None;
            for observer in observers.iter_mut() {
                if let Control::Stop(reason) = observer.observe(&event, self)? {
                    stop.get_or_insert(reason);
                }
            }
            if let Some(reason) = stop {
                return Ok(Outcome::Stopped(reason));
            }
        }
        Ok(Outcome::Finished)
    }

    /// Why to stop here, if a record was just taken and the configuration's rule says so.
    fn early_stop(&self) -> Option<String> {
        let here = self.history.last().is_some_and(|record| record.updates == self.updates);
        self.config.early_stop.filter(|_| here).and_then(|rule| rule.reason(&self.history))
    }

    /// One update.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn step(&mut self, data: &Dataset) -> Result<Event> {
        self.require_same(data)?;
        match self.pool.clone() {
            Some(pool) => pool.install(|| self.step_here(data)),
            None => self.step_here(data),
        }
    }

    /// Refuses other data than the trainer was made for.
    fn require_same(&self, data: &Dataset) -> Result<()> {
        if data.config == self.config.data && data.sha256 == self.dataset_sha256 {
            return Ok(());
        }
        let made = format!("{:?} with SHA-256 {}", self.config.data, self.dataset_sha256);
        let given = format!("{:?} with SHA-256 {}", data.config, data.sha256);
        Err(Error::config("data", format!("is {made}, but {given} was given; make a trainer for that: Trainer::new")))
    }

    fn step_here(&mut self, data: &Dataset) -> Result<Event> {
        let start = Instant::now();
        let (update, m, n) = (self.updates, self.config.batch, self.n);
        let (epoch, total) = (self.batches.epoch_of(update), self.total_updates() * m as u64);
        let gather = Gather { preprocess: &self.preprocess, images: &data.train.pixels, epoch };
        gather.rows(self.batches.rows(update), &mut self.x, self.threads)?;
        self.ws.draw_noise(m, self.model.latent(), &mut rng(self.config.seed, Stream::Noise, update))?;
        let scaling = Scaling {
            scale: self.config.objective.scale(n, m),
            decay: self.config.weight_prior.per_datapoint(n, m),
            factor: self.config.schedule.factor(update * m as u64, total),
        };
        let (estimator, at) = (self.config.estimator, (scaling, update + 1));
        let (model, ws, optimiser) = (&mut self.model, &mut self.ws, &mut self.optimiser);
        let minibatch = match self.ascent.step(&estimator, model, &self.x, ws, optimiser, at) {
            Err(error @ Error::NonFinite { .. }) => {
                self.model.params_mut().copy_from_slice(&self.last_good);
                return Err(error);
            }
            bound => bound?,
        };

        let slot = (update % self.window.len() as u64) as usize;
        self.window[slot] = [minibatch.reconstruction, minibatch.kl];
        self.updates += 1;
        let record = if self.updates == self.next_record || self.updates == self.total_updates() {
            Some(self.record(data)?)
        } else {
            None
        };
        self.seconds += start.elapsed().as_secs_f64();
        Ok(Event {
            updates: self.updates,
            samples: self.samples(),
            total_samples: total,
            epoch_end: self.updates.is_multiple_of(self.batches.batches_per_epoch()),
            minibatch,
            record,
        })
    }

    fn record(&mut self, data: &Dataset) -> Result<Record> {
        let valid = self.evaluate(&data.valid, self.config.evaluation)?;
        if !valid.bound.is_finite() {
            self.model.params_mut().copy_from_slice(&self.last_good);
            let quantity = "the validation bound".into();
            return Err(Error::NonFinite { step: self.updates, quantity, value: valid.bound });
        }
        self.last_good.copy_from_slice(self.model.params());
        let samples = self.samples();
        let record = Record { updates: self.updates, samples, train: self.running_train_bound(), valid };
        self.history.records.push(record);
        self.schedule_record();
        Ok(record)
    }

    fn schedule_record(&mut self) {
        let m = self.config.batch as u64;
        let total = self.total_updates();
        self.next_record = self.config.record.next(self.updates, m, self.batches.batches_per_epoch(), total);
    }

    /// The bound on a split, preprocessed as in training, with noise from the evaluation stream of the run's seed.
    ///
    /// # Errors
    /// [`Error::Shape`] if the images do not fit the model.
    pub fn evaluate(&self, images: &Images, estimator: Estimator) -> Result<Bound> {
        let at = (self.config.seed, self.threads);
        evaluate(&self.model, images, &self.preprocess, estimator, at)
    }

    /// Mean over the minibatches of the last epoch, or of all so far.
    pub fn running_train_bound(&self) -> Bound {
        let seen = &self.window[..self.window.len().min(self.updates as usize)];
        let mean = |k: usize| seen.iter().map(|w| w[k]).sum::<f64>() / seen.len().max(1) as f64;
        Bound::new(mean(0), mean(1))
    }

    /// Updates at which the run ends.
    pub fn total_updates(&self) -> u64 {
        let per_epoch = self.batches.batches_per_epoch();
        self.config.budget.samples(self.config.batch, per_epoch) / self.config.batch as u64
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
        let (m, per_epoch, total) = (self.config.batch as u64, self.batches.batches_per_epoch(), self.total_updates());
        let next = |update: &u64| Some(self.config.record.next(*update, m, per_epoch, total));
        let before_the_end = std::iter::successors(Some(self.next_record), next).take_while(|&update| update < total);
        before_the_end.take(100_000).count() as u64 + u64::from(self.updates < total)
    }

    /// Floating-point operations of the dense products of an update, per training sample: two for each multiply-add,
    /// forward, for the weights' gradient, and for the inputs' gradient, which the first layer does not need.
    pub fn flop_per_sample(&self) -> f64 {
        let size = |l: &Dense| (l.inputs * l.outputs) as f64;
        let passes = |mlp: &Mlp| 3.0 * mlp.layers().iter().map(size).sum::<f64>();
        let (encoder, decoder) = (self.model.encoder(), self.model.decoder());
        let spared = encoder.layers().first().map_or(0.0, size);
        2.0 * (passes(encoder) - spared + self.config.estimator.samples as f64 * passes(decoder))
    }

    /// Seconds spent in updates and records so far, before a checkpoint included.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The optimiser and its state.
    pub fn optimiser(&self) -> &Optimiser<f32> {
        &self.optimiser
    }

    pub(super) fn dataset_sha256(&self) -> &str {
        &self.dataset_sha256
    }

    pub(super) fn window(&self) -> &[[f64; 2]] {
        &self.window
    }

    /// Puts back what a checkpoint holds; lengths were checked by the caller.
    pub(super) fn restore(
        &mut self,
        params: &[f32],
        slots: &[Vec<f32>],
        window: &[[f64; 2]],
        history: History,
        (updates, seconds): (u64, f64),
    ) {
        self.last_good.copy_from_slice(params);
        self.seconds = seconds;
        self.model.params_mut().copy_from_slice(params);
        for ((_, mine), saved) in self.optimiser.slots_mut().iter_mut().zip(slots) {
            mine.copy_from_slice(saved);
        }
        self.optimiser.set_updates(updates);
        self.window.copy_from_slice(window);
        self.history = history;
        self.updates = updates;
        self.schedule_record();
    }
}

/// Fills a minibatch, each thread its share of the rows.
#[derive(Clone, Copy)]
struct Gather<'a> {
    preprocess: &'a Preprocessor<f32>,
    images: &'a Values,
    epoch: u64,
}

impl Gather<'_> {
    fn rows(self, rows: &[usize], x: &mut [f32], threads: usize) -> Result<()> {
        if threads <= 1 || rows.len() < 2 {
            return self.preprocess.gather(self.images, rows, self.epoch, x);
        }
        let (left, right) = rows.split_at(rows.len() / 2);
        let (x_left, x_right) = x.split_at_mut(left.len() * self.images.ncols());
        let halves = (threads / 2, threads - threads / 2);
        let (a, b) = threads::join(|| self.rows(left, x_left, halves.0), || self.rows(right, x_right, halves.1));
        a.and(b)
    }
}

/// The bound of a model on images, preprocessed, with noise from the evaluation stream of the seed, on so many threads. Dynamic binarisation
/// is drawn as for epoch 0.
///
/// # Errors
/// [`Error::Shape`] if the images do not fit the model.
pub fn evaluate(
    model: &Vae<f32>,
    images: &Images,
    pre: &Preprocessor<f32>,
    e: Estimator,
    (seed, threads): (u64, usize),
) -> Result<Bound> {
    e.validate()?;
    model.elbo_of_blocks(images.len(), e, (seed, threads), |first, count| {
        let rows: Vec<usize> = (first..first + count).collect();
        let mut x = vec![0.0; count * images.pixels.ncols()];
        pre.gather(&images.pixels, &rows, 0, &mut x)?;
        Ok(x)
    })
}
