//! The IDX format of MNIST: a magic number, the dimensions (big-endian), then the bytes.
//!
//! Hand-written because it is 12 lines of format; every number in the header is checked against the bytes present
//! before anything is allocated.

use crate::{Error, Result};

/// A parsed IDX file of unsigned bytes, borrowing from the file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx<'a> {
    /// Extent of each dimension, slowest first: `[N]` for labels, `[N, rows, columns]` for images.
    pub dims: Vec<usize>,
    /// The elements, row-major; as many as the product of `dims`.
    pub data: &'a [u8],
}

/// Parses the (decompressed) content of an IDX file; `file` is named in errors.
///
/// # Errors
/// [`Error::Data`] if the magic number is not that of unsigned bytes in 1 to 4 dimensions, or if the file is shorter or
/// longer than its header says.
pub fn parse<'a>(bytes: &'a [u8], file: &str) -> Result<Idx<'a>> {
    let Some((&[zero0, zero1, kind, rank], mut rest)) = bytes.split_first_chunk::<4>() else {
        return Err(Error::data(file, format!("truncated: {} bytes do not hold an IDX header", bytes.len())));
    };
    let other = match kind {
        0x09 => Some("int8"),
        0x0b => Some("int16"),
        0x0c => Some("int32"),
        0x0d => Some("float32"),
        0x0e => Some("float64"),
        _ => None,
    };
    if let (0, 0, Some(other)) = (zero0, zero1, other) {
        let reason =
            format!("holds {other}, and only unsigned bytes are read; save them as NumPy's .npy: Values::from_npy");
        return Err(Error::data(file, reason));
    }
    if (zero0, zero1, kind) != (0, 0, 0x08) || !(1..=4).contains(&rank) {
        return Err(Error::data(
            file,
            format!(
                "not an IDX file of unsigned bytes: it begins with {zero0:02x} {zero1:02x} {kind:02x} {rank:02x}, not 00 00 08 01…04"
            ),
        ));
    }
    let mut dims = Vec::with_capacity(usize::from(rank));
    for _ in 0..rank {
        let Some((extent, after)) = rest.split_first_chunk::<4>() else {
            return Err(Error::data(file, "truncated within the IDX header"));
        };
        dims.push(u32::from_be_bytes(*extent) as usize);
        rest = after;
    }
    let size = dims.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
    match size {
        Some(size) if size == rest.len() => Ok(Idx { dims, data: rest }),
        Some(size) if size < rest.len() => Err(Error::data(
            file,
            format!("{} bytes of trailing garbage after the {size} that its header announces", rest.len() - size),
        )),
        _ => Err(Error::data(
            file,
            format!("truncated: its header announces {dims:?} elements, {} bytes are present", rest.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    /// A valid file.
    pub(crate) fn encode(dims: &[u32], data: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|d| file.extend(d.to_be_bytes()));
        file.extend(data);
        file
    }

    #[test]
    fn reads_labels_and_images() {
        let labels = encode(&[3], &[7, 0, 9]);
        assert_eq!(parse(&labels, "f").unwrap(), Idx { dims: vec![3], data: &[7, 0, 9] });
        let images = encode(&[2, 1, 2], &[1, 2, 3, 4]);
        assert_eq!(parse(&images, "f").unwrap(), Idx { dims: vec![2, 1, 2], data: &[1, 2, 3, 4] });
    }

    #[test]
    fn says_what_is_wrong() {
        let reason = |bytes: &[u8]| parse(bytes, "some-file").unwrap_err().to_string();
        assert!(reason(&[]).contains("some-file: truncated"));
        assert!(reason(b"\x1f\x8b\x08\x00\x00").contains("not an IDX file"));
        assert!(reason(&[0, 0, 0x0d, 1, 0, 0, 0, 0]).contains("holds float32"));
        assert!(reason(&[0, 0, 0x0a, 1, 0, 0, 0, 0]).contains("not an IDX file"));
        assert!(reason(&encode(&[2], &[1, 2, 3])).contains("1 bytes of trailing garbage"));
        // 2^128 elements announced: neither overflow nor allocation.
        assert!(reason(&encode(&[u32::MAX; 4], &[1])).contains("truncated"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, "f");
        }

        #[test]
        fn truncation_anywhere_is_an_error(rows in 1u32..5, columns in 1u32..5, cut in 0.0..1.0f64) {
            let file = encode(&[rows, columns], &vec![5; (rows * columns) as usize]);
            let cut = (cut * file.len() as f64) as usize;
            prop_assert!(parse(&file[..cut], "f").is_err());
        }

        #[test]
        fn a_mutated_file_is_an_error_or_consistent(at in 0usize..24, value: u8) {
            let mut file = encode(&[3, 2, 2], &[9; 12]);
            let at = at % file.len();
            file[at] = value;
            if let Ok(idx) = parse(&file, "f") {
                prop_assert_eq!(idx.dims.iter().product::<usize>(), idx.data.len());
            }
        }
    }
}
