//! A data set with explicit splits.

use std::path::PathBuf;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::checksum::sha256_hex;
use crate::data::batches::permutation;
pub use crate::data::images::Images;
pub use crate::data::kind::{DatasetKind, Limit, SplitScheme};
use crate::data::{locate, own_copy, synthetic_digits, synthetic_faces};
use crate::kernel::{content_block, print};
use crate::rng::{Stream, rng};
use crate::threads::{self, in_parallel};
use crate::{Error, Result};

/// MNIST's validation images: the last of its training file.
const MNIST_VALID: usize = 10_000;
/// Frey Face's training frames.
const FREY_TRAIN: usize = 1500;

/// Everything that determines a [`Dataset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// Which data set.
    pub kind: DatasetKind,
    /// How it is divided.
    #[serde(default)]
    pub split: SplitScheme,
    /// Only its first images, for quick checks; `None` is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

impl DatasetConfig {
    /// All of `kind`, divided as the report does.
    pub fn new(kind: DatasetKind) -> Self {
        Self { kind, split: SplitScheme::Standard, limit: None }
    }

    /// MNIST if its files are here, else the synthetic digits.
    ///
    /// # Errors
    /// [`Error::Data`] if only some of its files are here; [`Error::Io`] if a folder cannot be read.
    pub fn digits() -> Result<Self> {
        Self::real_or(DatasetKind::Mnist, DatasetKind::SyntheticDigits, &locate::search_path()?)
    }

    /// Frey Face if its file is here, else the synthetic faces.
    ///
    /// # Errors
    /// As [`digits`](Self::digits).
    pub fn faces() -> Result<Self> {
        Self::real_or(DatasetKind::FreyFace, DatasetKind::SyntheticFaces, &locate::search_path()?)
    }

    fn real_or(real: DatasetKind, drawn: DatasetKind, folders: &[PathBuf]) -> Result<Self> {
        let present = locate::find_all(real.label(), real.files(), folders)?.is_some();
        Ok(Self::new(if present { real } else { drawn }))
    }

    /// The data set: drawn if it is synthetic, else found (see [`locate`]) and verified. Own images are found by their
    /// SHA-256 in the copy that [`Dataset::own`] keeps.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the files are not on this machine, [`Error::Data`] if one of them is not the canonical
    /// one or the copy of own images is missing or damaged, [`Error::Io`] if one cannot be read.
    pub fn load(&self) -> Result<Dataset> {
        let is_own = matches!(self.kind, DatasetKind::Own(_));
        self.load_from(&if is_own { vec![locate::runs_dir()] } else { locate::search_path()? })
    }

    pub(super) fn load_from(&self, folders: &[PathBuf]) -> Result<Dataset> {
        let stored = match self.kind {
            DatasetKind::SyntheticDigits => {
                let (pixels, labels) = synthetic_digits::draw_all();
                let all = Images { pixels: pixels.into(), labels: Some(labels) };
                Stored { all, valid: synthetic_digits::VALID, test: synthetic_digits::TEST }
            }
            DatasetKind::SyntheticFaces => Stored::faces(synthetic_faces::draw_all()),
            DatasetKind::Own(own) => {
                let (name, all) = own_copy::find(&own, folders)?;
                return Ok(Stored { all, valid: own.valid, test: own.test }.divide(*self, name));
            }
            DatasetKind::Mnist | DatasetKind::FreyFace => {
                let places = locate::find_all(self.kind.label(), self.kind.files(), folders)?
                    .ok_or_else(|| locate::not_found(self.kind.label(), folders))?;
                let files = self.kind.files();
                let contents =
                    in_parallel(files.len(), threads::available()?, |i| locate::read_first(files[i], &places[i]))?;
                Stored::from_contents(self.kind, contents)?
            }
        };
        Ok(stored.divide(*self, self.kind.label().to_owned()))
    }
}

