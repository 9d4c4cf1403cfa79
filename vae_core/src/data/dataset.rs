//! A data set with explicit splits.

use std::path::PathBuf;

use ndarray::{Array2, Axis, s};
use serde::{Deserialize, Serialize};

use crate::data::batches::permutation;
use crate::data::files::{DataFile, sha256_hex};
use crate::data::preprocess::Preprocess;
use crate::data::{locate, synthetic_digits, synthetic_faces};
use crate::rng::{Stream, rng};
use crate::threads::{self, in_parallel};
use crate::{Error, Result};

/// MNIST's validation images: the last of its training file.
const MNIST_VALID: usize = 10_000;
/// Frey Face's training frames.
const FREY_TRAIN: usize = 1500;

/// Which data set. `Mnist` and `FreyFace` are the real ones; the synthetic ones are drawn by the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// MNIST handwritten digits, 28×28, 50k/10k/10k.
    Mnist,
    /// Frey Face, 28 rows × 20 columns, 1965 frames.
    FreyFace,
    /// Procedurally drawn digits, 28×28, 12k/2k/2k.
    SyntheticDigits,
    /// Procedurally drawn faces, 28×20, 1965 frames divided as Frey Face.
    SyntheticFaces,
}

impl DatasetKind {
    /// Name for captions: "MNIST", "Frey Face", "synthetic digits", "synthetic faces".
    pub fn label(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FreyFace => "Frey Face",
            Self::SyntheticDigits => "synthetic digits",
            Self::SyntheticFaces => "synthetic faces",
        }
    }

    /// Whether the crate draws it.
    pub fn is_synthetic(self) -> bool {
        matches!(self, Self::SyntheticDigits | Self::SyntheticFaces)
    }

    /// `(height, width)` of an image in pixels.
    pub fn image_shape(self) -> (usize, usize) {
        match self {
            Self::Mnist | Self::SyntheticDigits => (28, 28),
            Self::FreyFace | Self::SyntheticFaces => (28, 20),
        }
    }

    /// The files of a real data set; empty for a synthetic one.
    pub fn files(self) -> &'static [DataFile] {
        match self {
            Self::Mnist => &DataFile::MNIST,
            Self::FreyFace => &DataFile::FREY,
            Self::SyntheticDigits | Self::SyntheticFaces => &[],
        }
    }
}

/// How the datapoints are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitScheme {
    /// In file order: MNIST 50k/10k/10k; Frey 1500 train, last 465 held out (temporal), as the report.
    #[default]
    Standard,
    /// The same sizes after a random permutation of what is not MNIST's test file (digits) or of all frames (faces).
    Random {
        /// Seed of the permutation.
        seed: u64,
    },
}

/// Keeps only the first images of each split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// At most so many training images.
    pub train: usize,
    /// At most so many validation, and so many test images.
    pub eval: usize,
}

/// Everything that determines a [`Dataset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// The data set: drawn if it is synthetic, else found (see [`locate`]) and verified.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the files are not on this machine, [`Error::Data`] if one of them is not the canonical
    /// one, [`Error::Io`] if one cannot be read.
    pub fn load(&self) -> Result<Dataset> {
        self.load_from(&locate::search_path())
    }

    fn load_from(&self, folders: &[PathBuf]) -> Result<Dataset> {
        let stored = match self.kind {
            DatasetKind::SyntheticDigits => {
                let (pixels, labels) = synthetic_digits::draw_all();
                Stored { pixels, labels: Some(labels), valid: synthetic_digits::VALID, test: synthetic_digits::TEST }
            }
            DatasetKind::SyntheticFaces => Stored::faces(synthetic_faces::draw_all()),
            DatasetKind::Mnist | DatasetKind::FreyFace => {
                let paths = locate::find_all(self.kind.label(), self.kind.files(), folders)?
                    .ok_or_else(|| locate::not_found(self.kind.label(), folders))?;
                let files = self.kind.files();
                let contents = in_parallel(files.len(), threads::available()?, |i| files[i].read(&paths[i]))?;
                Stored::from_contents(self.kind, contents)?
            }
        };
        Ok(stored.divide(*self))
    }
}

