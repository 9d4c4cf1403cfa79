//! Live output: what moves while a cell runs, and Interrupt.
//!
//! A plain program and the stock Rust kernel get a few lines of progress ([`crate::train::Progress`]). A kernel that sets
//! `VAEB_LIVE=1` gets **markers** instead, version 1: one line each on standard output, the character U+001E, `vaeb-live/1 `
//! and compact JSON. It takes them out of the text and makes of them what Jupyter knows:
//!
//! | marker | meaning |
//! |---|---|
//! | `{"op":"display","id":…,"data":{mime: body}}` | a display with this id; binary bodies are base64 |
//! | `{"op":"update","id":…,"data":{mime: body}}` | replaces it in place; the last state stays in the notebook |
//! | `{"op":"text","id":…,"text":…}` | a line of text that replaces the line before it of the same id |
//! | `{"op":"clear","wait":true}` | clears the cell's output when the next output comes |
//! | `{"op":"training","state":"begin"}`, `"end"` | between them SIGINT stops the training softly |
//!
//! All live output of the crate goes through this module. See [`Training`] for Interrupt and Ctrl-C.

mod display;
mod interrupt;
mod marker;
mod pace;
mod run;
mod sweep;

pub use display::{Display, clear_output, text};
pub use interrupt::Training;
pub use marker::{PREFIX, enabled};
pub(crate) use pace::Pace;
pub(crate) use run::LiveRun;
pub(crate) use sweep::{Sweep, SweepRow};
