//! What the relay knows of the cell that runs.
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    failure::{Failure, Note},
    live::Live,
    panics::Panics,
    wire::Message,
};

/// evcxr sends a cell's last lines after it has said that the cell is done. So long a silence means that all have come.
const SILENCE: Duration = Duration::from_millis(10);
/// So long is waited for the text of a panic that is known to have happened.
const PANIC_TEXT: Duration = Duration::from_millis(500);
/// So long after a computation its cell is taken to be about to end.
const ABOUT_TO_END: Duration = Duration::from_secs(1);

/// An interrupt that comes so early in a cell was meant for what was before: signals and messages come by different ways, and evcxr
/// still compiles.
const JUST_BEGUN: Duration = Duration::from_millis(50);

/// A request that evcxr works on.
pub struct Current {
    /// What Jupyter asked.
    pub request: Message,
    /// evcxr's reply; held back for a cell.
    pub reply: Option<Message>,
    /// evcxr's last word on it; held back for a cell.
    pub idle: Option<Message>,
    /// If it is a cell.
    pub cell: Option<Cell>,
}

/// A cell.
pub struct Cell {
    /// Its displays and progress lines.
    pub live: Live,
    /// Its panics.
    pub panics: Panics,
    /// The last error that evcxr reported.
    pub error: Option<Failure>,
    /// The note of a panic or a failed `?`.
    pub note: Option<Note>,
    /// Interrupts so far.
    pub interrupts: u32,
    /// Its number.
    pub count: u64,
    /// When it began.
    pub began: Instant,
    /// When its last message came.
    pub last_message: Instant,
    /// When evcxr said that it is done.
    pub done: Option<Instant>,
    /// When its last computation ended.
    pub trained: Option<Instant>,
    /// An interrupt came between two computations; it is for the next one.
    pub pending: bool,
}

/// What an interrupt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// There is nothing to stop.
    Nothing,
    /// The computation shall stop and keep its model.
    Soft,
    /// evcxr shall end the program.
    Hard,
}

impl Cell {
    /// A cell that begins.
    pub fn new(count: u64) -> Self {
        Self {
            live: Live::default(),
            panics: Panics::default(),
            error: None,
            note: None,
            interrupts: 0,
            count,
            began: Instant::now(),
            last_message: Instant::now(),
            done: None,
            trained: None,
            pending: false,
        }
    }

    /// Counts an interrupt and says what it means: the first one during a computation is soft; just after one it waits for
    /// the next computation of the cell, if there is one, because it came too late to be meant for anything else.
    pub fn interrupt(&mut self) -> Interrupt {
        if self.began.elapsed() < JUST_BEGUN {
            return Interrupt::Nothing;
        }
        self.interrupts += 1;
        let first = self.interrupts == 1;
        if self.done.is_some() {
            Interrupt::Nothing
        } else if self.live.training() && first {
            Interrupt::Soft
        } else if first && self.trained.is_some_and(|at| at.elapsed() < ABOUT_TO_END) {
            self.pending = true;
            Interrupt::Nothing
        } else {
            Interrupt::Hard
        }
    }

    /// When it can be closed, if nothing more comes.
    pub fn closes(&self) -> Option<Instant> {
        let done = self.done?;
        let silent = self.last_message.max(done) + SILENCE;
        let panic_missing = self.note == Some(Note::Panic) && !self.panics.complete();
        Some(if panic_missing { silent.max(done + PANIC_TEXT) } else { silent })
    }

    /// Why it failed, if it did.
    pub fn failure(&mut self) -> Option<Failure> {
        match self.note.take() {
            Some(note @ Note::Panic) => Some(Failure::of(note, self.panics.take_last())),
            Some(note) => Some(Failure::of(note, None)),
            None => None,
        }
    }
}

/// The content of a cell's reply.
pub fn reply_content(count: u64, failure: Option<&Failure>) -> Value {
    match failure {
        None => json!({"status": "ok", "execution_count": count, "user_expressions": {}, "payload": []}),
        Some(failure) => {
            let mut content = error_content(failure);
            content["status"] = json!("error");
            content["execution_count"] = json!(count);
            content
        }
    }
}