/// A block of images as stored: 8-bit intensities, one image a row.
#[derive(Clone)]
pub struct Images {
    /// Intensities 0–255, `[N, D]`.
    pub pixels: Array2<u8>,
    /// Class of each image, where the data set has classes.
    pub labels: Option<Vec<u8>>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.nrows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `n` images (all, if there are fewer) as the model sees them, `[n, D]`.
    ///
    /// # Errors
    /// None that a valid preprocessing can cause.
    pub fn prepared(&self, preprocess: &Preprocess, n: usize) -> Result<Array2<f32>> {
        self.prepared_rows(preprocess, &(0..n.min(self.len())).collect::<Vec<_>>())
    }

    /// These images, in this order, as the model sees them, `[rows, D]`.
    ///
    /// # Errors
    /// If there is no image of that number.
    pub fn prepared_rows(&self, preprocess: &Preprocess, rows: &[usize]) -> Result<Array2<f32>> {
        let mut x = Array2::zeros((rows.len(), self.pixels.ncols()));
        if let Some(out) = x.as_slice_mut() {
            preprocess.prepare().gather(&self.pixels, rows, 0, out)?;
        }
        Ok(x)
    }

    /// The images in these rows, in this order; `rows` must exist.
    fn select(&self, rows: &[usize]) -> Self {
        Self {
            pixels: self.pixels.select(Axis(0), rows),
            labels: self.labels.as_ref().map(|labels| rows.iter().map(|&row| labels[row]).collect()),
        }
    }

    /// The first `n`, or all if there are fewer.
    fn first(&self, n: usize) -> Self {
        let n = n.min(self.len());
        Self {
            pixels: self.pixels.slice(s![..n, ..]).to_owned(),
            labels: self.labels.as_ref().map(|labels| labels[..n].to_vec()),
        }
    }
}

/// Sizes only: a notebook that shows an `Images` should not print a million numbers.
impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels = if self.labels.is_some() { "labelled" } else { "no labels" };
        write!(f, "Images([{}, {}], {labels})", self.pixels.nrows(), self.pixels.ncols())
    }
}

/// A data set, divided.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What it was made from.
    pub config: DatasetConfig,
    /// Name for captions: "MNIST", "Frey Face", "synthetic digits", …
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
    /// hexadecimal. MNIST: the training file's pixels, then the test file's. Faces: frame after frame.
    pub sha256: String,
}

impl Dataset {
    /// MNIST if its files are here, else the synthetic digits. The name says which.
    ///
    /// # Errors
    /// As [`DatasetConfig::load`]: a damaged or incomplete MNIST is an error, only its absence is not.
    pub fn digits() -> Result<Self> {
        Self::real_or(DatasetKind::Mnist, DatasetKind::SyntheticDigits, &locate::search_path())
    }

    /// Frey Face if its file is here, else the synthetic faces. The name says which.
    ///
    /// # Errors
    /// As [`DatasetConfig::load`]: a damaged Frey Face is an error, only its absence is not.
    pub fn faces() -> Result<Self> {
        Self::real_or(DatasetKind::FreyFace, DatasetKind::SyntheticFaces, &locate::search_path())
    }

    fn real_or(real: DatasetKind, drawn: DatasetKind, folders: &[PathBuf]) -> Result<Self> {
        let present = locate::find_all(real.label(), real.files(), folders)?.is_some();
        DatasetConfig::new(if present { real } else { drawn }).load_from(folders)
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
            DatasetKind::Mnist | DatasetKind::SyntheticDigits => {
                format!("{} train · {} validation · {} test", self.train.len(), self.valid.len(), self.test.len())
            }
            _ => format!("{} train · {} held out", self.train.len(), self.test.len()),
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
        println!("EVCXR_BEGIN_CONTENT text/plain\n{}\nEVCXR_END_CONTENT", self.summary());
    }
}

/// A whole data set in file order: training, then validation, then test images.
struct Stored {
    pixels: Array2<u8>,
    labels: Option<Vec<u8>>,
    /// Images held out for validation; 0 if the test images serve for that too.
    valid: usize,
    test: usize,
}

impl Stored {
    fn faces(pixels: Array2<u8>) -> Self {
        let test = pixels.nrows().saturating_sub(FREY_TRAIN);
        Self { pixels, labels: None, valid: 0, test }
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
        Ok(Self { pixels: images(pixels)?, labels: Some(labels), valid: MNIST_VALID, test })
    }

