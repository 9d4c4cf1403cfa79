//! Files of a user's images, for [`Dataset::own`](crate::data::Dataset::own): IDX and `.mat` here, `.npy` in
//! [`npy`](crate::data::npy), folders of PNGs in [`png_folder`](crate::data::png_folder).
//!
//! Each reader gives the values `[N, D]` and `(height, width)`. A file that holds rows of D numbers does not say how high the
//! images are: it gives `(1, D)`, and [`Dataset::own`](crate::data::Dataset::own) is to be told the true shape. IDX, `.npy`
//! and `.mat` files may be gzipped, and are read up to 8 GiB.

use std::path::Path;

use ndarray::Array2;

use crate::data::files::read_bounded;
use crate::data::idx;
use crate::data::mat::{self, Elements};
use crate::data::values::Values;
use crate::{Error, Result};

/// Largest file that is read, and largest content of a compressed one, in bytes.
pub(super) const LIMIT: u64 = 8 << 30;

/// Where the images are in the matrix of a `.mat` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatImages {
    /// Each row is an image: the matrix is `[N, D]`.
    Rows,
    /// Each column is an image, as in Frey Face: the matrix is `[D, N]`.
    Columns,
}

impl Values {
    /// From MNIST's format, of unsigned bytes: `[N, height, width]` or `[N, D]`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] if it is damaged or has another type or number of dimensions.
    pub fn from_idx(path: impl AsRef<Path>) -> Result<(Self, (usize, usize))> {
        let (file, content) = (path.as_ref().display().to_string(), read_bounded(path.as_ref(), LIMIT)?);
        let parsed = idx::parse(&content, &file)?;
        let (n, shape) = match *parsed.dims {
            [0, ..] => return Err(Error::data(file, "holds no images: its header announces 0 of them")),
            [n, height, width] => (n, (height, width)),
            [n, d] => (n, (1, d)),
            ref other => {
                let needed = "[N, height, width] or [N, D] is needed (labels: labels_from_idx)";
                return Err(Error::data(file, format!("has the shape {other:?}; {needed}")));
            }
        };
        let values = Array2::from_shape_vec((n, shape.0 * shape.1), parsed.data.to_vec());
        Ok((values.map_err(|error| Error::data(file, error.to_string()))?.into(), shape))
    }

    /// From the matrix `variable` of a MATLAB file (v5 to v7), of `uint8`, `single`, or `double` (rounded to `f32`). It
    /// does not say how high the images are, and the pixels stay in the order of the file: images that MATLAB flattened
    /// column after column are on their side.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] if it is damaged or holds no such matrix.
    pub fn from_mat(path: impl AsRef<Path>, variable: &str, images: MatImages) -> Result<(Self, (usize, usize))> {
        let (file, content) = (path.as_ref().display().to_string(), read_bounded(path.as_ref(), LIMIT)?);
        let mat::Matrix { rows, columns, data } = mat::parse(&content, &file, variable, LIMIT)?;
        // Column after column: the transposed matrix in C order.
        fn oriented<T: Clone>(transposed: Array2<T>, images: MatImages) -> Array2<T> {
            match images {
                MatImages::Rows => transposed.reversed_axes().as_standard_layout().into_owned(),
                MatImages::Columns => transposed,
            }
        }
        let values = match data {
            Elements::Bytes(data) => Array2::from_shape_vec((columns, rows), data).map(|m| oriented(m, images).into()),
            Elements::Real(data) => {
                let data = data.into_iter().map(|value| value as f32).collect();
                Array2::from_shape_vec((columns, rows), data).map(|m| oriented(m, images).into())
            }
        };
        let values: Self = values.map_err(|error| Error::data(file, error.to_string()))?;
        let d = values.ncols();
        Ok((values, (1, d)))
    }
}

/// Labels `[N]` in MNIST's format.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] if it is damaged or has more dimensions.
pub fn labels_from_idx(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let (file, content) = (path.as_ref().display().to_string(), read_bounded(path.as_ref(), LIMIT)?);
    let parsed = idx::parse(&content, &file)?;
    if parsed.dims.len() == 1 {
        return Ok(parsed.data.to_vec());
    }
    Err(Error::data(file, format!("has the shape {:?}; labels have the shape [N]", parsed.dims)))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use ndarray::array;

    use crate::data::mat::tests::LITTLE;

    /// Runs `test` with the path of a file that does not exist.
    pub(crate) fn file(test: impl Fn(&Path)) {
        test(&tempfile::tempdir().unwrap().path().join("some.file"));
    }

    #[test]
    fn labels() {
        file(|path| {
            std::fs::write(path, [0, 0, 8, 1, 0, 0, 0, 2, 5, 6]).unwrap();
            assert_eq!(labels_from_idx(path).unwrap(), [5, 6]);
            assert!(Values::from_idx(path).unwrap_err().to_string().contains("labels_from_idx"));
            std::fs::write(path, [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 5, 6]).unwrap();
            assert!(labels_from_idx(path).unwrap_err().to_string().contains("shape [2, 1]"));
        });
    }

    #[test]
    fn idx_plain_and_gzipped() {
        file(|path| {
            let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4];
            std::fs::write(path, images).unwrap();
            let expected = (array![[1u8, 2], [3, 4]].into(), (1, 2));
            assert_eq!(Values::from_idx(path).unwrap(), expected);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&images).unwrap();
            std::fs::write(path, encoder.finish().unwrap()).unwrap();
            assert_eq!(Values::from_idx(path).unwrap(), expected);
            std::fs::write(path, &images[..19]).unwrap();
            assert!(Values::from_idx(path).unwrap_err().to_string().contains("truncated"));
        });
    }

    #[test]
    fn mat_with_images_in_rows_or_columns() {
        file(|path| {
            // MATLAB's x = uint8([1 2 3; 4 5 6]) and y = [1 2 3; 4 5 6] / 2; class 9 is uint8, 6 double, type 2 bytes, 9 f64.
            let halves: Vec<u8> = [0.5f64, 2.0, 1.0, 2.5, 1.5, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
            let elements = [
                LITTLE.matrix_of("x", 9, &[2, 3], (2, &[1, 4, 2, 5, 3, 6])),
                LITTLE.matrix_of("y", 6, &[2, 3], (9, &halves)),
            ];
            std::fs::write(path, LITTLE.file(&elements)).unwrap();
            let rows = array![[1u8, 2, 3], [4, 5, 6]];
            let columns = array![[1u8, 4], [2, 5], [3, 6]];
            let read = |variable, images| Values::from_mat(path, variable, images).unwrap();
            assert_eq!(read("x", MatImages::Rows), (rows.clone().into(), (1, 3)));
            assert_eq!(read("x", MatImages::Columns), (columns.clone().into(), (1, 2)));
            let half = |v: u8| f32::from(v) / 2.0;
            assert_eq!(read("y", MatImages::Rows), (rows.mapv(half).into(), (1, 3)));
            assert_eq!(read("y", MatImages::Columns), (columns.mapv(half).into(), (1, 2)));
            let error = Values::from_mat(path, "z", MatImages::Rows).unwrap_err().to_string();
            assert!(error.contains("no two-dimensional matrix called `z`"), "{error}");
        });
    }
}