/// The content of an `error` message.
pub fn error_content(failure: &Failure) -> Value {
    json!({"ename": failure.ename, "evalue": failure.evalue, "traceback": failure.traceback})
}

/// From the content of an `error` message of evcxr's. If the program has ended, says what that means.
pub fn explain(content: &Value, interrupted: bool) -> (Failure, bool) {
    let text = |field: &str| content[field].as_str().unwrap_or_default().to_owned();
    let lines = content["traceback"].as_array().into_iter().flatten();
    let failure = Failure {
        ename: text("ename"),
        evalue: text("evalue"),
        traceback: lines.filter_map(Value::as_str).map(str::to_owned).collect(),
    };
    let ended = failure.evalue.contains("Subprocess terminated");
    if !ended {
        return (failure, false);
    }
    const LOST: &str = "Variables are lost; functions, `use` lines and dependencies stay.";
    let evalue = failure.evalue.trim();
    let failure = if interrupted {
        Failure::new("Interrupted", &format!("the program was ended. {LOST}"), &[])
    } else {
        let why = if evalue.contains("SIGKILL") {
            "Killed from outside: perhaps the memory is exhausted. "
        } else if evalue.contains("SIGABRT") {
            "Aborted: a stack overflow, a failed allocation, or `abort`; standard error may tell. "
        } else if evalue.contains("SIGSEGV") || evalue.contains("SIGBUS") {
            "A stack overflow (recursion without an end?) or invalid memory. "
        } else {
            ""
        };
        Failure::new("Ended", evalue, &[format!("{why}{LOST}")])
    };
    (failure, true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::kernel::relay::live::{Op, State};

    fn running() -> Cell {
        Cell { began: Instant::now() - JUST_BEGUN, ..Cell::new(1) }
    }

    #[test]
    fn the_first_interrupt_of_a_computation_is_soft() {
        let mut cell = running();
        cell.live.apply(Op::Training { state: State::Begin }, "c");
        assert_eq!(cell.interrupt(), Interrupt::Soft);
        assert_eq!(cell.interrupt(), Interrupt::Hard);
    }

    #[test]
    fn other_cells_are_ended_but_not_those_that_have_just_trained_or_are_done() {
        assert_eq!(running().interrupt(), Interrupt::Hard);
        let mut just_begun = Cell::new(1);
        assert_eq!((just_begun.interrupt(), just_begun.interrupts), (Interrupt::Nothing, 0));
        let mut trained = running();
        trained.trained = Some(Instant::now());
        assert_eq!(trained.interrupt(), Interrupt::Nothing);
        assert!(trained.pending);
        assert_eq!(trained.interrupt(), Interrupt::Hard);
        let mut done = running();
        done.done = Some(Instant::now());
        assert_eq!(done.interrupt(), Interrupt::Nothing);
    }

    #[test]
    fn a_cell_closes_after_a_silence_or_when_its_panic_has_come() {
        let mut cell = Cell::new(1);
        assert_eq!(cell.closes(), None);
        let now = Instant::now();
        (cell.done, cell.last_message) = (Some(now), now);
        assert_eq!(cell.closes(), Some(now + SILENCE));
        cell.note = Some(Note::Panic);
        assert_eq!(cell.closes(), Some(now + PANIC_TEXT));
        for line in ["thread 'main' panicked at src/lib.rs:1:1:", "boom", "stack backtrace:"] {
            cell.panics.feed(line);
        }
        assert_eq!(cell.closes(), Some(now + SILENCE));
        assert_eq!(cell.failure().unwrap().evalue, "boom");
    }

    #[test]
    fn an_ended_program_is_explained() {
        let content = |evalue: &str| json!({"ename": "Error", "evalue": evalue, "traceback": [evalue]});
        let signal = content("Subprocess terminated with status: signal: 9 (SIGKILL)");
        assert_eq!(explain(&signal, true).0.ename, "Interrupted");
        let (killed, ended) = explain(&signal, false);
        assert!(ended && killed.traceback.join("").contains("memory"), "{killed:?}");
        let (exit, _) = explain(&content("Subprocess terminated with status: exit status: 3"), false);
        assert!(exit.evalue.contains("exit status: 3"));
        let (compile, ended) = explain(&content("mismatched types"), true);
        assert!(!ended && compile.traceback == ["mismatched types"]);
    }
}
