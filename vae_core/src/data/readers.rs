//! Files of a user's images, for [`Dataset::own`](crate::data::Dataset::own): `.npy`, IDX, `.mat`, and folders of PNGs.
//!
//! Each gives the values `[N, D]` and `(height, width)`. A file that holds rows of D numbers does not say how high the
//! images are: it gives `(1, D)`, and [`Dataset::own`](crate::data::Dataset::own) is to be told the true shape. IDX, `.npy`
//! and `.mat` files may be gzipped, and are read up to 8 GiB.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayD};
use ndarray_npy::npy::header::Header;
use ndarray_npy::{ReadNpyExt as _, ReadableElement};
use png::{BitDepth, ColorType, Transformations};

use crate::data::files::read_bounded;
use crate::data::idx;
use crate::data::mat::{self, Elements};
use crate::data::values::Values;
use crate::{Error, Result};

/// Largest file that is read, and largest content of a compressed one, in bytes.
const LIMIT: u64 = 8 << 30;

/// Where the images are in the matrix of a `.mat` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatImages {
    /// Each row is an image: the matrix is `[N, D]`.
    Rows,
    /// Each column is an image, as in Frey Face: the matrix is `[D, N]`.
    Columns,
}

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

    /// From MNIST's format, of unsigned bytes: `[N, height, width]` or `[N, D]`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] if it is damaged or has another type or number of dimensions.
    pub fn from_idx(path: impl AsRef<Path>) -> Result<(Self, (usize, usize))> {
        let (file, content) = (path.as_ref().display().to_string(), read_bounded(path.as_ref(), LIMIT)?);
        let parsed = idx::parse(&content, &file)?;
        let (n, shape) = match *parsed.dims {
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

    /// From all `*.png` of a folder, sorted by name (byte by byte: `10.png` comes before `2.png`). They must be grey, of at
    /// most 8 bits and without transparency, and of one size; 1, 2 and 4 bits are stretched to 0–255.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] naming the file that is damaged, in colour, of 16 bits or of another size, or if
    /// there is none.
    pub fn from_png_folder(folder: impl AsRef<Path>) -> Result<(Self, (usize, usize))> {
        let folder = folder.as_ref();
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let path = entry.map_err(Error::io("read", folder))?.path();
            if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        let mut pixels = Vec::new();
        let mut first: Option<(usize, usize)> = None;
        for path in &files {
            let (image, shape) = read_png(path)?;
            let needed = *first.get_or_insert(shape);
            if shape != needed {
                let reason =
                    format!("is {} × {} pixels (height × width), but the first image of the folder", shape.0, shape.1);
                let advice = format!("{} × {}; crop or scale one of them", needed.0, needed.1);
                return Err(Error::data(path.display().to_string(), format!("{reason} is {advice}")));
            }
            pixels.extend(image);
        }
        let Some(shape) = first else { return Err(Error::data(folder.display().to_string(), "holds no *.png")) };
        let values = Array2::from_shape_vec((files.len(), shape.0 * shape.1), pixels);
        Ok((values.map_err(|error| Error::data(folder.display().to_string(), error.to_string()))?.into(), shape))
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

/// Pixels and `(height, width)`.
fn read_png(path: &Path) -> Result<(Vec<u8>, (usize, usize))> {
    let refused = |reason: String| Error::data(path.display().to_string(), reason);
    let damaged = |error: png::DecodingError| refused(format!("cannot be decoded ({error})"));
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path).map_err(Error::io("open", path))?));
    decoder.set_transformations(Transformations::EXPAND); // less than 8 bits to 8
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    if info.color_type != ColorType::Grayscale || info.bit_depth == BitDepth::Sixteen || info.trns.is_some() {
        return Err(refused(format!(
            "is {:?} of {} bits{}; convert it to 8-bit grey without transparency",
            info.color_type,
            info.bit_depth as u8,
            if info.trns.is_some() { ", transparent" } else { "" }
        )));
    }
    let shape = (info.height as usize, info.width as usize);
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    pixels.truncate(frame.buffer_size());
    Ok((pixels, shape))
}
