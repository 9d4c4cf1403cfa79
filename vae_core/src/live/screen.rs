//! Runs of a store on the screen: in a notebook or in a terminal.

use super::progress::Progress;
use super::sweep::Sweep;
use crate::Result;
use crate::config::RunConfig;
use crate::kernel;
use crate::runs::{Audience, Results, Run, RunStore, SweepAudience, Watcher};

/// Shows what a store does: in a kernel that shows such ([`crate::kernel`]) the learning curve of a run and the table of a
/// sweep; anywhere else a few lines a run.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// At most about so many lines of progress a run, and at least one. (For none, give the store no audience.)
    pub lines: u32,
}

impl Default for Screen {
    fn default() -> Self {
        Self { lines: 12 }
    }
}

impl Audience for Screen {
    fn run(&self) -> Box<dyn Watcher + '_> {
        Box::new(Progress::new("", self.lines))
    }

    fn sweep(&self, names: Vec<String>) -> Box<dyn SweepAudience + '_> {
        if kernel::enabled() { Box::new(Sweep::new(names)) } else { Box::new(Lines { names, lines: self.lines }) }
    }
}

/// Lines of a sweep's runs, each with the name of its run.
struct Lines {
    names: Vec<String>,
    lines: u32,
}

impl SweepAudience for Lines {
    fn run(&self, index: usize) -> Box<dyn Watcher + '_> {
        let name = self.names.get(index).map_or("", String::as_str);
        Box::new(Progress::new(format!("[{name}] "), self.lines))
    }
}

/// [`RunStore::run`] in the usual store, on the [`Screen`].
///
/// # Errors
/// As there.
pub fn run(config: &RunConfig) -> Result<Run> {
    usual_store().run(config)
}

/// [`RunStore::run_all`] in the usual store, on the [`Screen`].
///
/// # Errors
/// As there.
pub fn run_all(configs: &[RunConfig]) -> Result<Vec<Run>> {
    usual_store().run_all(configs)
}

/// The committed results of a notebook ([`Results::open`]), with the usual store for what is missing, on the [`Screen`].
///
/// # Errors
/// As there.
pub fn results(notebook: &str) -> Result<Results> {
    Results::open(notebook, usual_store())
}

fn usual_store() -> RunStore {
    RunStore::open().watched_by(Screen::default())
}
