//! One update of a run, whatever the algorithm.

use std::time::Instant;

use super::evaluate::Gather;
use super::history::Record;
use super::trainer::Trainer;
use crate::config::Algorithm;
use crate::data::dataset::Dataset;
use crate::estimators::Bound;
use crate::models::Learned;
use crate::rng::{Stream, rng};
use crate::step::{Batch, StepSettings};
use crate::weights::Scaling;
use crate::{Error, Result};

/// What an update was.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Updates made, this one included.
    pub updates: u64,
    /// Training samples seen.
    pub samples: u64,
    /// Samples at which the run ends.
    pub total_samples: u64,
    /// Whether this update ended an epoch.
    pub epoch_end: bool,
    /// The bound of this minibatch, before the update.
    pub minibatch: Bound,
    /// The record, if one was taken.
    pub record: Option<Record>,
}

impl Trainer {
    /// One update.
    ///
    /// # Errors
    /// [`Error::Diverged`] as [`fit`](Self::fit).
    pub fn step(&mut self, data: &Dataset) -> Result<Event> {
        self.require_same(data)?;
        match self.pool.clone() {
            Some(pool) => pool.install(|| self.step_here(data)),
            None => self.step_here(data),
        }
    }

    fn step_here(&mut self, data: &Dataset) -> Result<Event> {
        let start = Instant::now();
        let update = self.updates;
        let gather =
            Gather { preprocess: &self.preprocess, images: &data.train.pixels, epoch: self.batches.epoch_of(update) };
        gather.rows(self.batches.rows(update), &mut self.x, self.threads)?;
        let done = match self.config.algorithm {
            Algorithm::Aevb => self.ascend(Learned::Both),
            Algorithm::WakeSleep => self.ascend(Learned::Decoder).and_then(|wake| self.dream().map(|()| wake)),
            Algorithm::MonteCarloEm(em) => self.expect_and_maximise(em.updates),
        };
        let minibatch = match done {
            Err(Error::NonFinite { step, quantity, value }) => return Err(self.diverged(step, quantity, value)),
            bound => bound?,
        };
        let slot = (update % self.window.len() as u64) as usize;
        self.window[slot] = [minibatch.reconstruction, minibatch.kl, minibatch.weights];
        self.updates += 1;
        let record = if self.updates == self.next_record { Some(self.record(data)?) } else { None };
        self.seconds += start.elapsed().as_secs_f64();
        Ok(Event {
            updates: self.updates,
            samples: self.samples(),
            total_samples: self.total_samples(),
            epoch_end: self.updates.is_multiple_of(self.batches.batches_per_epoch()),
            minibatch,
            record,
        })
    }

    /// What this update does with the gradient.
    fn settings(&self, learned: Learned) -> StepSettings {
        let (config, n, m) = (&self.config, self.n, self.config.batch);
        let (samples, total) = (self.samples(), self.total_samples());
        StepSettings {
            scaling: Scaling {
                scale: config.objective.scale(n, m),
                decay: config.weight_prior.per_datapoint(n, m),
                kl: config.model.weights.gaussian().map_or(0.0, |q| q.kl_weight_at(samples) / n as f64),
            },
            factor: config.schedule.factor(samples, total),
            kl_weight: config.kl_weight.at(samples),
            prior: config.model.prior.get::<f32>().at(samples),
            learned: if learned == Learned::Both { config.learned } else { learned },
            update: self.updates + 1,
        }
    }

    /// Up the bound of the minibatch.
    fn ascend(&mut self, learned: Learned) -> Result<Bound> {
        let (update, m, seed) = (self.updates, self.config.batch, self.config.seed);
        let settings = self.settings(learned);
        if !self.corrupted.is_empty() {
            let corruption = self.corruption();
            self.corrupted.copy_from_slice(&self.x);
            corruption.get().corrupt(&mut self.corrupted, &mut rng(seed, Stream::Corruption, update));
        }
        let input = if self.corrupted.is_empty() { &self.x } else { &self.corrupted };
        let batch = Batch { input, target: &self.x };
        self.ws.draw_noise(&self.model, m, &mut rng(seed, Stream::Noise, update))?;
        self.ws.draw_weights(&self.model, m, &mut rng(seed, Stream::Weights, update));
        self.ascent.step(&mut self.model, batch, &mut self.ws, &mut self.optimiser, settings)
    }

    /// The sleep phase.
    fn dream(&mut self) -> Result<()> {
        let settings = self.settings(Learned::Encoder);
        let rng = &mut rng(self.config.seed, Stream::Dream, self.updates);
        self.ascent.dream(&mut self.model, &mut self.x, &mut self.ws, &mut self.optimiser, settings, rng)?;
        Ok(())
    }

    /// A move of the minibatch's chains, and so many updates of the decoder; log p(x, z) before the first.
    fn expect_and_maximise(&mut self, updates: u64) -> Result<Bound> {
        let settings = self.settings(Learned::Decoder);
        let Some(chains) = &mut self.chains else { return Err(Error::config("algorithm", "has no chains here")) };
        let rng = &mut rng(self.config.seed, Stream::Chains, self.updates);
        chains.advance(&self.model, &self.x, self.batches.rows(self.updates), rng)?;
        let mut first = None;
        for _ in 0..updates {
            let at = (&self.x[..], chains.samples());
            let joint = self.ascent.maximise(&mut self.model, at, &mut self.ws, &mut self.optimiser, settings)?;
            first.get_or_insert(joint);
        }
        Ok(first.unwrap_or_default())
    }
}
