//! The loop of algorithm 1, and what ends it.

use super::observer::{Control, Observer, Outcome};
use super::trainer::Trainer;
use crate::Result;
use crate::data::dataset::Dataset;
use crate::kernel::Training;
use crate::threads;

impl Trainer {
    /// Trains until the budget is spent, the early stopping of the configuration applies, an observer stops it, or SIGINT
    /// (Interrupt in a notebook, Ctrl-C) does: model and history are then those after the last update.
    ///
    /// # Errors
    /// [`Error::Diverged`](crate::Error::Diverged) if a bound or the gradient is not finite: model, optimiser, history and
    /// [`updates`](Self::updates) are then those of the last record (of the checkpoint, if there is none since; or of the
    /// start), and `fit` again goes on from there. [`Error::Config`](crate::Error::Config) if `data` are not those of
    /// [`new`](Self::new). Errors of the observers.
    pub fn fit(&mut self, data: &Dataset, observers: &mut [&mut dyn Observer]) -> Result<Outcome> {
        self.require_same(data)?;
        let training = Training::begin();
        for observer in observers.iter_mut() {
            observer.begin(self);
        }
        // The whole loop on the pool's threads: to enter it anew at each step would cost more than 50 µs.
        let outcome = match self.pool() {
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
        while self.updates() < self.total_updates() {
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

    /// "update 5 of 480", or "update 5" if there is no end.
    pub(crate) fn place(&self) -> String {
        let end = if self.ends() { format!(" of {}", self.total_updates()) } else { String::new() };
        format!("update {}{end}", self.updates())
    }

    /// Why to stop here, if a record was just taken and the configuration's rule says so.
    fn early_stop(&self) -> Option<String> {
        let here = self.history().last().is_some_and(|record| record.updates == self.updates());
        self.config().early_stop.filter(|_| here).and_then(|rule| self.history().stops(&rule))
    }
}
