//! The copy of own images on disk, which [`DatasetConfig::load`](crate::data::DatasetConfig::load) finds by its SHA-256.
//!
//! `own/<first 16 digits of the SHA-256>.safetensors` in a data folder: tensors `images` `[N, height, width]` (u8 or f32)
//! and, if there are labels, `labels` `[N]` (u8); metadata entry `vae_core`: JSON with the name.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::data::fingerprint::Fingerprint;
use crate::data::images::Images;
use crate::data::kind::OwnData;
use crate::data::values::Values;
use crate::files::{TensorFile, read_tensors, write_tensors};
use crate::{Error, Result};

/// Room for the name, the header and the padding of the file.
const OVERHEAD: u64 = 1 << 16;

#[derive(Serialize, Deserialize)]
struct Meta {
    name: String,
    labels: bool,
}

fn place(folder: &Path, own: &OwnData) -> PathBuf {
    let sha256 = own.sha256.to_string();
    folder.join("own").join(format!("{}.safetensors", &sha256[..16]))
}

/// Keeps a copy of these images in `folder`, unless a good one of the same name is there.
pub(super) fn keep(folder: &Path, own: &OwnData, name: &str, images: &Images) -> Result<()> {
    let path = place(folder, own);
    if path.exists() && read(&path, own).is_ok_and(|(old, _)| old == name) {
        return Ok(());
    }
    let meta = Meta { name: name.into(), labels: images.labels.is_some() };
    let mut file = TensorFile::new(serde_json::to_string(&meta).map_err(|e| Error::data(name, e.to_string()))?);
    let shape = [images.len(), own.height, own.width];
    match &images.pixels {
        Values::Bytes(values) => {
            file.push_u8("images", &shape, values.as_standard_layout().as_slice().unwrap_or_default());
        }
        Values::Real(values) => {
            file.push_f32("images", &shape, values.as_standard_layout().as_slice().unwrap_or_default());
        }
    }
    if let Some(labels) = &images.labels {
        file.push_u8("labels", &[labels.len()], labels);
    }
    write_tensors(&path, &file)
}

/// Name and images of the copy in the first of `folders` that has one.
pub(super) fn find(own: &OwnData, folders: &[PathBuf]) -> Result<(String, Images)> {
    for folder in folders {
        let path = place(folder, own);
        match std::fs::metadata(&path) {
            Ok(_) => return read(&path, own),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(Error::io("look for", path)(error)),
        }
    }
    let searched: Vec<String> = folders.iter().map(|folder| place(folder, own).display().to_string()).collect();
    Err(Error::data(
        format!("own images {}", own.sha256),
        format!(
            "their copy is not at {}; call `Dataset::own` again with the same images, or put the copy there",
            searched.join(" or ")
        ),
    ))
}

/// Name and images, verified.
fn read(path: &Path, own: &OwnData) -> Result<(String, Images)> {
    let damaged = |reason: String| {
        let what = "call `Dataset::own` again with the same images, which replaces this copy of them";
        Error::data(path.display().to_string(), format!("{reason}; {what}"))
    };
    let size = || {
        let (n, d) = (own.total()?, own.height.checked_mul(own.width)?);
        n.checked_mul(d)?.checked_mul(4)?.checked_add(n).map(|_| (n, d))
    };
    let (n, d) = size().ok_or_else(|| damaged(format!("the configuration has impossible sizes: {own:?}")))?;
    let limit = (n * d * if own.real { 4 } else { 1 } + n) as u64 + OVERHEAD;
    let file = match read_tensors(path, limit) {
        Err(Error::Checkpoint { .. }) => return Err(damaged("it is damaged".into())),
        other => other?,
    };
    let bad = |_| damaged("its tensors are not these images".into());
    let meta: Meta = serde_json::from_str(file.meta(path).map_err(bad)?).map_err(|e| damaged(e.to_string()))?;
    let pixels = if own.real {
        Array2::from_shape_vec((n, d), file.f32("images", &[n, own.height, own.width], path).map_err(bad)?)
            .map(Values::Real)
    } else {
        Array2::from_shape_vec((n, d), file.u8("images", &[n, own.height, own.width], path).map_err(bad)?)
            .map(Values::Bytes)
    };
    let pixels = pixels.map_err(|error| damaged(error.to_string()))?;
    let labels = if meta.labels { Some(file.u8("labels", &[n], path).map_err(bad)?) } else { None };
    let images = Images { pixels, labels };
    let found = Fingerprint::of(&images, (own.height, own.width));
    if found != own.sha256 {
        return Err(damaged(format!("its images have SHA-256 {found}, not {}", own.sha256)));
    }
    Ok((meta.name, images))
}
