//! Files that are either whole or not there, and tensors in them (safetensors).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::checksum::sha256_hex;
use crate::{Error, Result};

/// The metadata entry with the SHA-256 of what is in the file; files of others have none.
const CHECKSUM: &str = "sha256";

/// How the names of unfinished files begin.
const PARTIAL: &str = ".partial-";

/// Writes to a temporary file beside `path`, syncs it and renames it: a crash or a full disk leaves the old file.
///
/// # Errors
/// [`Error::Io`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.prefix(PARTIAL).tempfile_in(folder).map_err(Error::io("create a file in", folder))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.as_file().sync_all().map_err(Error::io("write", path))?;
    file.persist(path).map_err(|e| Error::io("rename to", path)(e.error))?;
    Ok(())
}

/// Removes what a killed [`write_atomic`] left in a folder that nobody else writes to.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_scraps(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
    }
    Ok(())
}

/// Named tensors, and one JSON text if the file is one of ours: the metadata entry `vae_core`.
#[derive(Clone, Debug, Default)]
pub struct TensorFile {
    meta: Option<String>,
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl TensorFile {
    /// With its metadata.
    pub fn new(meta: String) -> Self {
        Self { meta: Some(meta), tensors: Vec::new() }
    }

    /// Appends bytes.
    pub fn push_u8(&mut self, name: &str, shape: &[usize], values: &[u8]) {
        self.tensors.push((name.into(), Dtype::U8, shape.to_vec(), values.to_vec()));
    }

    /// Appends single-precision values.
    pub fn push_f32(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors.push((name.into(), Dtype::F32, shape.to_vec(), bytes));
    }

    /// Appends double-precision values.
    pub fn push_f64(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors.push((name.into(), Dtype::F64, shape.to_vec(), bytes));
    }

    /// From the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is damaged; `path` names it.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| unusable(path, e))?;
        let meta = header.metadata().as_ref().and_then(|m| m.get("vae_core")).cloned();
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| unusable(path, e))?;
        let tensors = tensors
            .iter()
            .map(|(name, view)| (name.to_string(), view.dtype(), view.shape().to_vec(), view.data().to_vec()));
        let file = Self { meta, tensors: tensors.collect() };
        match header.metadata().as_ref().and_then(|m| m.get(CHECKSUM)) {
            Some(checksum) if *checksum != file.checksum() => {
                Err(unusable(path, "is damaged: its content is not that of its checksum"))
            }
            _ => Ok(file),
        }
    }

    /// Of the JSON text and of all tensors, whatever their order.
    fn checksum(&self) -> String {
        let mut tensors: Vec<_> = self.tensors.iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let headers: Vec<String> =
            tensors.iter().map(|(name, dtype, shape, _)| format!("\n{name} {dtype:?} {shape:?}\n")).collect();
        let meta = self.meta.as_deref().unwrap_or_default().as_bytes();
        let parts = headers.iter().zip(&tensors).flat_map(|(header, tensor)| [header.as_bytes(), &tensor.3[..]]);
        sha256_hex(std::iter::once(meta).chain(parts))
    }

    /// The JSON text.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file, which `path` names, has none.
    pub fn meta(&self, path: &Path) -> Result<&str> {
        self.meta.as_deref().ok_or_else(|| unusable(path, "has no vae_core metadata"))
    }

    /// The names of the tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|tensor| tensor.0.as_str())
    }

    /// The tensor of bytes of this name and shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there is none.
    pub fn u8(&self, name: &str, shape: &[usize], path: &Path) -> Result<Vec<u8>> {
        self.bytes(name, Dtype::U8, shape, path).map(<[u8]>::to_vec)
    }

    /// The single-precision tensor of this name and shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there is none.
    pub fn f32(&self, name: &str, shape: &[usize], path: &Path) -> Result<Vec<f32>> {
        let bytes = self.bytes(name, Dtype::F32, shape, path)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    /// The double-precision tensor of this name and shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there is none.
    pub fn f64(&self, name: &str, shape: &[usize], path: &Path) -> Result<Vec<f64>> {
        let bytes = self.bytes(name, Dtype::F64, shape, path)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
    }

    fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize], path: &Path) -> Result<&[u8]> {
        let expected = format!("expected {dtype:?} {shape:?}");
        match self.tensors.iter().find(|t| t.0 == name) {
            Some((_, found, of, bytes)) if *found == dtype && of == shape => Ok(bytes),
            Some((_, found, of, _)) => Err(unusable(path, format!("tensor {name} is {found:?} {of:?}, {expected}"))),
            None => Err(unusable(path, format!("tensor {name} is missing, {expected}"))),
        }
    }
}

/// Writes a safetensors file, atomically.
///
/// # Errors
/// [`Error::Io`].
pub fn write_tensors(path: &Path, file: &TensorFile) -> Result<()> {
    let views = file.tensors.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view)).map_err(|e| unusable(path, e))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let own = |meta: &String| [("vae_core".to_owned(), meta.clone()), (CHECKSUM.to_owned(), file.checksum())];
    let entries: Vec<_> = file.meta.iter().flat_map(own).collect();
    // safetensors writes a map in its order, which is another for each map: one in the order of its keys gives equal files equal bytes
    let mut maps = std::iter::repeat_with(|| entries.iter().cloned().collect::<HashMap<_, _>>());
    let meta = maps.find(|map| map.keys().is_sorted()).unwrap_or_default();
    let bytes = safetensors::serialize(views, Some(meta)).map_err(|e| unusable(path, e))?;
    write_atomic(path, &bytes)
}

/// Reads a safetensors file of at most `limit` bytes.
///
/// # Errors
/// [`Error::Io`]; [`Error::Checkpoint`] if it is larger or damaged.
pub fn read_tensors(path: &Path, limit: u64) -> Result<TensorFile> {
    TensorFile::parse(&read_at_most(path, limit)?, path)
}

/// Opens a regular file: to open a pipe for reading may last for ever, and a device has no end.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] if it is something else.
pub(crate) fn open(path: &Path) -> Result<File> {
    if fs::metadata(path).map_err(Error::io("open", path))?.is_file() {
        return File::open(path).map_err(Error::io("open", path));
    }
    Err(Error::data(path.display().to_string(), "is a folder, a pipe or a device where a regular file is needed"))
}

/// The bytes of a file of at most so many.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] if it is no regular file; [`Error::Checkpoint`] if it is larger.
pub fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(unusable(path, format!("is larger than the {limit} bytes that it can need")));
    }
    Ok(bytes)
}

/// Whose file it is, and so what to do about it, only the caller knows.
fn unusable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Checkpoint { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn equal_content_gives_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let mut file = TensorFile::new("{}".into());
        file.push_f32("w", &[2], &[1.0, 2.0]);
        let written = || {
            write_tensors(&path, &file).unwrap();
            fs::read(&path).unwrap()
        };
        let first = written();
        assert!((0..20).all(|_| written() == first));
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_scraps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let blocked = folder.path().join("new/a.txt/b.txt");
        assert!(matches!(write_atomic(&blocked, b"x"), Err(Error::Io { .. })));
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }
}
