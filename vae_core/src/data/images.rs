//! A block of images as stored, with their labels.

use ndarray::Array2;

use crate::Result;
use crate::data::preprocess::Preprocess;
use crate::data::values::Values;

/// A block of images as stored, one image a row.
#[derive(Clone)]
pub struct Images {
    /// 8-bit intensities, or real numbers; `[N, D]`.
    pub pixels: Values,
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
    /// As [`Preprocessor::gather`](crate::data::Preprocessor::gather): if the preprocessing does not fit the values.
    pub fn prepared(&self, preprocess: &Preprocess, n: usize) -> Result<Array2<f32>> {
        self.prepared_rows(preprocess, &(0..n.min(self.len())).collect::<Vec<_>>())
    }

    /// These images, in this order, as the model sees them, `[rows, D]`.
    ///
    /// # Errors
    /// If there is no image of that number, or the preprocessing does not fit the values.
    pub fn prepared_rows(&self, preprocess: &Preprocess, rows: &[usize]) -> Result<Array2<f32>> {
        let mut x = Array2::zeros((rows.len(), self.pixels.ncols()));
        if let Some(out) = x.as_slice_mut() {
            preprocess.prepare().gather(&self.pixels, rows, 0, out)?;
        }
        Ok(x)
    }

    /// The images in these rows, in this order; `rows` must exist, and have labels if any has.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            pixels: self.pixels.select(rows),
            labels: self.labels.as_ref().map(|labels| rows.iter().map(|&row| labels[row]).collect()),
        }
    }

    /// The first `n`, or all if there are fewer.
    pub(super) fn first(&self, n: usize) -> Self {
        Self {
            pixels: self.pixels.first(n),
            labels: self.labels.as_ref().map(|labels| labels.iter().take(n).copied().collect()),
        }
    }
}

/// Sizes only: a notebook that shows an `Images` should not print a million numbers.
impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels = if self.labels.is_some() { "labelled" } else { "no labels" };
        write!(f, "Images({:?}, {labels})", self.pixels)
    }
}
