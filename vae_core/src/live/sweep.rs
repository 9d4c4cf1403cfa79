//! The live display of several runs: a table, replaced at most twice a second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::display::{Display, table_bundle};
use super::pace::{Pace, Throttle, count, speed, total};
use crate::estimators::Bound;
use crate::figures::Table;
use crate::kernel::{self, Bundle};
use crate::runs::{Run, SweepAudience, Watcher};
use crate::train::{Control, Event, Observer, Outcome, Trainer};
use crate::{Error, Result};

/// A longer table shows only the runs that are being trained or failed.
const MOST_ROWS: usize = 40;

/// How often a run reports.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// What the threads that train tell of their runs.
#[derive(Debug)]
pub(super) struct Sweep(Mutex<Board>);

#[derive(Debug)]
struct Board {
    display: Display,
    throttle: Throttle,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    name: String,
    state: State,
    samples: u64,
    /// None without an end.
    total: Option<u64>,
    train: Option<Bound>,
    valid: Option<Bound>,
    rate: f64,
    left: String,
    flop_per_sample: f64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Training,
    Finished,
    Stopped(String),
    Failed(String),
}

impl Sweep {
    /// With the names of the runs to be trained, in the order of the table.
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let row = |name| Row {
            name,
            state: State::Waiting,
            samples: 0,
            total: None,
            train: None,
            valid: None,
            rate: 0.0,
            left: String::new(),
            flop_per_sample: 0.0,
        };
        let rows = names.into_iter().map(row).collect();
        Self(Mutex::new(Board { display: Display::new(), throttle: Throttle::new(Instant::now()), rows }))
    }

    fn settle<T>(&self, index: usize, run: Result<T, &Error>) {
        self.change(index, |row| match run {
            Err(error) => row.state = State::Failed(error.to_string()),
            Ok(_) if row.state == State::Waiting => row.state = State::Finished,
            Ok(_) => {}
        });
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Row)) {
        let mut board = self.board();
        if let Some(row) = board.rows.get_mut(index) {
            change(row);
        }
        let now = Instant::now();
        if board.throttle.due(now) {
            let bundle = board.bundle();
            board.display.show(&bundle);
            board.throttle.drawn(now, Instant::now());
        }
    }
}

impl SweepAudience for Sweep {
    fn run(&self, index: usize) -> Box<dyn Watcher + '_> {
        Box::new(SweepRow { sweep: self, index, pace: None, next: Instant::now() })
    }

    fn made(&self, index: usize, run: Result<&Run, &Error>) {
        self.settle(index, run);
    }

    /// The last state, if any was shown, stays in the notebook.
    fn end(&self) {
        let mut board = self.board();
        if board.display.is_shown() {
            let bundle = board.bundle();
            board.display.show(&bundle);
        }
    }
}

impl Board {
    fn bundle(&self) -> Bundle {
        let all = self.rows.len() <= MOST_ROWS;
        let shown = |row: &&Row| all || matches!(row.state, State::Training | State::Failed(_));
        let titles = ["run", "state", "train", "validation", "samples/s", "time left"];
        let table = self.rows.iter().filter(shown).fold(Table::new(titles), |table, row| table.row(row.cells()));
        table_bundle(&table, &self.note())
    }

