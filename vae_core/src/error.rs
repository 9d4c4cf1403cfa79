//! The one error type of the crate. Each message says what is wrong and what to do about it.

use std::path::{Path, PathBuf};

/// `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in `vae_core`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "read", "write", "rename", …
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A data file is not what it should be (truncated, wrong magic, wrong hash, …).
    #[error("{file}: {reason}")]
    Data {
        /// The file, or the name of the data set.
        file: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A data set is not on this machine.
    #[error(
        "{dataset} was not found in {searched}; run `cargo notebooks fetch`, set VAEB_DATA to the folder that holds it, or use the embedded data"
    )]
    NotFound {
        /// The data set.
        dataset: String,
        /// Where it was looked for.
        searched: String,
    },
    /// Two shapes do not fit.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// The shape that was needed.
        expected: String,
        /// The shape that was given.
        found: String,
    },
    /// A configuration makes no sense.
    #[error("configuration: `{field}` {reason}")]
    Config {
        /// The field, as it is written in the configuration.
        field: String,
        /// Why it cannot be so, and what would do.
        reason: String,
    },
    /// A NaN or an infinity appeared.
    #[error(
        "{quantity} became {value}{}; look for values that are not finite, or too large, among those that it is made of",
        at_update(*step)
    )]
    NonFinite {
        /// The update at which it appeared, counted from 1; 0 outside training.
        step: u64,
        /// Which quantity: the bound, the gradient, a parameter, …
        quantity: String,
        /// The offending value.
        value: f64,
    },
    /// A NaN or an infinity ended a training, which was put back to the last update that is known to be good.
    #[error(
        "{quantity} became {value} at update {step}; model, optimiser and history are put back to update {kept}. Try a smaller step size or a smaller initial scale"
    )]
    Diverged {
        /// The update at which it appeared, counted from 1.
        step: u64,
        /// Which quantity: the bound, the gradient, a parameter, …
        quantity: String,
        /// The offending value.
        value: f64,
        /// Updates made by what is kept: those at the last record, or at the checkpoint that the training went on from; 0 for
        /// the start.
        kept: u64,
    },
    /// A checkpoint, a stored result or a file of weights cannot be used.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// SIGINT (Interrupt in a notebook, Ctrl-C in a terminal) ended a sweep early.
    #[error(
        "interrupted when {finished} of {runs} runs were finished; run the cell again to go on from where the others stopped"
    )]
    Interrupted {
        /// Runs that are finished and stored.
        finished: usize,
        /// Runs asked for.
        runs: usize,
    },
    /// Runs that are to be made elsewhere were listed, and nothing was trained.
    #[error("{runs} runs are missing and listed in {}; make them with `cargo notebooks sweep {}`, then run again without VAEB_LIST", path.display(), path.display())]
    Listed {
        /// Runs that are missing.
        runs: usize,
        /// Where they are listed.
        path: PathBuf,
    },
    /// Some runs of a sweep failed; the others are stored.
    #[error("{} of {runs} runs failed, the others are stored:\n{}", failures.len(), failures.join("\n"))]
    Sweep {
        /// Name and reason of each that failed.
        failures: Vec<String>,
        /// Runs asked for.
        runs: usize,
    },
    /// A figure could not be drawn or exported.
    #[error("figure {id}: {reason}")]
    Figure {
        /// The figure's id.
        id: String,
        /// The backend's reason.
        reason: String,
    },
}

fn at_update(step: u64) -> String {
    if step == 0 { String::new() } else { format!(" at update {step}") }
}

impl Error {
    /// For `.map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The same, with what to do about a file that cannot be used.
    pub(crate) fn advise(self, advice: &str) -> Self {
        match self {
            Self::Checkpoint { path, reason } => Self::Checkpoint { path, reason: format!("{reason}; {advice}") },
            other => other,
        }
    }

    /// A configuration error.
    pub fn config(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config { field: field.into(), reason: reason.into() }
    }

    /// A configuration error whose field lies within another: `form` within `evaluation` is `evaluation.form`.
    #[must_use]
    pub(crate) fn within(self, place: &str) -> Self {
        match self {
            Self::Config { field, reason } => Self::Config { field: format!("{place}.{field}"), reason },
            other => other,
        }
    }

    /// A data error.
    pub fn data(file: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Data { file: file.into(), reason: reason.into() }
    }
}
