//! A data set with explicit splits.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Which data set. `Mnist` and `FreyFace` are the real ones; the synthetic ones are drawn by the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// MNIST handwritten digits, 28×28, 50k/10k/10k.
    Mnist,
    /// Frey Face, 28 rows × 20 columns, 1965 frames.
    FreyFace,
    /// Procedurally drawn digits, 28×28.
    SyntheticDigits,
    /// Procedurally drawn faces, 28×20.
    SyntheticFaces,
}

/// How the datapoints are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitScheme {
    /// In file order: MNIST 50k/10k/10k; Frey 1500 train, last 465 held out (temporal), as the report.
    #[default]
    Standard,
    /// The same sizes after a random permutation of the training file (MNIST) or of all frames (Frey).
    Random {
        /// Seed of the permutation.
        seed: u64,
    },
}

/// Everything that determines a [`Dataset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetConfig {
    /// Which data set.
    pub kind: DatasetKind,
    /// How it is divided.
    pub split: SplitScheme,
}

/// A block of images as stored: 8-bit intensities, one image a row.
#[derive(Clone, Debug)]
pub struct Images {
    /// Intensities 0–255, `[N, D]`.
    pub pixels: Array2<u8>,
    /// Class of each image, where the data set has classes.
    pub labels: Option<Vec<u8>>,
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
    /// Validation datapoints (the report's "test" in Figs 3–6; Frey: the same frames as `test`).
    pub valid: Images,
    /// Test datapoints.
    pub test: Images,
    /// SHA-256 of all pixels in file order, in hexadecimal.
    pub sha256: String,
}
