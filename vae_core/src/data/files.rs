//! The five files of the real data: names, shapes, hashes; reading and verifying them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::checksum::sha256_hex;
use crate::data::idx;
use crate::data::mat::{self, Elements};
use crate::files::open;
use crate::{Error, Result};

/// Largest variable of Frey Face's file when it is inflated; 1.1 MB are needed.
const FREY_INFLATED: u64 = 16 << 20;

/// A file of the real data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFile {
    /// MNIST's 60,000 training images.
    MnistTrainImages,
    /// Their labels.
    MnistTrainLabels,
    /// MNIST's 10,000 test images.
    MnistTestImages,
    /// Their labels.
    MnistTestLabels,
    /// The 1965 frames of Frey Face.
    FreyFaces,
}

impl DataFile {
    /// The four files of MNIST.
    pub const MNIST: [Self; 4] =
        [Self::MnistTrainImages, Self::MnistTrainLabels, Self::MnistTestImages, Self::MnistTestLabels];
    /// The one file of Frey Face.
    pub const FREY: [Self; 1] = [Self::FreyFaces];

    /// Name of the file as the mirrors call it, without `.gz`.
    pub fn stem(self) -> &'static str {
        match self {
            Self::MnistTrainImages => "train-images-idx3-ubyte",
            Self::MnistTrainLabels => "train-labels-idx1-ubyte",
            Self::MnistTestImages => "t10k-images-idx3-ubyte",
            Self::MnistTestLabels => "t10k-labels-idx1-ubyte",
            Self::FreyFaces => "frey_rawface.mat",
        }
    }

    /// Where `fetch` puts it, below the data folder: `mnist/train-images-idx3-ubyte.gz`, `frey/frey_rawface.mat`, ….
    pub fn destination(self) -> String {
        match self {
            Self::FreyFaces => format!("frey/{}", self.stem()),
            _ => format!("mnist/{}.gz", self.stem()),
        }
    }

    /// Places below a data folder where it is looked for, in this order.
    pub fn candidates(self) -> Vec<String> {
        let stem = self.stem();
        if self == Self::FreyFaces {
            return vec![format!("frey/{stem}"), stem.to_owned()];
        }
        // Some archives write train-images.idx3-ubyte.
        let dotted = stem.replacen("-idx", ".idx", 1);
        let mut names = Vec::new();
        for folder in ["mnist/", "", "MNIST/raw/"] {
            for name in [stem, &dotted] {
                names.push(format!("{folder}{name}"));
                names.push(format!("{folder}{name}.gz"));
            }
        }
        names
    }

    /// Extents of the content, slowest first: `[60000, 28, 28]`, `[10000]`, …; Frey Face `[1965, 560]`.
    pub fn shape(self) -> &'static [usize] {
        match self {
            Self::MnistTrainImages => &[60_000, 28, 28],
            Self::MnistTrainLabels => &[60_000],
            Self::MnistTestImages => &[10_000, 28, 28],
            Self::MnistTestLabels => &[10_000],
            Self::FreyFaces => &[1965, 560],
        }
    }

    /// SHA-256 in hexadecimal. MNIST: of the decompressed file (the gzip wrapping differs between mirrors).
    /// Frey Face: of the pixels, frame after frame (the `.mat` header carries a date).
    pub fn sha256(self) -> &'static str {
        match self {
            Self::MnistTrainImages => "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            Self::MnistTrainLabels => "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            Self::MnistTestImages => "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            Self::MnistTestLabels => "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            Self::FreyFaces => "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78",
        }
    }

    /// Largest content (decompressed) that is read at all, in bytes.
    pub fn limit(self) -> u64 {
        let elements = self.shape().iter().product::<usize>() as u64;
        // Frey's `.mat` may hold doubles, and a few more variables; the header of an IDX file has a fixed size.
        if self == Self::FreyFaces { 8 * elements + (1 << 20) } else { elements + 4 + 4 * self.shape().len() as u64 }
    }

    /// Reads and verifies it: the elements in the order of [`shape`](Self::shape).
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Data`] if it is not exactly the canonical content.
    pub fn read(self, path: &Path) -> Result<Vec<u8>> {
        let file = path.display().to_string();
        let mut content = read_bounded(path, self.limit())?;
        let (dims, hash) = if self == Self::FreyFaces {
            let matrix = mat::parse(&content, &file, "ff", FREY_INFLATED)?;
            if let (rows, columns @ 560) = (matrix.rows, matrix.columns) {
                let reason =
                    format!("`ff` is {rows} × {columns} where 560 × 1965 is needed; in MATLAB, `ff = ff';` and save");
                return Err(Error::data(file, reason));
            }
            // Columns of `ff` are frames, so column-major is frame after frame.
            content = match matrix.data {
                Elements::Bytes(pixels) => pixels,
                Elements::Real(values) => whole(&values).ok_or_else(|| {
                    Error::data(
                        &file,
                        "`ff` has values that are not whole numbers from 0 to 255; it is another data set",
                    )
                })?,
            };
            (vec![matrix.columns, matrix.rows], sha256_hex([content.as_slice()]))
        } else {
            let parsed = idx::parse(&content, &file)?;
            let (dims, header) = (parsed.dims, content.len() - parsed.data.len());
            let hash = sha256_hex([content.as_slice()]);
            content.drain(..header);
            (dims, hash)
        };
        if dims != self.shape() {
            return Err(Error::data(file, format!("wrong dimensions: {dims:?} where {:?} are needed", self.shape())));
        }
        if hash != self.sha256() {
            return Err(Error::data(
                file,
                format!(
                    "the content has SHA-256 {hash}, not {}: it is damaged or another data set; remove it and run `cargo notebooks fetch`",
                    self.sha256()
                ),
            ));
        }
        Ok(content)
    }
}

