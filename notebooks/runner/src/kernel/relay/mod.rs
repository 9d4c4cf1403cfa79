//! The relay between Jupyter and evcxr.
//!
//! evcxr knows no displays that change, no soft interrupt, and answers "ok" to a cell that panicked. The relay listens where
//! Jupyter expects the kernel, starts evcxr on private ports with a key of its own, passes everything through, and adds that.
//!
//! - [`wire`], [`connection`], [`gate`], [`sockets`]: messages, connection files, who may say what, sockets;
//! - [`core`]: what happens to a message; [`cell`]: what is known of the running cell;
//! - [`live`], [`panics`], [`failure`]: marked lines, panics, errors returned through `?`;
//! - [`types`]: refuses cells after the crate's types have changed.
pub mod cell;
pub mod connection;
pub mod core;
pub mod failure;
pub mod gate;
pub mod live;
pub mod log;
pub mod panics;
pub mod sockets;
#[cfg(test)]
mod tests;
pub mod types;
pub mod wire;
