//! Where the data are: the folder in `VAEB_DATA`, then `data/` in the checkout.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::data::files::DataFile;
use crate::environment;
use crate::{Error, Result};

/// Names the data folder; looked into before `data/` in the checkout.
pub const DATA_VARIABLE: &str = "VAEB_DATA";

/// The checkout: the nearest folder, from the current one upwards, that contains `vae_core/Cargo.toml`; else the one
/// this crate was compiled in, if it still exists; else the current folder.
pub fn project_root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let is_root = |folder: &Path| folder.join("vae_core").join("Cargo.toml").is_file();
    if let Some(root) = here.ancestors().find(|folder| is_root(folder)) {
        return root.to_owned();
    }
    match Path::new(env!("CARGO_MANIFEST_DIR")).parent() {
        Some(root) if is_root(root) => root.to_owned(),
        _ => here,
    }
}

/// Names the folder of runs.
pub const RUNS_VARIABLE: &str = "VAEB_RUNS";

/// The folder that `fetch` writes to: `VAEB_DATA` if it is set, else `data/` in the checkout.
pub fn data_dir() -> PathBuf {
    environment::path(DATA_VARIABLE).unwrap_or_else(|| project_root().join("data"))
}

/// The folder of runs, and of the copies of own images that they need: `VAEB_RUNS` if it is set, else `data/runs/` in the checkout.
pub fn runs_dir() -> PathBuf {
    environment::path(RUNS_VARIABLE).unwrap_or_else(|| project_root().join("data").join("runs"))
}

/// The folders that are searched, in order.
///
/// # Errors
/// [`Error::Config`] if `VAEB_DATA` names something that is no folder: data of one's own would quietly be others.
pub fn search_path() -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = environment::path(DATA_VARIABLE).into_iter().collect();
    if let Some(folder) = folders.iter().find(|folder| !folder.is_dir()) {
        let reason = format!("is {}, which is no folder here; make it, or unset the variable", folder.display());
        return Err(Error::config(DATA_VARIABLE, reason));
    }
    let own = project_root().join("data");
    if !folders.contains(&own) {
        folders.push(own);
    }
    Ok(folders)
}

/// The places below `folders` where `file` is, in the order in which they are looked at.
///
/// # Errors
/// [`Error::Io`] if a place cannot be looked at (no permission, for instance): that is not the same as absence.
pub fn find(file: DataFile, folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut places = Vec::new();
    for folder in folders {
        for candidate in file.candidates() {
            let path = folder.join(candidate);
            match std::fs::metadata(&path) {
                Ok(_) => places.push(path),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => return Err(Error::io("look for", path)(error)),
            }
        }
    }
    Ok(places)
}

/// The places of each of the `files` of `dataset`; `None` if none of them is there.
///
/// # Errors
/// [`Error::NotFound`] if only some are there, naming those that are missing; [`Error::Io`] as [`find`].
pub fn find_all(dataset: &str, files: &[DataFile], folders: &[PathBuf]) -> Result<Option<Vec<Vec<PathBuf>>>> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for &file in files {
        match find(file, folders)? {
            places if places.is_empty() => missing.push(file.stem()),
            places => found.push(places),
        }
    }
    match (found.is_empty(), missing.is_empty()) {
        (_, true) => Ok(Some(found)),
        (true, false) => Ok(None),
        (false, false) => Err(not_found(format!("{dataset} ({} of it)", missing.join(", ")), folders)),
    }
}

/// The content of a file at the first of its places at which it is whole: a download that was cut off hides no good copy.
///
/// # Errors
/// As [`DataFile::read`], of the first place.
pub(super) fn read_first(file: DataFile, places: &[PathBuf]) -> Result<Vec<u8>> {
    let mut contents = places.iter().map(|path| file.read(path));
    match contents.next() {
        Some(Err(first)) => contents.find_map(Result::ok).ok_or(first),
        Some(content) => content,
        None => Err(not_found(file.stem(), &[])),
    }
}

/// The error that lists the searched folders.
pub fn not_found(dataset: impl Into<String>, folders: &[PathBuf]) -> Error {
    let searched = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" and ");
    Error::NotFound { dataset: dataset.into(), searched }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_checkout_is_found_from_its_subfolders() {
        // Cargo runs tests in the package's folder.
        assert!(project_root().join("vae_core/src/data/locate.rs").is_file());
    }

    #[test]
    fn all_layouts_are_accepted_and_the_first_folder_wins() {
        for name in [
            "mnist/train-images-idx3-ubyte",
            "mnist/train-images-idx3-ubyte.gz",
            "train-images-idx3-ubyte.gz",
            "train-images.idx3-ubyte",
            "MNIST/raw/train-images-idx3-ubyte",
        ] {
            let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let folders = [first.path().to_owned(), second.path().to_owned()];
            assert!(find(DataFile::MnistTrainImages, &folders).unwrap().is_empty());
            for folder in [&second, &first] {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, "").unwrap();
                assert_eq!(find(DataFile::MnistTrainImages, &folders).unwrap().first(), Some(&path));
            }
        }
    }

    #[test]
    fn absent_and_incomplete_are_different() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        assert!(find_all("MNIST", &DataFile::MNIST, &folders).unwrap().is_none());
        std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), "").unwrap();
        let error = find_all("MNIST", &DataFile::MNIST, &folders).unwrap_err().to_string();
        assert!(error.contains("train-images") && !error.contains("t10k-images"), "{error}");
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
    }
}
