//! Weights out of a safetensors file, ours or one that NumPy or PyTorch wrote.

use std::path::Path;

use crate::data::files::sha256_hex;
use crate::files::{TensorFile, read_at_most};
use crate::models::{RHO, Vae};
use crate::{Error, Result};

/// The largest file that is read, in bytes: the largest model has 2²⁸ parameters, and a header beside them. A file of another
/// model is read, too, to say which tensor does not fit.
const LARGEST: u64 = (4 << 28) + (1 << 20);

/// The parameters, in the order of the layout, out of a file with the layout's names and shapes in `f32`.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] naming the tensor that is missing, of another shape or type, superfluous or not
/// finite, and what was expected.
pub(crate) fn read(path: &Path, model: &Vae<f32>) -> Result<Vec<f32>> {
    read_as(path, model, None, false)
}

/// The same to start from, if a SHA-256 is given out of the file that has it. Gaussian weights may start from a file of a point: their ρ are then
/// the model's.
///
/// # Errors
/// As [`read`]; or if the file is another than the one that was meant.
pub(crate) fn read_start(path: &Path, model: &Vae<f32>, sha256: Option<&str>) -> Result<Vec<f32>> {
    read_as(path, model, sha256, true)
}

fn read_as(path: &Path, model: &Vae<f32>, sha256: Option<&str>, is_start: bool) -> Result<Vec<f32>> {
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
    let names = || model.layout().tensors().iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>().join(", ");
    let (layout, mut params) = (model.layout(), model.params().to_vec());
    let of_point = is_start && !file.names().any(|name| name.starts_with(RHO));
    for tensor in layout.tensors().iter().filter(|tensor| !(of_point && tensor.name.starts_with(RHO))) {
        let values = file.f32(&tensor.name, &tensor.shape, path)?;
        if let Some(value) = values.iter().find(|v| !v.is_finite()) {
            return Err(unusable(format!("tensor {} holds {value}, expected finite values", tensor.name)));
        }
        params[tensor.range()].copy_from_slice(&values);
    }
    match file.names().find(|name| layout.get(name).is_none()) {
        Some(name) => Err(unusable(format!("tensor {name} is not one of this model, expected {}", names()))),
        None => Ok(params),
    }
}
