//! The user's own images as a data set: what identifies them, how they are divided, what is refused.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::dataset::{Dataset, DatasetConfig, Stored};
use crate::data::images::Images;
use crate::data::kind::{DatasetKind, SplitScheme};
use crate::data::locate::data_dir;
use crate::data::own_copy;
use crate::data::preprocess::outside_unit;
use crate::data::values::Values;
use crate::{Error, Result};

/// How own images are divided. Each part gets at least one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Split {
    /// In order: first the training images, then so many for validation, at the end so many for testing.
    Sizes {
        /// Validation images.
        valid: usize,
        /// Test images.
        test: usize,
    },
    /// At random: these shares of all images, rounded, are for validation and for testing.
    Shares {
        /// Share of the validation images, in (0, 1).
        valid: f64,
        /// Share of the test images, in (0, 1).
        test: f64,
        /// Seed of the permutation.
        seed: u64,
    },
}

impl Split {
    /// `[train, valid, test]` of `n` images.
    fn sizes(self, n: usize) -> Result<[usize; 3]> {
        let refused = |reason: String| Err(Error::config("split", reason));
        let (valid, test) = match self {
            Self::Sizes { valid, test } => (valid, test),
            Self::Shares { valid, test, .. } => {
                if ![valid, test].iter().all(|share| (0.0..1.0).contains(share)) {
                    return refused(format!("has the shares {valid} and {test}; each must be between 0 and 1"));
                }
                let of = |share: f64| (share * n as f64).round() as usize;
                (of(valid), of(test))
            }
        };
        match valid.checked_add(test).and_then(|held_out| n.checked_sub(held_out)) {
            Some(train) if train > 0 && valid > 0 && test > 0 => Ok([train, valid, test]),
            _ => refused(format!(
                "{self:?} divides {n} images into {valid} for validation, {test} for testing and the rest for training; each \
                 part needs at least one: choose other numbers, or give more images (three at least)"
            )),
        }
    }

    fn scheme(self) -> SplitScheme {
        match self {
            Self::Sizes { .. } => SplitScheme::Standard,
            Self::Shares { seed, .. } => SplitScheme::Random { seed },
        }
    }
}

/// A SHA-256; 64 hexadecimal digits wherever it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub [u8; 32]);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refused = || format!("`{text}` is not a SHA-256 of 64 hexadecimal digits");
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(refused());
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16).filter(|_| !c.is_ascii_uppercase());
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return Err(refused()) };
            *byte = (16 * high + low) as u8;
        }
        Ok(Self(bytes))
    }
}

/// What identifies own images in a configuration, and so in the hash of every run on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Number of images; `None` beyond `usize`, which no [`Dataset::own`] makes.
    pub(super) fn total(&self) -> Option<usize> {
        self.train.checked_add(self.valid)?.checked_add(self.test)
    }
}

/// [`OwnData::sha256`] of these images; values in standard layout.
pub(super) fn fingerprint(images: &Images, (height, width): (usize, usize)) -> Fingerprint {
    let mut hash = Sha256::new();
    let kind = if images.pixels.is_real() { "f32" } else { "u8" };
    let labels = if images.labels.is_some() { "labels" } else { "no labels" };
    hash.update(format!("vae_core own images: {} of {height} x {width} {kind}, {labels}\n", images.len()));
    match &images.pixels {
        Values::Bytes(values) => hash.update(values.as_slice().unwrap_or_default()),
        Values::Real(values) => {
            let mut row = Vec::new();
            for values in values.rows() {
                row.clear();
                row.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                hash.update(&row);
            }
        }
    }
    hash.update(images.labels.as_deref().unwrap_or_default());
    Fingerprint(hash.finalize().into())
}

impl Dataset {
    /// The user's own images as a data set: `values` `[N, height · width]`, an array of `u8`, or of `f32` which stay as
    /// they are; `labels` `[N]` or `None`; `shape` is `(height, width)`. `name` is for captions.
    ///
    /// ```no_run
    /// # use vae_core::prelude::*;
    /// let (values, shape) = Values::from_png_folder("holiday")?;
    /// let data = Dataset::own("holiday", values, None, shape, Split::Shares { valid: 0.1, test: 0.1, seed: 0 })?;
    /// let result = run(&RunConfig::report(data.config))?;
    /// # Ok::<(), vae_core::Error>(())
    /// ```
    ///
    /// A copy is kept in `own/` of the data folder ([`data_dir`]), so that a configuration alone finds the images again,
    /// in another cell or process: N·D bytes, or 4·N·D for `f32`. It is written once, under its SHA-256, whatever the
    /// split, and may be deleted: the next call writes it anew. Runs are stored under that SHA-256 too, not under the name:
    /// the caption of a stored run has the name of the day.
    ///
    /// # Errors
    /// [`Error::Shape`] if the images have another width than `height · width`, or if there are not N labels;
    /// [`Error::Data`] naming row and column of a value that is not finite, or if the name is empty, longer than 100
    /// characters or has control characters; [`Error::Config`] if the split leaves a part without images; [`Error::Io`]
    /// if the copy cannot be written.
    pub fn own(
        name: impl Into<String>,
        values: impl Into<Values>,
        labels: Option<Vec<u8>>,
        shape: (usize, usize),
        split: Split,
    ) -> Result<Self> {
        Self::own_in(&data_dir(), name.into(), Images { pixels: values.into(), labels }, shape, split)
    }

    pub(super) fn own_in(
        folder: &Path,
        name: String,
        images: Images,
        (height, width): (usize, usize),
        split: Split,
    ) -> Result<Self> {
        if name.trim().is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
            return Err(Error::data("own images", "need a name of one line and at most 100 characters for captions"));
        }
        let images = Images { pixels: images.pixels.in_standard_layout(), ..images };
        let (n, d) = images.pixels.dim();
        if d == 0 || height.checked_mul(width) != Some(d) {
            let expected = format!("[N, height · width], and height {height} · width {width} > 0");
            return Err(Error::Shape { what: "own images", expected, found: format!("[{n}, {d}]") });
        }
        if let Some(labels) = images.labels.as_ref().filter(|labels| labels.len() != n) {
            let (expected, found) = (format!("{n}, one for each image"), labels.len().to_string());
            return Err(Error::Shape { what: "labels of own images", expected, found });
        }
        if let Some((row, column, value)) = images.pixels.find_real(|value| !value.is_finite()) {
            let reason = format!("the value in row {row}, column {column} is {value}; replace it by a finite number");
            return Err(Error::data(name, reason));
        }
        let [train, valid, test] = split.sizes(n)?;
        let (sha256, real) = (fingerprint(&images, (height, width)), images.pixels.is_real());
        let own = OwnData { sha256, height, width, real, train, valid, test };
        own_copy::keep(folder, &own, &name, &images)?;
        let config = DatasetConfig { split: split.scheme(), ..DatasetConfig::new(DatasetKind::Own(own)) };
        Ok(Stored { all: images, valid, test }.divide(config, name))
    }

    /// Refuses values outside \[0, 1\] for `what`, the choice in `field` of the configuration.
    pub(crate) fn require_unit_interval(&self, field: &str, what: &str) -> Result<()> {
        for images in [&self.train, &self.valid, &self.test] {
            if let Some(found) = images.pixels.find_real(|value| !(0.0..=1.0).contains(&value)) {
                return Err(outside_unit(field, what, found));
            }
        }
        Ok(())
    }
}
