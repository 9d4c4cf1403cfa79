//! A data set with explicit splits.

use ndarray::{Array2, Axis, s};
use serde::{Deserialize, Serialize};

use crate::data::batches::permutation;
use crate::data::files::{DataFile, sha256_hex};
use crate::data::{locate, synthetic_digits, synthetic_faces};
use crate::rng::{Stream, rng};
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
        let stored = match self.kind {
            DatasetKind::SyntheticDigits => {
                let (pixels, labels) = synthetic_digits::draw_all();
                Stored { pixels, labels: Some(labels), valid: synthetic_digits::VALID, test: synthetic_digits::TEST }
            }
            DatasetKind::SyntheticFaces => Stored::faces(synthetic_faces::draw_all()),
            DatasetKind::Mnist | DatasetKind::FreyFace => {
                let folders = locate::search_path();
                let paths = locate::find_all(self.kind.label(), self.kind.files(), &folders)?
                    .ok_or_else(|| locate::not_found(self.kind.label(), &folders))?;
                let mut contents = Vec::new();
                for (file, path) in self.kind.files().iter().zip(paths) {
                    contents.push(file.read(&path)?);
                }
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
        Self::real_or(DatasetKind::Mnist, DatasetKind::SyntheticDigits)
    }

    /// Frey Face if its file is here, else the synthetic faces. The name says which.
    ///
    /// # Errors
    /// As [`DatasetConfig::load`]: a damaged Frey Face is an error, only its absence is not.
    pub fn faces() -> Result<Self> {
        Self::real_or(DatasetKind::FreyFace, DatasetKind::SyntheticFaces)
    }

    fn real_or(real: DatasetKind, drawn: DatasetKind) -> Result<Self> {
        let present = locate::find_all(real.label(), real.files(), &locate::search_path())?.is_some();
        DatasetConfig::new(if present { real } else { drawn }).load()
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
        let sha256 = sha256_hex(self.pixels.as_slice());
        let all = Images { pixels: self.pixels, labels: self.labels };
        let n = all.len();
        // What the split may permute: everything but a separate test set.
        let movable = if self.valid > 0 { n - self.test } else { n };
        let mut rows: Vec<usize> = match config.split {
            SplitScheme::Standard => (0..movable).collect(),
            SplitScheme::Random { seed } => permutation(movable, &mut rng(seed, Stream::Split, 0)),
        };
        rows.extend(movable..n);
        let test = all.select(&rows[n - self.test..]);
        let valid = if self.valid > 0 { all.select(&rows[movable - self.valid..movable]) } else { test.clone() };
        let train = all.select(&rows[..n - self.test - self.valid]);
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