/// A data set, divided. [`DatasetConfig::load`] and [`Dataset::own`] make one; to change its images make them your own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dataset {
    /// What it was made from.
    pub config: DatasetConfig,
    /// Name for captions: "MNIST", "Frey Face", "synthetic digits", …, or the one given to own images.
    pub name: String,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Training datapoints.
    pub train: Images,
    /// Validation datapoints (the report's "test" in Figs 3–6; faces: the same frames as `test`).
    pub valid: Images,
    /// Test datapoints.
    pub test: Images,
    /// SHA-256 of all pixels of the whole data set (before any [`Limit`] and in file order, whatever the split), in
    /// hexadecimal. MNIST: the training file's pixels, then the test file's. Faces: frame after frame. Own images: of
    /// everything that [`OwnData::sha256`](crate::data::OwnData::sha256) names.
    pub sha256: String,
}

impl Dataset {
    /// MNIST if its files are here, else the synthetic digits. The name says which.
    ///
    /// # Errors
    /// As [`DatasetConfig::load`]: a damaged or incomplete MNIST is an error, only its absence is not.
    pub fn digits() -> Result<Self> {
        DatasetConfig::digits()?.load()
    }

    /// Frey Face if its file is here, else the synthetic faces. The name says which.
    ///
    /// # Errors
    /// As [`DatasetConfig::load`]: a damaged Frey Face is an error, only its absence is not.
    pub fn faces() -> Result<Self> {
        DatasetConfig::faces()?.load()
    }

    /// The first `train` training images and the first `eval` validation and test images (all, where there are fewer).
    /// [`DatasetConfig::limit`] remembers it.
    pub fn truncated(&self, train: usize, eval: usize) -> Self {
        let limit = match self.config.limit {
            Some(old) => Limit { train: train.min(old.train), eval: eval.min(old.eval) },
            None => Limit { train, eval },
        };
        Self {
            config: DatasetConfig { limit: Some(limit), ..self.config },
            name: self.name.clone(),
            height: self.height,
            width: self.width,
            train: self.train.first(train),
            valid: self.valid.first(eval),
            test: self.test.first(eval),
            sha256: self.sha256.clone(),
        }
    }

    /// Number of pixels, D.
    pub fn dim(&self) -> usize {
        self.height * self.width
    }

    /// One line: the name, the splits, the image size. Synthetic data are marked as such.
    pub fn summary(&self) -> String {
        let name = match self.config.kind {
            DatasetKind::SyntheticDigits => "SYNTHETIC digits (drawn by vae_core, not MNIST)",
            DatasetKind::SyntheticFaces => "SYNTHETIC faces (drawn by vae_core, not Frey Face)",
            _ => &self.name,
        };
        let splits = match self.config.kind {
            DatasetKind::Mnist | DatasetKind::SyntheticDigits | DatasetKind::Own(_) => {
                format!("{} train · {} validation · {} test", self.train.len(), self.valid.len(), self.test.len())
            }
            DatasetKind::FreyFace | DatasetKind::SyntheticFaces => {
                format!("{} train · {} held out", self.train.len(), self.test.len())
            }
        };
        let how = match self.config.split {
            SplitScheme::Standard => String::new(),
            SplitScheme::Random { seed } => format!(", random split {seed}"),
        };
        let part = if self.config.limit.is_some() { ", a part of it" } else { "" };
        format!("{name}: {splits}, {}×{}{how}{part}", self.height, self.width)
    }

    /// Shows [`summary`](Self::summary) as the value of a notebook cell.
    pub fn evcxr_display(&self) {
        print(&content_block("text/plain", &self.summary()));
    }
}

/// A whole data set in file order: training, then validation, then test images.
pub(super) struct Stored {
    pub all: Images,
    /// Images held out for validation; 0 if the test images serve for that too.
    pub valid: usize,
    pub test: usize,
}

impl Stored {
    fn faces(pixels: Array2<u8>) -> Self {
        let test = pixels.nrows().saturating_sub(FREY_TRAIN);
        Self { all: Images { pixels: pixels.into(), labels: None }, valid: 0, test }
    }

