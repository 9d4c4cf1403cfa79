//! Which data set, how it is divided, and how much of it is used.

use serde::{Deserialize, Serialize};

use crate::data::files::DataFile;
use crate::data::fingerprint::Fingerprint;

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
    /// The user's own images, which [`Dataset::own`](crate::data::Dataset::own) makes.
    Own(OwnData),
}

impl DatasetKind {
    /// Name for captions: "MNIST", "Frey Face", "synthetic digits", "synthetic faces"; "own images", which have a name of
    /// their own in [`Dataset::name`](crate::data::Dataset::name).
    pub fn label(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FreyFace => "Frey Face",
            Self::SyntheticDigits => "synthetic digits",
            Self::SyntheticFaces => "synthetic faces",
            Self::Own(_) => "own images",
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
            Self::Own(own) => (own.height, own.width),
        }
    }

    /// Whether its values are real numbers, not bytes.
    pub fn is_real(self) -> bool {
        matches!(self, Self::Own(own) if own.real)
    }

    /// The files of MNIST or Frey Face; empty for the others.
    pub fn files(self) -> &'static [DataFile] {
        match self {
            Self::Mnist => &DataFile::MNIST,
            Self::FreyFace => &DataFile::FREY,
            Self::SyntheticDigits | Self::SyntheticFaces | Self::Own(_) => &[],
        }
    }
}

/// What identifies own images in a configuration, and so in the hash of every run on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnData {
    /// SHA-256 of number, height, width, type and values of all images and of their labels, in the given order.
    pub sha256: Fingerprint,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Whether the values are real numbers (`f32`), not bytes.
    pub real: bool,
    /// Training images.
    pub train: usize,
    /// Validation images.
    pub valid: usize,
    /// Test images.
    pub test: usize,
}

impl OwnData {
    /// Number of images; `None` beyond `usize`, which no [`Dataset::own`](crate::data::Dataset::own) makes.
    pub(super) fn total(&self) -> Option<usize> {
        self.train.checked_add(self.valid)?.checked_add(self.test)
    }
}

/// How the datapoints are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitScheme {
    /// In file order: MNIST 50k/10k/10k; Frey 1500 train, last 465 held out (temporal), as the report. Own
    /// images: training, then validation, then test images.
    #[default]
    Standard,
    /// The same sizes after a random permutation of what is not MNIST's test file (digits) or of all images
    /// (faces and own images).
    Random {
        /// Seed of the permutation.
        seed: u64,
    },
}

/// Keeps only the first images of each split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// At most so many training images.
    pub train: usize,
    /// At most so many validation, and so many test images.
    pub eval: usize,
}
