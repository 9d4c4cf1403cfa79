//! Weights out of a safetensors file, ours or one that NumPy or PyTorch wrote.

use std::path::Path;

use crate::checksum::sha256_hex;
use crate::config::RunConfig;
use crate::files::{TensorFile, read_at_most};
use crate::models::{RHO, Vae};
use crate::{Error, Result};

/// The largest file that is read, in bytes: the largest model has 2²⁸ parameters, and a header beside them. A file of another
/// model is read, too, to say which tensor does not fit.
const LARGEST: u64 = (4 << 28) + (1 << 20);

/// The parameters, in the order of the layout, out of the file of a run of this configuration.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] naming the tensor that is missing, of another shape or type, superfluous or not
/// finite, and what was expected; or if the file is that of another run.
pub(crate) fn read(path: &Path, model: &Vae<f32>, config: &RunConfig) -> Result<Vec<f32>> {
    let of = |file: &TensorFile| match serde_json::from_str::<RunConfig>(file.meta(path)?) {
        Ok(found) if found == *config => Ok(()),
        _ => Err(Error::Checkpoint { path: path.to_owned(), reason: "is the model of another run".into() }),
    };
    read_as(path, model, None, Wanted::All, of)
}

/// The same to start from, if a SHA-256 is given out of the file that has it. Gaussian weights may start from a file of a point: their ρ are then
/// the model's.
///
/// # Errors
/// As [`read`]; or if the file is another than the one that was meant.
pub(crate) fn read_start(path: &Path, model: &Vae<f32>, sha256: Option<&str>) -> Result<Vec<f32>> {
    read_as(path, model, sha256, Wanted::Start, |_| Ok(()))
}

/// The same, but only the decoder's and its likelihood's; those of the encoder stay the model's, and the file's encoder may be another.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_decoder(path: &Path, model: &Vae<f32>) -> Result<Vec<f32>> {
    read_as(path, model, None, Wanted::Decoder, |_| Ok(()))
}

/// Which tensors of a file are asked for.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    /// Every one of the model's.
    All,
    /// The same, but ρ may be missing.
    Start,
    /// Those of the decoder, where ρ may be missing.
    Decoder,
}

impl Wanted {
    fn includes(self, name: &str) -> bool {
        let name = name.strip_prefix(RHO).unwrap_or(name);
        self != Self::Decoder || name.starts_with("decoder.") || name.starts_with("likelihood.")
    }
}

fn read_as(
    path: &Path,
    model: &Vae<f32>,
    sha256: Option<&str>,
    wanted: Wanted,
    accept: impl FnOnce(&TensorFile) -> Result<()>,
) -> Result<Vec<f32>> {
    let bytes = read_at_most(path, LARGEST)?;
    let unusable = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
    if let Some(expected) = sha256 {
        let found = sha256_hex([bytes.as_slice()]);
        if found != expected {
            return Err(unusable(format!(
                "has changed: its SHA-256 is {found}, not {expected}; put the file back, or make its `Origin::file` anew"
            )));
        }
    }
    let file = TensorFile::parse(&bytes, path)?;
    accept(&file)?;
    let names = || model.layout().tensors().iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>().join(", ");
    let (layout, mut params) = (model.layout(), model.params().to_vec());
    let of_point = wanted != Wanted::All && !file.names().any(|name| name.starts_with(RHO));
    let asked = |name: &str| wanted.includes(name) && !(of_point && name.starts_with(RHO));
    for tensor in layout.tensors().iter().filter(|tensor| asked(&tensor.name)) {
        let values = file.f32(&tensor.name, &tensor.shape, path)?;
        if let Some(value) = values.iter().find(|v| !v.is_finite()) {
            return Err(unusable(format!("tensor {} holds {value}, expected finite values", tensor.name)));
        }
        params[tensor.range()].copy_from_slice(&values);
    }
    match file.names().find(|name| wanted.includes(name) && layout.get(name).is_none()) {
        Some(name) => Err(unusable(format!("tensor {name} is not one of this model, expected {}", names()))),
        None => Ok(params),
    }
}