    /// From the verified contents of the files of `kind`, in their order.
    fn from_contents(kind: DatasetKind, contents: Vec<Vec<u8>>) -> Result<Self> {
        let (height, width) = kind.image_shape();
        let images = |pixels: Vec<u8>| {
            Array2::from_shape_vec((pixels.len() / (height * width), height * width), pixels)
                .map_err(|error| Error::data(kind.label(), error.to_string()))
        };
        let mut contents = contents.into_iter();
        let mut next = || contents.next().unwrap_or_default();
        if kind == DatasetKind::FreyFace {
            return Ok(Self::faces(images(next())?));
        }
        let (mut pixels, mut labels, test_pixels, test_labels) = (next(), next(), next(), next());
        let test = test_labels.len();
        pixels.extend(test_pixels);
        labels.extend(test_labels);
        let all = Images { pixels: images(pixels)?.into(), labels: Some(labels) };
        Ok(Self { all, valid: MNIST_VALID, test })
    }

    pub fn divide(self, config: DatasetConfig, name: String) -> Dataset {
        let Self { all, valid, test } = self;
        let n = all.len();
        let own = matches!(config.kind, DatasetKind::Own(_));
        // What the split may permute: everything but a test set that was made separately.
        let movable = if valid > 0 && !own { n - test } else { n };
        let mut rows: Vec<usize> = match config.split {
            SplitScheme::Standard => (0..movable).collect(),
            SplitScheme::Random { seed } => permutation(movable, &mut rng(seed, Stream::Split, 0)),
        };
        rows.extend(movable..n);
        let parts = || {
            let tested = all.select(&rows[n - test..]);
            let validated = if valid > 0 { all.select(&rows[n - test - valid..n - test]) } else { tested.clone() };
            (all.select(&rows[..n - test - valid]), validated, tested)
        };
        let hash = || match config.kind {
            DatasetKind::Own(own) => own.sha256.to_string(),
            _ => sha256_hex(all.pixels.bytes().and_then(|pixels| pixels.as_slice())),
        };
        let (sha256, (train, valid, test)) = rayon::join(hash, parts);
        let (height, width) = config.kind.image_shape();
        let whole = DatasetConfig { limit: None, ..config };
        let dataset = Dataset { config: whole, name, height, width, train, valid, test, sha256 };
        match config.limit {
            Some(limit) => dataset.truncated(limit.train, limit.eval),
            None => dataset,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::data::files::DataFile;

    /// Ten images of two pixels; label and first pixel are the position.
    fn stored(valid: usize, test: usize) -> Stored {
        let pixels = Array2::from_shape_fn((10, 2), |(row, column)| if column == 0 { row as u8 } else { 7 });
        Stored { all: Images { pixels: pixels.into(), labels: Some((0..10).collect()) }, valid, test }
    }

    fn config(split: SplitScheme) -> DatasetConfig {
        DatasetConfig { split, ..DatasetConfig::new(DatasetKind::Mnist) }
    }

    fn labels(images: &Images) -> Vec<u8> {
        let labels = images.labels.clone().unwrap();
        assert_eq!(labels, images.pixels.bytes().unwrap().column(0).to_vec(), "labels and pixels came apart");
        labels
    }

    #[test]
    fn the_standard_split_is_in_file_order() {
        let data = stored(2, 3).divide(config(SplitScheme::Standard), "ten".into());
        assert_eq!(labels(&data.train), [0, 1, 2, 3, 4]);
        assert_eq!(labels(&data.valid), [5, 6]);
        assert_eq!(labels(&data.test), [7, 8, 9]);
        let faces = stored(0, 4).divide(config(SplitScheme::Standard), "ten".into());
        assert_eq!(labels(&faces.train), [0, 1, 2, 3, 4, 5]);
        assert_eq!(labels(&faces.valid), labels(&faces.test));
        assert_eq!(labels(&faces.test), [6, 7, 8, 9]);
    }

    #[test]
    fn a_random_split_permutes_all_but_a_separate_test_set() {
        let data = stored(2, 3).divide(config(SplitScheme::Random { seed: 1 }), "ten".into());
        assert_eq!(labels(&data.test), [7, 8, 9]);
        let mut rest = [labels(&data.train), labels(&data.valid)].concat();
        assert_ne!(rest, [0, 1, 2, 3, 4, 5, 6]);
        rest.sort_unstable();
        assert_eq!(rest, [0, 1, 2, 3, 4, 5, 6]);

        let faces = stored(0, 4).divide(config(SplitScheme::Random { seed: 1 }), "ten".into());
        let mut all = [labels(&faces.train), labels(&faces.test)].concat();
        assert_ne!(labels(&faces.test), [6, 7, 8, 9]);
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<u8>>());
        // The hash names the data, not their division.
        assert_eq!(data.sha256, faces.sha256);
        let other = stored(2, 3).divide(config(SplitScheme::Random { seed: 2 }), "ten".into());
        assert_ne!(labels(&other.train), labels(&data.train));
    }

    #[test]
    fn truncation_is_remembered_in_the_configuration() {
        let data = stored(2, 3).divide(config(SplitScheme::Standard), "ten".into());
        let part = data.truncated(2, 100).truncated(3, 1);
        assert_eq!((labels(&part.train), labels(&part.valid), labels(&part.test)), (vec![0, 1], vec![5], vec![7]));
        assert_eq!(part.config.limit, Some(Limit { train: 2, eval: 1 }));
        let again = stored(2, 3).divide(part.config, "ten".into());
        assert_eq!(labels(&again.train), labels(&part.train));
        assert_eq!(again.config, part.config);
        assert!(part.summary().ends_with("a part of it"), "{}", part.summary());
        let mut short = data;
        short.train.labels = Some(vec![9]);
        assert_eq!(short.truncated(2, 1).train.labels, Some(vec![9]));
    }

    #[test]
    fn only_absence_falls_back() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        let digits =
            || DatasetConfig::real_or(DatasetKind::Mnist, DatasetKind::SyntheticDigits, &folders)?.load_from(&folders);
        assert_eq!(digits().unwrap().config.kind, DatasetKind::SyntheticDigits);
        let absent = DatasetConfig::new(DatasetKind::Mnist).load_from(&folders).unwrap_err();
        assert!(matches!(absent, Error::NotFound { .. }), "{absent}");
        std::fs::write(folder.path().join(DataFile::MnistTestImages.stem()), "damaged").unwrap();
        assert!(matches!(digits(), Err(Error::NotFound { .. })), "an incomplete set");
        for file in DataFile::MNIST {
            std::fs::write(folder.path().join(file.stem()), "damaged").unwrap();
        }
        assert!(matches!(digits(), Err(Error::Data { .. })), "a damaged set");
    }

