//! What a run gives: its result, its model, and files of it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::config::{Origin, RunConfig};
use crate::estimators::Bound;
use crate::files::{TensorFile, write_tensors};
use crate::models::Vae;
use crate::train::History;

/// What a run gave. Equal configurations give equal results but for `seconds` and `git_commit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// The configuration.
    pub config: RunConfig,
    /// Name of the data set, and SHA-256 of its pixels.
    pub dataset: (String, String),
    /// The bounds on the way.
    pub history: History,
    /// On the validation split, at the end; of an interrupted run, at its last record (NaN if it has none).
    pub valid: Bound,
    /// On the test split, at the end; NaN for an interrupted run, which is to stop at once.
    pub test: Bound,
    /// Why it ended before its budget, if it did: early stopping, or a request.
    pub stopped: Option<String>,
    /// Commit of the checkout when it was finished, with "-dirty" where the code had been changed; empty outside one.
    pub git_commit: String,
    /// Seconds spent in updates and records.
    pub seconds: f64,
}

/// A run: its result and its model.
#[derive(Clone, Debug)]
pub struct Run {
    /// The result.
    pub result: RunResult,
    /// The trained model.
    pub model: Vae<f32>,
}

impl AsRef<RunResult> for RunResult {
    fn as_ref(&self) -> &RunResult {
        self
    }
}

impl AsRef<RunResult> for Run {
    fn as_ref(&self) -> &RunResult {
        &self.result
    }
}

impl Run {
    /// The bounds on the way.
    pub fn history(&self) -> &History {
        &self.result.history
    }

    /// Writes the parameters for NumPy or PyTorch users: safetensors with the layout's names, weights `[inputs, outputs]`
    /// (a layer is h W + b; transpose for `torch.nn.Linear`), and the configuration as metadata `vae_core`. Of a head that
    /// holds two things the first half of the columns is μ, the second log σ².
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn export_parameters(&self, path: impl AsRef<Path>) -> Result<()> {
        write_tensors(path.as_ref(), &model_file(&self.result.config, &self.model))
    }
}

/// The parameters of a model, by the names of its layout, with the configuration.
pub(super) fn model_file(config: &RunConfig, model: &Vae<f32>) -> TensorFile {
    let mut file = TensorFile::new(config.to_json().to_string());
    for tensor in model.layout().tensors() {
        file.push_f32(&tensor.name, &tensor.shape, &model.params()[tensor.range()]);
    }
    file
}

impl Origin {
    /// The final weights of this run, which a store has once it is finished.
    pub fn run(run: &Run) -> Self {
        Self::Run(run.result.config.hash())
    }

    /// The final weights of its decoder only.
    pub fn decoder_of(run: &Run) -> Self {
        Self::Decoder(run.result.config.hash())
    }
}
