//! What passes between this program and the notebook kernel that runs it: things to show, and Interrupt.
//!
//! A kernel that sets `VAEB_LIVE=1` gets **markers**, version 1: one line each on standard output, the character U+001E,
//! `vaeb-live/1 ` and compact JSON. It takes them out of the text and makes of them what Jupyter knows:
//!
//! | marker | meaning |
//! |---|---|
//! | `{"op":"display","id":…,"data":{mime: body}}` | a display with this id; binary bodies are base64 |
//! | `{"op":"update","id":…,"data":{mime: body}}` | replaces it in place; the last state stays in the notebook |
//! | `{"op":"text","id":…,"text":…}` | a line of text that replaces the line before it of the same id |
//! | `{"op":"clear","wait":true}` | clears the cell's output when the next output comes |
//! | `{"op":"training","state":"begin"}`, `"end"` | between them SIGINT stops the training softly |
//!
//! [`crate::live`] draws what is shown. See [`Training`] for Interrupt and Ctrl-C.

mod interrupt;
mod marker;

pub use interrupt::Training;
pub(crate) use marker::{Bundle, Marker, content_block, print};
pub use marker::{PREFIX, enabled};
