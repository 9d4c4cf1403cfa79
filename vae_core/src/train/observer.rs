//! Observers: what may look at a run while it trains, and stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkpoint;
use super::history::Record;
use super::trainer::{Outcome, Trainer};
use crate::estimators::Bound;
use crate::live::{self, LiveRun, Pace};
use crate::{Error, Result};

/// What an observer is told after each update.
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

/// What an observer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop after this update, for this reason.
    Stop(String),
}

/// Looks at a run after each update.
pub trait Observer {
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

/// Shows how a run goes on: a learning curve and a progress bar in a kernel that shows such ([`crate::live`]). Anywhere
/// else, it prints a line now and then, at most about `lines` a run, and none in the first two seconds.
#[derive(Clone, Debug)]
pub struct Progress {
    label: String,
    every: f64,
    next: f64,
    pace: Option<Pace>,
    live: Option<LiveRun>,
}

impl Progress {
    /// With a label before each line.
    pub fn new(label: impl Into<String>, lines: u32) -> Self {
        let every = 1.0 / f64::from(lines.max(1));
        Self { label: label.into(), every, next: 0.0, pace: None, live: None }
    }

    fn print(&mut self, event: &Event, trainer: &Trainer) {
        let now = Instant::now();
        let pace = self.pace.get_or_insert_with(|| Pace::new(now, event.samples));
        pace.update(now, event);
        let done = event.samples as f64 / event.total_samples.max(1) as f64;
        if done < self.next || pace.elapsed(now) < Duration::from_secs(2) {
            return;
        }
        self.next = done + self.every;
        let (rate, left) = (pace.rate(), pace.left(event.total_samples - event.samples, trainer.records_left()));
        let valid = trainer.history().last().map_or(String::new(), |r| format!(" · valid {:.2}", r.valid.bound));
        println!(
            "{}{:3.0} % · {} samples · train {:.2}{valid} · {:.1} k samples/s · {left} left",
            self.label,
            100.0 * done,
            event.samples,
            trainer.running_train_bound().bound,
            rate / 1e3,
        );
    }
}

impl Observer for Progress {
    fn begin(&mut self, trainer: &Trainer) {
        self.live = live::enabled().then(|| LiveRun::new(&self.label, trainer));
        self.pace = Some(Pace::new(Instant::now(), trainer.samples()));
    }

    fn observe(&mut self, event: &Event, trainer: &Trainer) -> Result<Control> {
        match &mut self.live {
            Some(live) => live.observe(event, trainer),
            None => self.print(event, trainer),
        }
        Ok(Control::Continue)
    }

    fn end(&mut self, outcome: Result<&Outcome, &Error>, trainer: &Trainer) {
        if let Some(live) = &mut self.live {
            live.end(outcome, trainer);
        }
    }
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
