//! Who watches the runs of a store while they are made. What they show, and where, is their affair.

use super::result::Run;
use crate::train::{Control, Event, Observer, Trainer};
use crate::{Error, Result};

/// Watches what a store does.
pub trait Audience: std::fmt::Debug + Send + Sync {
    /// Watches one run that is to be trained.
    fn run(&self) -> Box<dyn Watcher + '_>;

    /// Watches several that are to be trained, of these names, in the order of the list.
    fn sweep(&self, names: Vec<String>) -> Box<dyn SweepAudience + '_>;
}

/// Watches one run: what is said of it before its training, and the training.
pub trait Watcher: Observer {
    /// Is told something about the run, in a line.
    fn tell(&mut self, line: &str);
}

/// Watches the runs of a sweep, some of them at the same time.
pub trait SweepAudience: Send + Sync {
    /// Watches one of them, by its place in the list.
    fn run(&self, index: usize) -> Box<dyn Watcher + '_>;

    /// Is told that a run was made, by us or meanwhile by another process, or could not be.
    fn made(&self, _index: usize, _run: Result<&Run, &Error>) {}

    /// Is told that no more are trained.
    fn end(&self) {}
}

/// Nobody: nothing is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudience;

impl Audience for NoAudience {
    fn run(&self) -> Box<dyn Watcher + '_> {
        Box::new(Self)
    }

    fn sweep(&self, _names: Vec<String>) -> Box<dyn SweepAudience + '_> {
        Box::new(Self)
    }
}

impl SweepAudience for NoAudience {
    fn run(&self, _index: usize) -> Box<dyn Watcher + '_> {
        Box::new(Self)
    }
}

impl Watcher for NoAudience {
    fn tell(&mut self, _line: &str) {}
}

impl Observer for NoAudience {
    fn observe(&mut self, _event: &Event, _trainer: &Trainer) -> Result<Control> {
        Ok(Control::Continue)
    }
}
