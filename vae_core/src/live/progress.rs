//! How one run goes on: lines in a terminal, a learning curve in a notebook.

use std::time::{Duration, Instant};

use super::pace::{Pace, total};
use super::run::LiveRun;
use crate::kernel;
use crate::runs::Watcher;
use crate::train::{Control, Event, Observer, Outcome, Trainer};
use crate::{Error, Result};

/// Shows how a run goes on: a learning curve and a progress bar in a kernel that shows such ([`crate::kernel`]). Anywhere
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
        if pace.elapsed(now) < Duration::from_secs(2) {
            return;
        }
        let done = total(trainer).map(|total| event.samples as f64 / total.max(1) as f64);
        // without an end, a line a record
        if done.map_or(event.record.is_none(), |done| done < self.next) {
            return;
        }
        self.next = done.unwrap_or(0.0) + self.every;
        let done = done.map_or(String::new(), |done| format!("{:3.0} % · ", 100.0 * done));
        let left = pace.left_of(trainer).map_or("until interrupted".into(), |left| format!("{left} left"));
        let rate = pace.rate();
        let valid = trainer.history().last().map_or(String::new(), |r| format!(" · valid {:.2}", r.valid.bound));
        kernel::print(&format!(
            "{}{done}{} samples · train {:.2}{valid} · {:.1} k samples/s · {left}\n",
            self.label,
            event.samples,
            trainer.running_train_bound().bound,
            rate / 1e3,
        ));
    }
}

impl Observer for Progress {
    fn begin(&mut self, trainer: &Trainer) {
        self.live = kernel::enabled().then(|| LiveRun::new(&self.label, trainer));
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

impl Watcher for Progress {
    fn tell(&mut self, line: &str) {
        kernel::print(&format!("{}{line}\n", self.label));
    }
}
