//! NumPy's `.npy`, for own images and their labels.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayD};
use ndarray_npy::npy::header::Header;
use ndarray_npy::{ReadNpyExt as _, ReadableElement};

use crate::data::files::read_bounded;
use crate::data::readers::LIMIT;
use crate::data::values::Values;
use crate::{Error, Result};

impl Values {
    /// From NumPy's `.npy`, `[N, height, width]` or `[N, D]`, of `uint8`, `float32` or `float64` (rounded to `f32`), in
    /// C or Fortran order.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] if it is damaged or of another type or number of dimensions.
    pub fn from_npy(path: impl AsRef<Path>) -> Result<(Self, (usize, usize))> {
        let npy = Npy::read(path.as_ref())?;
        let shape = match *npy.header.shape {
            [_, height, width] => (height, width),
            [_, d] => (1, d),
            ref other => {
                return Err(npy.error(format!("has the shape {other:?}; [N, height, width] or [N, D] is needed")));
            }
        };
        let values = match npy.dtype() {
            "|u1" => npy.rows::<u8>()?.into(),
            "<f4" | ">f4" => npy.rows::<f32>()?.into(),
            "<f8" | ">f8" => npy.rows::<f64>()?.mapv(|value| value as f32).into(),
            _ => return Err(npy.other_type("uint8, float32 or float64, for instance `images.astype(\"float32\")`")),
        };
        Ok((values, shape))
    }
}

/// Labels `[N]` of NumPy's `.npy`, of `uint8`, `int32` or `int64`; each from 0 to 255.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] if it is damaged, of another type or shape, or holds another number.
pub fn labels_from_npy(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let npy = Npy::read(path.as_ref())?;
    if npy.header.shape.len() != 1 {
        return Err(npy.error(format!("has the shape {:?}; labels have the shape [N]", npy.header.shape)));
    }
    let labels: Vec<i64> = match npy.dtype() {
        "|u1" => return Ok(npy.array::<u8>()?.into_iter().collect()),
        "<i4" | ">i4" => npy.array::<i32>()?.into_iter().map(i64::from).collect(),
        "<i8" | ">i8" => npy.array::<i64>()?.into_iter().collect(),
        _ => return Err(npy.other_type("uint8, int32 or int64")),
    };
    let label =
        |label: i64| u8::try_from(label).map_err(|_| npy.error(format!("has the label {label}; 0 to 255 can be")));
    labels.into_iter().map(label).collect()
}

/// A `.npy` file and its header, whose sizes fit the file.
struct Npy {
    path: PathBuf,
    header: Header,
    content: Vec<u8>,
}

impl Npy {
    fn read(path: &Path) -> Result<Self> {
        let content = read_bounded(path, LIMIT)?;
        let mut rest = content.as_slice();
        let header =
            Header::from_reader(&mut rest).map_err(|e| Error::data(path.display().to_string(), e.to_string()))?;
        let present = rest.len();
        let npy = Self { path: path.to_owned(), header, content };
        // Before anything of the announced size is allocated. The type's last character is its size in bytes.
        let size = npy.dtype().chars().last().and_then(|c| c.to_digit(10)).unwrap_or(1) as usize;
        let announced = npy.header.shape.iter().try_fold(size, |product, extent| product.checked_mul(*extent));
        if announced.is_none_or(|announced| announced > present) {
            return Err(npy.error(format!("truncated: {present} bytes are present of {:?}", npy.header.shape)));
        }
        Ok(npy)
    }

    /// "|u1", "<f4", …; empty for records.
    fn dtype(&self) -> &str {
        self.header.type_descriptor.as_string().map_or("", |text| text.as_str())
    }

    fn array<T: ReadableElement>(&self) -> Result<ArrayD<T>> {
        ArrayD::read_npy(self.content.as_slice()).map_err(|e| self.error(e.to_string()))
    }

    /// `[N, everything else]`, in C order.
    fn rows<T: ReadableElement + Clone>(&self) -> Result<Array2<T>> {
        let array = self.array::<T>()?;
        let n = array.shape().first().copied().unwrap_or(0);
        let d: usize = array.shape().iter().skip(1).product();
        let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
        array.into_shape_with_order((n, d)).map_err(|e| self.error(e.to_string()))
    }

    fn other_type(&self, needed: &str) -> Error {
        self.error(format!("is of the type {}; convert it to {needed}", self.header.type_descriptor))
    }

