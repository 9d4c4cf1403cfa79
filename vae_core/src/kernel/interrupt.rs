//! Interrupt and Ctrl-C: training stops after the step under way and keeps its model.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

use super::marker::{Marker, State, enabled};

/// A stretch of training during which SIGINT (Interrupt in a notebook, Ctrl-C in a terminal) only asks to stop.
///
/// [`crate::train::Trainer::fit`] holds one and heeds it after each step; several may be open at once. While any is open, the first
/// SIGINT sets what [`interrupted`](Self::interrupted) tells all of them, and the second ends the process as SIGINT does
/// by default. When the last is dropped, the handler that was there before is put back.
#[derive(Debug)]
pub struct Training {
    begin: Instant,
}

/// Whether to stop.
static STOP: AtomicBool = AtomicBool::new(false);
/// Whether any [`Training`] is open here: another copy of this crate (each notebook cell has its own) may put our handler
/// back after we are done with it.
static OPEN: AtomicBool = AtomicBool::new(false);
static HANDLER: Mutex<Handler> = Mutex::new(Handler { open: 0, previous: None });

struct Handler {
    open: usize,
    previous: Option<SigAction>,
}

/// The kernel learns of the end of a training a little after it: an Interrupt of that moment must not end the process.
const GRACE: Duration = Duration::from_millis(20);

/// Trainings shorter than this have no grace: nobody interrupts them, and there may be thousands.
const LONG: Duration = Duration::from_secs(1);

extern "C" fn on_sigint(_: i32) {
    // Only what is safe in a handler. SA_RESETHAND has put the default back already.
    if OPEN.load(Ordering::SeqCst) {
        STOP.store(true, Ordering::SeqCst);
    } else {
        let _ = raise(Signal::SIGINT);
    }
}

impl Training {
    /// Why a training ended that was interrupted.
    pub const INTERRUPTED: &'static str = "interrupted";

    /// From here on SIGINT asks to stop.
    pub fn begin() -> Self {
        let mut handler = HANDLER.lock().unwrap_or_else(PoisonError::into_inner);
        handler.open += 1;
        if handler.open == 1 {
            STOP.store(false, Ordering::SeqCst);
            OPEN.store(true, Ordering::SeqCst);
            let flags = SaFlags::SA_RESTART | SaFlags::SA_RESETHAND;
            let ours = SigAction::new(SigHandler::Handler(on_sigint), flags, SigSet::empty());
            // SAFETY: the handler touches atomics and calls raise, both async-signal-safe; a notebook never unloads the
            // code of a cell. Without a handler (which does not happen for SIGINT) Ctrl-C would end the process, as ever.
            handler.previous = unsafe { sigaction(Signal::SIGINT, &ours) }.ok();
            Marker::Training { state: State::Begin }.emit();
        }
        Self { begin: Instant::now() }
    }

    /// Whether SIGINT came since the first of those open began. An atomic load.
    pub fn interrupted(&self) -> bool {
        STOP.load(Ordering::Relaxed)
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        let mut handler = HANDLER.lock().unwrap_or_else(PoisonError::into_inner);
        handler.open -= 1;
        if handler.open > 0 {
            return;
        }
        Marker::Training { state: State::End }.emit();
        if enabled() && self.begin.elapsed() > LONG {
            std::thread::sleep(GRACE);
        }
        if let Some(previous) = handler.previous.take() {
            // SAFETY: what sigaction returned is valid to put back.
            let _ = unsafe { sigaction(Signal::SIGINT, &previous) };
        }
        OPEN.store(false, Ordering::SeqCst);
    }
}
