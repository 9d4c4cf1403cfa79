//! Checkpoints: everything that a run needs to go on, bit for bit.
//!
//! One safetensors file, written to a temporary name and renamed. Tensors: `params` (f32), `optimiser.<slot>` (f32, as
//! long as `params`), `window` (f64, `[2·updates of an epoch]`). Metadata entry `vae_core`: JSON with `format` (version),
//! `config`, `updates`, `history`, `seconds` and `dataset_sha256`. The random streams need no state: each is a function of seed, stream and update.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::history::History;
use super::trainer::Trainer;
use crate::config::RunConfig;
use crate::data::dataset::Dataset;
use crate::files::{TensorFile, read_tensors, write_tensors};
use crate::{Error, Result};

/// Version of the format.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    config: RunConfig,
    updates: u64,
    history: History,
    #[serde(default)]
    seconds: f64,
    #[serde(default)]
    dataset_sha256: String,
}

/// Writes a checkpoint, atomically: a crash leaves the old one.
///
/// # Errors
/// [`Error::Io`] (disk full, no permission); the old file is then untouched.
pub fn save(trainer: &Trainer, path: &Path) -> Result<()> {
    let meta = Meta {
        format: FORMAT,
        config: trainer.config().clone(),
        updates: trainer.updates(),
        history: trainer.history().clone(),
        seconds: trainer.seconds(),
        dataset_sha256: trainer.dataset_sha256().into(),
    };
    let mut file = TensorFile::new(serde_json::to_string(&meta).map_err(|e| bad(path, e))?);
    let n = trainer.model().params().len();
    file.push_f32("params", &[n], trainer.model().params());
    for (name, slot) in trainer.optimiser().slots() {
        file.push_f32(&format!("optimiser.{name}"), &[n], slot);
    }
    let window: Vec<f64> = trainer.window().iter().flatten().copied().collect();
    file.push_f64("window", &[window.len()], &window);
    write_tensors(path, &file)
}

/// The trainer as it was when the checkpoint was written.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is damaged, of another format or of another configuration.
pub fn load(config: &RunConfig, data: &Dataset, path: &Path) -> Result<Trainer> {
    let mut trainer = Trainer::new(config, data)?;
    let n = trainer.model().params().len();
    // parameters, at most two slots, the window, and a generous history
    let limit = 4 * (n as u64) * 3 + 16 * trainer.window().len() as u64 + (64 << 20);
    let file = read_tensors(path, limit)?;
    let meta: Meta = serde_json::from_str(file.meta()).map_err(|e| bad(path, e))?;
    if meta.format != FORMAT {
        return Err(bad(path, format!("format {} is not {FORMAT}", meta.format)));
    }
    if meta.config != *config {
        return Err(bad(path, "belongs to another configuration"));
    }
    if !meta.dataset_sha256.is_empty() && meta.dataset_sha256 != data.sha256 {
        return Err(bad(path, "was trained on other data of the same name"));
    }
    if meta.updates > trainer.total_updates() {
        return Err(bad(path, format!("is at update {} of {}", meta.updates, trainer.total_updates())));
    }
    let params = file.f32("params", n, path)?;
    let names: Vec<String> = trainer.optimiser().slots().iter().map(|s| format!("optimiser.{}", s.0)).collect();
    let slots = names.iter().map(|name| file.f32(name, n, path)).collect::<Result<Vec<_>>>()?;
    if params.iter().chain(slots.iter().flatten()).any(|v| !v.is_finite()) {
        return Err(bad(path, "holds values that are not finite"));
    }
    let window = file.f64("window", 2 * trainer.window().len(), path)?;
    let window: Vec<[f64; 2]> = window.as_chunks::<2>().0.to_vec();
    trainer.restore(&params, &slots, &window, meta.history, (meta.updates, meta.seconds));
    Ok(trainer)
}

fn bad(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Checkpoint { path: path.to_owned(), reason: format!("{reason}; delete it to start the run anew") }
}
