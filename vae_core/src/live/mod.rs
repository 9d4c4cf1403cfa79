//! Live output: what moves while a cell runs.
//!
//! A plain program and the stock Rust kernel get a few lines of progress ([`Progress`]). A kernel that sets `VAEB_LIVE=1`
//! gets displays that are replaced in place, by the markers of [`crate::kernel`]: the learning curve of a run, the table of
//! a sweep. [`Screen`] chooses between them; [`run`] and [`run_all`] show the usual store's runs on it.

mod display;
mod pace;
mod progress;
mod run;
mod screen;
mod sweep;

pub use crate::kernel::{PREFIX, Training, enabled};
pub use display::{Display, clear_output, text};
pub use progress::Progress;
pub use screen::{Screen, results, run, run_all};
