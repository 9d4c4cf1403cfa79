//! `cargo notebooks fetch`: downloads the real data sets.
//!
//! A file is streamed to `<name>.part` beside its destination, verified by SHA-256, and only then renamed. What a broken
//! connection leaves behind is continued by the next mirror or the next call; files that are already right are skipped.
mod download;
mod part;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use vae_core::data::{DataFile, locate, verify_file};

use self::download::{Download, Patience};

/// A data set that can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Set {
    /// MNIST: 70,000 handwritten digits, four files, 11 MB
    Mnist,
    /// Frey Face: 1965 frames of one face, one file, 1.1 MB
    Frey,
}

impl Set {
    fn files(self) -> &'static [DataFile] {
        match self {
            Self::Mnist => &DataFile::MNIST,
            Self::Frey => &DataFile::FREY,
        }
    }
}

/// Folders that hold the four MNIST files, compressed.
const MNIST_MIRRORS: [&str; 3] = [
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://yann.lecun.com/exdb/mnist/",
];
/// Folders that hold `frey_rawface.mat`.
const FREY_MIRRORS: [&str; 3] = [
    "https://cs.nyu.edu/~roweis/data/",
    "https://www.cs.nyu.edu/~roweis/data/",
    "https://web.archive.org/web/2020id_/https://cs.nyu.edu/~roweis/data/",
];

/// Downloads what is missing of `what` (everything, if it is empty) into `dir` (see [`vae_core::data::data_dir`]).
///
/// # Errors
/// One sentence that says what failed, what each mirror answered, and where to put the file by hand.
pub fn fetch(dir: &Path, what: &[Set]) -> Result<()> {
    let what = if what.is_empty() { &[Set::Mnist, Set::Frey] } else { what };
    for &file in what.iter().flat_map(|set| set.files()) {
        let mut first_bad = None;
        let is_whole = |path: &PathBuf| match verify_file(path, file) {
            Ok(()) => true,
            Err(error) => {
                first_bad.get_or_insert((path.clone(), error));
                false
            }
        };
        if let Some(path) = locate::find(file, &[dir.to_owned()])?.into_iter().find(is_whole) {
            eprintln!("{}: already there and verified", path.display());
            continue;
        }
        match first_bad {
            // The download replaces its own destination, but a file found elsewhere would still be found first.
            Some((path, error)) if path != dir.join(file.destination()) => {
                bail!("{error}; remove that file, then fetch again");
            }
            Some((_, error)) => eprintln!("{error}; downloading it again"),
            None => {}
        }
        download(file, dir).run(&Patience::default())?;
    }
    Ok(())
}

/// The download of a data file into the data folder `dir`.
fn download(file: DataFile, dir: &Path) -> Download {
    let destination = dir.join(file.destination());
    let (mirrors, suffix) = match file {
        DataFile::FreyFaces => (FREY_MIRRORS, ""),
        _ => (MNIST_MIRRORS, ".gz"),
    };
    Download {
        destination,
        mirrors: mirrors.iter().map(|folder| format!("{folder}{}{suffix}", file.stem())).collect(),
        limit: file.limit(),
        verify: Box::new(move |path| verify_file(path, file).map_err(|error| error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn a_damaged_file_in_another_layout_is_not_shadowed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("frey_rawface.mat"), "damaged").unwrap();
        let error = fetch(folder.path(), &[Set::Frey]).unwrap_err().to_string();
        assert!(error.contains("frey_rawface.mat") && error.contains("remove that file"), "{error}");
    }

    #[test]
    fn the_real_addresses_are_well_formed() {
        for file in DataFile::MNIST.iter().chain(&DataFile::FREY) {
            let download = download(*file, Path::new("data"));
            assert!(download.mirrors.len() >= 2);
            for url in &download.mirrors {
                assert!(url.parse::<ureq::http::Uri>().is_ok() && url.starts_with("https://"), "{url}");
            }
        }
    }
}