    /// All runs in a line.
    fn note(&self) -> String {
        let number = |wanted: fn(&State) -> bool| self.rows.iter().filter(|row| wanted(&row.state)).count();
        let mut parts = vec![format!("{} of {} runs finished", number(|s| *s == State::Finished), self.rows.len())];
        for (count, what) in [
            (number(|s| *s == State::Waiting), "waiting"),
            (number(|s| matches!(s, State::Stopped(_))), "stopped"),
            (number(|s| matches!(s, State::Failed(_))), "failed"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        let training = || self.rows.iter().filter(|row| row.state == State::Training);
        if training().count() > 0 {
            let rate: f64 = training().map(|row| row.rate).sum();
            parts.push(speed(rate, training().map(|row| row.rate * row.flop_per_sample).sum()));
        }
        parts.join(" · ")
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let bound = |b: Option<Bound>| b.map_or_else(|| "–".into(), |b| format!("{:.2}", b.bound).replace('-', "−"));
        let part = self.total.map(|total| format!("{:.0} %", 100.0 * self.samples as f64 / total.max(1) as f64));
        let state = match &self.state {
            State::Waiting => "waiting".into(),
            State::Training => part.unwrap_or_else(|| format!("{} samples", count(self.samples as f64))),
            State::Finished => "finished".into(),
            State::Stopped(reason) => format!("stopped early: {reason}"),
            State::Failed(reason) => format!("failed: {reason}"),
        };
        let training = self.state == State::Training;
        let rate = if self.rate > 0.0 { count(self.rate) } else { "–".into() };
        let left = if training && self.rate > 0.0 { self.left.clone() } else { "–".into() };
        [self.name.clone(), state, bound(self.train), bound(self.valid), rate, left]
    }
}

/// Tells the table of one run.
pub(super) struct SweepRow<'a> {
    sweep: &'a Sweep,
    index: usize,
    pace: Option<Pace>,
    next: Instant,
}

impl SweepRow<'_> {
    fn report(&mut self, trainer: &Trainer, state: State) {
        let (samples, total) = (trainer.samples(), total(trainer));
        let left = self.pace.and_then(|pace| pace.left_of(trainer));
        self.sweep.change(self.index, |row| {
            (row.state, row.samples, row.total) = (state, samples, total);
            (row.rate, row.left) =
                (self.pace.map_or(0.0, |pace| pace.rate()), left.unwrap_or("until interrupted".into()));
            row.flop_per_sample = trainer.flop_per_sample();
            row.train = (samples > 0).then(|| trainer.running_train_bound());
            row.valid = trainer.history().last().map(|record| record.valid);
        });
    }
}

impl Observer for SweepRow<'_> {
    fn begin(&mut self, trainer: &Trainer) {
        self.pace = Some(Pace::new(Instant::now(), trainer.samples()));
        self.report(trainer, State::Training);
    }

    fn observe(&mut self, event: &Event, trainer: &Trainer) -> Result<Control> {
        let now = Instant::now();
        if let Some(pace) = &mut self.pace {
            pace.update(now, event);
        }
        if now >= self.next {
            self.next = now + REPORT_EVERY;
            self.report(trainer, State::Training);
        }
        Ok(Control::Continue)
    }

    fn end(&mut self, outcome: Result<&Outcome, &Error>, trainer: &Trainer) {
        let state = match outcome {
            Ok(Outcome::Finished | Outcome::EarlyStopped(_)) => State::Finished,
            Ok(Outcome::Stopped(reason)) => State::Stopped(reason.clone()),
            Err(error) => State::Failed(error.to_string()),
        };
        self.report(trainer, state);
    }
}

impl Watcher for SweepRow<'_> {
    fn tell(&mut self, line: &str) {
        let name = self.sweep.board().rows.get(self.index).map(|row| row.name.clone());
        kernel::print(&format!("[{}] {line}\n", name.unwrap_or_default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_of_all_runs_or_of_those_that_matter() {
        let sweep = Sweep::new((0..3).map(|i| format!("run {i}")));
        let train = |sweep: &Sweep, index: usize| {
            sweep.change(index, |row| {
                (row.state, row.samples, row.total, row.rate) = (State::Training, 2_000, Some(8_000), 100.0);
                (row.train, row.flop_per_sample, row.left) = (Some(Bound::new(-100.0, 5.5)), 1e7, "1 min 00 s".into());
            });
        };
        sweep.settle(0, Ok(()));
        train(&sweep, 1);
        let text = sweep.board().bundle()["text/plain"].clone();
        for part in ["| run 0 | finished |", "| 25 %", "−105.50", "| 100", "| 1 min 00 s", "| run 2 | waiting"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with("1 of 3 runs finished · 1 waiting · 100 samples/s · 1.0 GFLOP/s"), "{text}");
        sweep.settle::<()>(1, Err(&Error::config("batch", "is odd | wrong")));
        assert!(sweep.board().bundle()["text/markdown"].contains("failed: configuration: `batch` is odd \\| wrong"));

        let many = Sweep::new((0..1000).map(|i| format!("run {i}")));
        train(&many, 77);
        let text = many.board().bundle()["text/plain"].clone();
        assert!(text.contains("run 77 ") && !text.contains("run 78"), "{text}");
    }
}