/// The values as bytes, if all of them are.
fn whole(values: &[f64]) -> Option<Vec<u8>> {
    values.iter().map(|&v| (0.0..=255.0).contains(&v).then_some(v as u8).filter(|&b| f64::from(b) == v)).collect()
}

/// Checks that the file at `path` (gzip or plain, any name) is `which`, bit for bit.
///
/// # Errors
/// As [`DataFile::read`].
pub fn verify_file(path: &Path, which: DataFile) -> Result<()> {
    which.read(path).map(drop)
}

/// The content of a file, decompressed if it begins like gzip, but never more than `limit` bytes of it.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened or read; [`Error::Data`] if it is larger, or damaged gzip (a member that is cut
/// off, a wrong checksum, garbage after the last member).
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let io = |error| Error::io("read", path)(error);
    let mut file = open(path)?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(io)?;
    let gzip = magic == [0x1f, 0x8b];
    // The compressed file too is bounded: gzip adds little, even to incompressible data.
    let stored = magic.as_slice().chain(file).take(limit + limit / 100 + 4096);
    let mut content = Vec::new();
    if gzip {
        gunzip(BufReader::new(stored), limit + 1, &mut content).map_err(|error| {
            Error::data(path.display().to_string(), format!("damaged or truncated gzip file ({error})"))
        })?;
    } else {
        stored.take(limit + 1).read_to_end(&mut content).map_err(io)?;
    }
    if content.len() as u64 > limit {
        return Err(Error::data(
            path.display().to_string(),
            format!("oversized: more than the {limit} bytes that it may hold"),
        ));
    }
    Ok(content)
}

/// All members, but not much more than `most` bytes of them. Zeros behind a member are padding (tapes, some servers), as for gzip itself.
fn gunzip(mut stored: impl BufRead, most: u64, content: &mut Vec<u8>) -> std::io::Result<()> {
    while (content.len() as u64) < most && !stored.fill_buf()?.is_empty() {
        let left = most - content.len() as u64;
        GzDecoder::new(&mut stored).take(left).read_to_end(content)?;
        loop {
            let zeros = stored.fill_buf()?.iter().take_while(|&&byte| byte == 0).count();
            if zeros == 0 {
                break;
            }
            stored.consume(zeros);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use crate::data::mat::tests::LITTLE;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Reads `bytes` through a file.
    fn read(bytes: &[u8], limit: u64) -> Result<Vec<u8>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        read_bounded(file.path(), limit)
    }

    #[test]
    fn gzip_and_plain_are_told_apart_by_content() {
        assert_eq!(read(b"plain", 5).unwrap(), b"plain");
        assert_eq!(read(b"", 5).unwrap(), b"");
        assert_eq!(read(&gzip(b"packed"), 6).unwrap(), b"packed");
        assert_eq!(read(&[gzip(b"two"), gzip(b" members")].concat(), 20).unwrap(), b"two members");
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(read(b"plain", 4).unwrap_err().to_string().contains("oversized"));
        assert!(read(&gzip(b"packed"), 5).unwrap_err().to_string().contains("oversized"));
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 12_000);
        assert!(read(&bomb, 1000).is_err());
        assert!(read_bounded(&std::env::temp_dir(), 10).is_err());
        assert!(matches!(read_bounded(Path::new("no such file"), 10), Err(Error::Io { .. })));
    }

    #[test]
    fn damaged_gzip_is_an_error() {
        let good = gzip(b"some content that is packed");
        for cut in 2..good.len() {
            assert!(read(&good[..cut], 100).is_err(), "cut at {cut}");
        }
        assert!(read(&[good.clone(), b"garbage".to_vec()].concat(), 100).is_err());
        let mut flipped = good;
        let middle = flipped.len() - 6; // within the checksum
        flipped[middle] ^= 1;
        assert!(read(&flipped, 100).unwrap_err().to_string().contains("damaged or truncated gzip"));
    }

    #[test]
    fn only_the_canonical_content_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels");
        let with_header = |n: u32, data: &[u8]| [&[0, 0, 8, 1], n.to_be_bytes().as_slice(), data].concat();
        let reason = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            verify_file(&path, DataFile::MnistTestLabels).unwrap_err().to_string()
        };
        assert!(reason(&with_header(3, &[1, 2, 3])).contains("wrong dimensions"));
        assert!(reason(&gzip(&with_header(10_000, &[0; 10_000]))).contains("SHA-256"));
        assert!(reason(&with_header(10_000, &[0; 9_999])).contains("truncated"));
        assert!(reason(&with_header(10_000, &[0; 10_001])).contains("oversized"));
    }

    #[test]
    fn transposed_faces_are_told_their_shape_as_matlab_shows_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frey.mat");
        let faces = |rows: u32, columns: u32| LITTLE.matrix_of("ff", 9, &[rows, columns], (2, &vec![0; 1965 * 560]));
        std::fs::write(&path, LITTLE.file(&[faces(1965, 560)])).unwrap();
        let reason = verify_file(&path, DataFile::FreyFaces).unwrap_err().to_string();
        assert!(
            reason.contains("`ff` is 1965 × 560 where 560 × 1965 is needed") && reason.contains("ff = ff'"),
            "{reason}"
        );
        // the remedy; what is left is that these are not Frey's faces
        std::fs::write(&path, LITTLE.file(&[faces(560, 1965)])).unwrap();
        assert!(verify_file(&path, DataFile::FreyFaces).unwrap_err().to_string().contains("SHA-256"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), gz: bool) {
            if gz {
                bytes.splice(0..0, [0x1f, 0x8b, 8]);
            }
            let _ = read(&bytes, 100);
        }
    }
}