    fn error(&self, reason: String) -> Error {
        Error::data(self.path.display().to_string(), reason)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use ndarray::{Array3, array};
    use ndarray_npy::write_npy;
    use proptest::prelude::*;

    use crate::data::readers::tests::file;

    #[test]
    fn npy_of_each_type_order_and_number_of_dimensions() {
        file(|path| {
            let whole = Array3::from_shape_fn((4, 3, 2), |(i, j, k)| (100 * i + 10 * j + k) as f64 / 7.0);
            let flat = whole.to_shape((4, 6)).unwrap().into_owned();
            write_npy(path, &whole.mapv(|v| v as u8)).unwrap();
            assert_eq!(Values::from_npy(path).unwrap(), (flat.mapv(|v| v as u8).into(), (3, 2)));
            write_npy(path, &whole.mapv(|v| v as f32)).unwrap();
            assert_eq!(Values::from_npy(path).unwrap(), (flat.mapv(|v| v as f32).into(), (3, 2)));
            write_npy(path, &whole).unwrap();
            assert_eq!(Values::from_npy(path).unwrap(), (flat.mapv(|v| v as f32).into(), (3, 2)));
            write_npy(path, &flat).unwrap();
            assert_eq!(Values::from_npy(path).unwrap(), (flat.mapv(|v| v as f32).into(), (1, 6)));
            let mut fortran = Array3::zeros(ndarray::ShapeBuilder::f((4, 3, 2)));
            fortran.assign(&whole);
            write_npy(path, &fortran).unwrap();
            assert!(std::fs::read(path).unwrap().windows(21).any(|bytes| bytes == b"'fortran_order': True"));
            assert_eq!(Values::from_npy(path).unwrap(), (flat.mapv(|v| v as f32).into(), (3, 2)));
        });
    }

    /// A `.npy` with this header, as NumPy writes it.
    fn npy(dtype: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), data].concat()
    }

    #[test]
    fn npy_says_what_is_wrong() {
        file(|path| {
            let read = |bytes: &[u8]| {
                std::fs::write(path, bytes).unwrap();
                Values::from_npy(path)
            };
            let big = [1.5f32.to_be_bytes(), (-2.0f32).to_be_bytes()].concat();
            assert_eq!(read(&npy(">f4", "(1, 2)", &big)).unwrap().0, array![[1.5, -2.0]].into());
            let reason = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
            for dtype in ["<i2", "|b1", "<f2", "<c8", "<U4"] {
                let text = reason(&npy(dtype, "(1, 2)", &[0; 32]));
                assert!(text.contains(dtype) && text.contains("uint8, float32 or float64"), "{text}");
            }
            assert!(reason(&npy("|u1", "(3,)", &[0; 3])).contains("[3]; [N, height, width] or [N, D] is needed"));
            assert!(reason(&npy("<f4", "(1, 2)", &[0; 7])).contains("truncated: 7 bytes"));
            assert!(reason(&npy("<f8", "(4000000000, 4000000000, 4000000000)", &[0; 8])).contains("truncated"));
            assert!(reason(&npy("|u1", "(1, 2)", &[0; 3])).contains("some.file: "), "trailing garbage");
            for cut in 0..60 {
                assert!(read(&npy("|u1", "(1, 2)", &[0; 2])[..cut]).is_err(), "cut at {cut}");
            }
            std::fs::remove_file(path).unwrap();
            assert!(matches!(Values::from_npy(path), Err(Error::Io { .. })));
        });
    }

    #[test]
    fn labels() {
        file(|path| {
            for labels in [npy("|u1", "(2,)", &[3, 250]), npy("<i4", "(2,)", &[3, 0, 0, 0, 250, 0, 0, 0])] {
                std::fs::write(path, labels).unwrap();
                assert_eq!(labels_from_npy(path).unwrap(), [3, 250]);
            }
            write_npy(path, &array![7i64, 255]).unwrap();
            assert_eq!(labels_from_npy(path).unwrap(), [7, 255]);
            write_npy(path, &array![7i64, -1]).unwrap();
            assert!(labels_from_npy(path).unwrap_err().to_string().contains("the label -1; 0 to 255"));
            write_npy(path, &array![[7u8]]).unwrap();
            assert!(labels_from_npy(path).unwrap_err().to_string().contains("shape [1, 1]"));
            write_npy(path, &array![7.0]).unwrap();
            assert!(labels_from_npy(path).unwrap_err().to_string().contains("'<f8'"));
        });
    }

    proptest! {
        #[test]
        fn a_mutated_file_is_an_error_or_consistent(
            changes in prop::collection::vec((0usize..1000, any::<u8>()), 1..4),
            cut in 0usize..200,
        ) {
            let mut content = npy("<f4", "(3, 2, 2)", &[7; 48]);
            let end = content.len().saturating_sub(cut.saturating_sub(100));
            for (at, value) in changes {
                let at = at % content.len();
                content[at] = value;
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("f.npy");
            std::fs::write(&path, &content[..end]).unwrap();
            if let Ok((values, (height, width))) = Values::from_npy(&path) {
                prop_assert_eq!(values.ncols(), height * width);
            }
        }
    }
}