    #[test]
    fn synthetic_data_say_so() {
        let digits = DatasetConfig::new(DatasetKind::SyntheticDigits).load().unwrap();
        assert_eq!(
            digits.summary(),
            "SYNTHETIC digits (drawn by vae_core, not MNIST): 12000 train · 2000 validation · 2000 test, 28×28"
        );
        let faces = DatasetConfig::new(DatasetKind::SyntheticFaces).load().unwrap();
        assert!(faces.summary().starts_with("SYNTHETIC faces"), "{}", faces.summary());
        assert!(faces.summary().contains("1500 train · 465 held out, 28×20"), "{}", faces.summary());
        assert_eq!((digits.dim(), faces.dim()), (784, 560));
        assert!(format!("{digits:?}").len() < 1000, "Debug prints the pixels");
    }

    #[test]
    fn configurations_survive_json() {
        for config in [
            DatasetConfig::new(DatasetKind::FreyFace),
            DatasetConfig {
                limit: Some(Limit { train: 5, eval: 2 }),
                ..config(SplitScheme::Random { seed: u64::MAX })
            },
        ] {
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<DatasetConfig>(&json).unwrap(), config);
        }
        // Written before there was a limit.
        let old = r#"{"kind":"mnist","split":"standard"}"#;
        assert_eq!(serde_json::from_str::<DatasetConfig>(old).unwrap(), DatasetConfig::new(DatasetKind::Mnist));
        assert_eq!(serde_json::to_string(&DatasetConfig::new(DatasetKind::Mnist)).unwrap(), old);
    }
}
