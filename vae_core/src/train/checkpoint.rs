//! Checkpoints: everything that a run needs to go on, bit for bit.
//!
//! One safetensors file, written to a temporary name and renamed. Tensors: `params` (f32), `optimiser.<slot>` (f32, as
//! long as `params`), `window` (f64, `[3·updates of an epoch]`: reconstruction, KL of z and KL of the weights of each); Monte Carlo EM adds
//! `chains.step` (f64) and `chains.z` (f32, `[N·N_z]`). Metadata entry `vae_core`: JSON with `format` (version), `config`, `updates`, `history`, `seconds` and `dataset_sha256`.
//! The random streams need no state: each is a function of seed, stream and update. Format 1, whose window has no KL of the
//! weights, is read too.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::history::History;
use super::longer::as_longer;
use super::state::Kept;
use super::trainer::Trainer;
use crate::config::RunConfig;
use crate::data::dataset::Dataset;
use crate::files::{TensorFile, read_tensors, write_tensors};
use crate::step::LatentChains;
use crate::{Error, Result};

/// Version of the format.
const FORMAT: u32 = 2;

/// What to do about a checkpoint that is of no use.
const ADVICE: &str = "delete it to start the run anew";

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
    if let Some((step, z)) = trainer.chains.as_ref().map(LatentChains::state) {
        file.push_f64("chains.step", &[1], &[step]);
        file.push_f32("chains.z", &[z.len()], z);
    }
    write_tensors(path, &file)
}

/// The trainer as it was when the checkpoint was written.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is damaged, of another format or of another configuration.
pub fn load(config: &RunConfig, data: &Dataset, path: &Path) -> Result<Trainer> {
    let trainer = Trainer::from_init(config, data)?;
    let same = |meta: &Meta| {
        if meta.config == *config { Ok(()) } else { Err(bad(path, "belongs to another configuration")) }
    };
    restored(trainer, data, path, same).map_err(|e| e.advise(ADVICE))
}

/// A trainer of this configuration that goes on from the checkpoint of a run with a smaller budget, which differs in nothing
/// else: as if it had come so far itself, the records of its history included.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is damaged or of another configuration, or if a run with the larger budget would not
/// have come by here: where its schedule spans the budget, where early stopping would have ended it, or where it takes a
/// record that the smaller one did not.
pub fn load_shorter(config: &RunConfig, data: &Dataset, path: &Path) -> Result<Trainer> {
    let trainer = Trainer::from_init(config, data)?;
    restored(trainer, data, path, |meta| {
        if meta.config.hash_but_budget() != config.hash_but_budget() {
            return Err(bad(path, "belongs to a run that differs in more than its budget"));
        }
        config.bound_to_budget().map_or(Ok(()), |reason| Err(bad(path, reason)))
    })
}

/// What the file holds, put into a trainer of its configuration.
fn restored(
    mut trainer: Trainer,
    data: &Dataset,
    path: &Path,
    accept: impl Fn(&Meta) -> Result<()>,
) -> Result<Trainer> {
    let (n, updates_of_epoch) = (trainer.model().params().len(), trainer.window().len());
    // parameters, at most two slots, the window, and a generous history
    let chained = trainer.chains.as_ref().map(|chains| chains.state().1.len());
    let limit = 4 * (3 * n + chained.unwrap_or(0)) as u64 + 24 * updates_of_epoch as u64 + (64 << 20);
    let file = read_tensors(path, limit)?;
    let meta: Meta = serde_json::from_str(file.meta(path)?).map_err(|e| bad(path, e))?;
    let parts = match meta.format {
        1 => 2,
        FORMAT => 3,
        other => return Err(bad(path, format!("format {other} is neither 1 nor {FORMAT}"))),
    };
    accept(&meta)?;
    if !meta.dataset_sha256.is_empty() && meta.dataset_sha256 != data.sha256 {
        return Err(bad(path, "was trained on other data of the same name"));
    }
    if meta.updates > trainer.total_updates() {
        return Err(bad(path, format!("is at update {} of {}", meta.updates, trainer.total_updates())));
    }
    let params = file.f32("params", &[n], path)?;
    let names: Vec<String> = trainer.optimiser().slots().iter().map(|s| format!("optimiser.{}", s.0)).collect();
    let slots = names.iter().map(|name| file.f32(name, &[n], path)).collect::<Result<Vec<_>>>()?;
    if params.iter().chain(slots.iter().flatten()).any(|v| !v.is_finite()) {
        return Err(bad(path, "holds values that are not finite"));
    }
    let window = file.f64("window", &[parts * updates_of_epoch], path)?;
    let window = window.chunks_exact(parts).map(|p| [p[0], p[1], p.get(2).copied().unwrap_or(0.0)]).collect();
    let history = if meta.config.budget == trainer.config().budget {
        meta.history
    } else {
        as_longer(meta.history, meta.updates, &trainer).map_err(|reason| bad(path, reason))?
    };
    let chains = match chained {
        Some(values) => Some((file.f64("chains.step", &[1], path)?[0], file.f32("chains.z", &[values], path)?)),
        None => None,
    };
    if chains.as_ref().is_some_and(|(step, z)| !(*step > 0.0 && z.iter().all(|z| z.is_finite()))) {
        return Err(bad(path, "holds chains that are not finite"));
    }
    trainer.restore(Kept { params, slots, window, updates: meta.updates, chains }, history, meta.seconds);
    Ok(trainer)
}

fn bad(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Checkpoint { path: path.to_owned(), reason: reason.to_string() }
}
