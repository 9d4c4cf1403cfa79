//! Observers: what may look at a run while it trains, and stop it; and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkpoint;
use super::trainer::Trainer;
use super::update::Event;
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

/// What an observer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop after this update, for this reason.
    Stop(String),
}

/// Looks at a run after each update. It is called on one of the threads of the run.
pub trait Observer: Send {
    /// Called before the first update of a [`Trainer::fit`].
    fn begin(&mut self, _trainer: &Trainer) {}

    /// Called after each update.
    ///
    /// # Errors
    /// An error ends the run; the trainer keeps its state.
    fn observe(&mut self, event: &Event, trainer: &Trainer) -> Result<Control>;

    /// Called at the end of a [`Trainer::fit`], however it ends.
    fn end(&mut self, _outcome: Result<&Outcome, &Error>, _trainer: &Trainer) {}
}

/// Writes a checkpoint every so many epochs or so many seconds, whichever comes first.
#[derive(Clone, Debug)]
pub struct Checkpointer {
    path: std::path::PathBuf,
    every_epochs: u64,
    every: Duration,
    epochs: u64,
    last: Instant,
}

impl Checkpointer {
    /// To this file.
    pub fn new(path: impl Into<std::path::PathBuf>, every_epochs: u64, every: Duration) -> Self {
        Self { path: path.into(), every_epochs: every_epochs.max(1), every, epochs: 0, last: Instant::now() }
    }
}

impl Observer for Checkpointer {
    fn observe(&mut self, event: &Event, trainer: &Trainer) -> Result<Control> {
        self.epochs += u64::from(event.epoch_end);
        if self.epochs >= self.every_epochs || self.last.elapsed() >= self.every {
            checkpoint::save(trainer, &self.path)?;
            (self.epochs, self.last) = (0, Instant::now());
        }
        Ok(Control::Continue)
    }
}

/// Stops when somebody (another thread, a signal handler) asks, until [`reset`](Self::reset).
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// The reason that it gives.
    pub const REASON: &'static str = "on request";

    /// Asks the run to stop after its current update.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Takes the request back: runs go on.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Observer for StopFlag {
    fn observe(&mut self, _: &Event, _: &Trainer) -> Result<Control> {
        let stop = self.0.load(Ordering::Relaxed);
        Ok(if stop { Control::Stop(Self::REASON.into()) } else { Control::Continue })
    }
}