    fn divide(self, config: DatasetConfig) -> Dataset {
        let all = Images { pixels: self.pixels, labels: self.labels };
        let n = all.len();
        // What the split may permute: everything but a separate test set.
        let movable = if self.valid > 0 { n - self.test } else { n };
        let mut rows: Vec<usize> = match config.split {
            SplitScheme::Standard => (0..movable).collect(),
            SplitScheme::Random { seed } => permutation(movable, &mut rng(seed, Stream::Split, 0)),
        };
        rows.extend(movable..n);
        let parts = || {
            let test = all.select(&rows[n - self.test..]);
            let valid = if self.valid > 0 { all.select(&rows[movable - self.valid..movable]) } else { test.clone() };
            (all.select(&rows[..n - self.test - self.valid]), valid, test)
        };
        let (sha256, (train, valid, test)) = rayon::join(|| sha256_hex(all.pixels.as_slice()), parts);
        let (height, width) = config.kind.image_shape();
        let name = config.kind.label().to_owned();
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

    /// Ten images of two pixels; label and first pixel are the position.
    fn stored(valid: usize, test: usize) -> Stored {
        let pixels = Array2::from_shape_fn((10, 2), |(row, column)| if column == 0 { row as u8 } else { 7 });
        Stored { pixels, labels: Some((0..10).collect()), valid, test }
    }

    fn config(split: SplitScheme) -> DatasetConfig {
        DatasetConfig { split, ..DatasetConfig::new(DatasetKind::Mnist) }
    }

    fn labels(images: &Images) -> Vec<u8> {
        let labels = images.labels.clone().unwrap();
        assert_eq!(labels, images.pixels.column(0).to_vec(), "labels and pixels came apart");
        labels
    }

    #[test]
    fn the_standard_split_is_in_file_order() {
        let data = stored(2, 3).divide(config(SplitScheme::Standard));
        assert_eq!(labels(&data.train), [0, 1, 2, 3, 4]);
        assert_eq!(labels(&data.valid), [5, 6]);
        assert_eq!(labels(&data.test), [7, 8, 9]);
        let faces = stored(0, 4).divide(config(SplitScheme::Standard));
        assert_eq!(labels(&faces.train), [0, 1, 2, 3, 4, 5]);
        assert_eq!(labels(&faces.valid), labels(&faces.test));
        assert_eq!(labels(&faces.test), [6, 7, 8, 9]);
    }

    #[test]
    fn a_random_split_permutes_all_but_a_separate_test_set() {
        let data = stored(2, 3).divide(config(SplitScheme::Random { seed: 1 }));
        assert_eq!(labels(&data.test), [7, 8, 9]);
        let mut rest = [labels(&data.train), labels(&data.valid)].concat();
        assert_ne!(rest, [0, 1, 2, 3, 4, 5, 6]);
        rest.sort_unstable();
        assert_eq!(rest, [0, 1, 2, 3, 4, 5, 6]);

        let faces = stored(0, 4).divide(config(SplitScheme::Random { seed: 1 }));
        let mut all = [labels(&faces.train), labels(&faces.test)].concat();
        assert_ne!(labels(&faces.test), [6, 7, 8, 9]);
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<u8>>());
        // The hash names the data, not their division.
        assert_eq!(data.sha256, faces.sha256);
        let other = stored(2, 3).divide(config(SplitScheme::Random { seed: 2 }));
        assert_ne!(labels(&other.train), labels(&data.train));
    }

    #[test]
    fn truncation_is_remembered_in_the_configuration() {
        let data = stored(2, 3).divide(config(SplitScheme::Standard));
        let part = data.truncated(2, 100).truncated(3, 1);
        assert_eq!((labels(&part.train), labels(&part.valid), labels(&part.test)), (vec![0, 1], vec![5], vec![7]));
        assert_eq!(part.config.limit, Some(Limit { train: 2, eval: 1 }));
        let again = stored(2, 3).divide(part.config);
        assert_eq!(labels(&again.train), labels(&part.train));
        assert_eq!(again.config, part.config);
        assert!(part.summary().ends_with("a part of it"), "{}", part.summary());
    }

    #[test]
    fn only_absence_falls_back() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        let digits = || Dataset::real_or(DatasetKind::Mnist, DatasetKind::SyntheticDigits, &folders);
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
