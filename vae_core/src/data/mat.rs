//! A minimal, bounds-checked reader of MATLAB v5 `.mat` files: one named matrix of `uint8`, `single` or `double`.
//!
//! Not the `matfile` crate: version 0.5.0 inflates without a limit (a file of 1 MB took 3 GB and 80 s), panics where the
//! product of the dimensions overflows an `i32`, and silently drops a variable that is cut off. Data sets need one
//! matrix; this reads just that, in either byte order, plain or compressed.

use std::io::Read;

use flate2::read::ZlibDecoder;

use crate::{Error, Result};

/// Size of the text and version header.
const HEADER: usize = 128;
// Codes of the format ("MAT-File Format", tables 1-1 and 1-3).
const TYPE_INT8: u32 = 1;
const TYPE_UINT8: u32 = 2;
const TYPE_INT16: u32 = 3;
const TYPE_UINT16: u32 = 4;
const TYPE_INT32: u32 = 5;
const TYPE_UINT32: u32 = 6;
const TYPE_SINGLE: u32 = 7;
const TYPE_DOUBLE: u32 = 9;
const TYPE_MATRIX: u32 = 14;
const TYPE_COMPRESSED: u32 = 15;
/// Instances of MATLAB's classes (datetime, table, string, …): instead of dimensions they have the names of the class.
const CLASS_OPAQUE: u32 = 17;
const CLASS_DOUBLE: u32 = 6;
const CLASS_SINGLE: u32 = 7;
const CLASS_UINT8: u32 = 9;

/// The elements of a matrix, **column after column**.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Of a `uint8` matrix.
    Bytes(Vec<u8>),
    /// Of a `single` or `double` matrix.
    Real(Vec<f64>),
}

/// A matrix as MATLAB stores it.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// `rows · columns` of them.
    pub data: Elements,
}

/// Finds the two-dimensional matrix called `key` in the content of a `.mat` file; `file` is named in errors. The whole
/// file is walked, so bytes that belong to no element are an error. No variable may have more than `limit` bytes, as it is
/// or inflated.
///
/// # Errors
/// [`Error::Data`] if it is not a v5 file, is truncated or otherwise inconsistent, has trailing garbage, or holds no
/// such matrix.
pub fn parse(bytes: &[u8], file: &str, key: &str, limit: u64) -> Result<Matrix> {
    walk(bytes, key, limit)
        .and_then(|found| found.ok_or_else(|| format!("it holds no two-dimensional matrix called `{key}`")))
        .map_err(|reason| Error::data(file, reason))
}

/// Errors inside this module are reasons; [`parse`] adds the file.
type Reason<T> = std::result::Result<T, String>;

fn walk(bytes: &[u8], key: &str, limit: u64) -> Reason<Option<Matrix>> {
    let Some((header, body)) = bytes.split_at_checked(HEADER) else {
        return Err(format!("truncated: {} bytes do not hold a MATLAB v5 header", bytes.len()));
    };
    let little = match &header[124..128] {
        [0, 2, b'I', b'M'] | [2, 0, b'M', b'I'] => {
            return Err("a MATLAB v7.3 file, which is HDF5; write it anew with `save -v7`".into());
        }
        [_, 1, b'I', b'M'] => true,
        [1, _, b'M', b'I'] => false,
        _ => {
            return Err(
                "not a MATLAB v5 file (wrong version or byte-order mark); MATLAB writes one with `save -v7`".into()
            );
        }
    };
    let mut parts = Parts { rest: body, little };
    let mut found = None;
    while let Some((kind, content)) = parts.next()? {
        let variable = match kind {
            TYPE_MATRIX if content.len() as u64 > limit => return Err(too_large(limit)),
            TYPE_MATRIX => matrix(content, little, key)?,
            TYPE_COMPRESSED => compressed(content, little, key, limit)?,
            _ => return Err(format!("unexpected element of type {kind} between the variables (trailing garbage?)")),
        };
        if found.is_some() && variable.is_some() {
            return Err(format!("it holds `{key}` twice"));
        }
        found = found.or(variable);
    }
    Ok(found)
}

/// The one matrix inside a compressed element.
fn compressed(content: &[u8], little: bool, key: &str, limit: u64) -> Reason<Option<Matrix>> {
    let mut inflated = Vec::new();
    let mut decoder = ZlibDecoder::new(content).take(limit.saturating_add(1));
    decoder.read_to_end(&mut inflated).map_err(|error| format!("damaged compressed variable ({error})"))?;
    if inflated.len() as u64 > limit {
        return Err(too_large(limit));
    }
    if decoder.into_inner().total_in() != content.len() as u64 {
        return Err("trailing garbage after a compressed variable".into());
    }
    let mut parts = Parts { rest: &inflated, little };
    let variable = match parts.next()? {
        Some((TYPE_MATRIX, content)) => matrix(content, little, key)?,
        _ => return Err("a compressed element does not hold a matrix".into()),
    };
    if !parts.rest.is_empty() {
        return Err("trailing garbage inside a compressed variable".into());
    }
    Ok(variable)
}

fn too_large(limit: u64) -> String {
    format!("it holds a variable of more than {limit} bytes; save the images in a file of their own")
}

/// A matrix element's content: flags, dimensions, name, values. `None` if it is another variable.
fn matrix(content: &[u8], little: bool, key: &str) -> Reason<Option<Matrix>> {
    let mut parts = Parts { rest: content, little };
    let mut part = |what: &str, kinds: &[u32]| match parts.next()? {
        Some((kind, content)) if kinds.is_empty() || kinds.contains(&kind) => Ok((kind, content)),
        Some((kind, _)) => Err(format!("the {what} of a matrix has type {kind}")),
        None => Err(format!("truncated: a matrix without {what}")),
    };
    let (_, flags) = part("flags", &[TYPE_UINT32])?;
    let number = |bytes: &[u8], at: usize| word(bytes.get(at * 4..).unwrap_or_default(), little);
    let is_opaque = number(flags, 0).is_some_and(|flags| flags & 0xff == CLASS_OPAQUE);
    let (_, dims) = if is_opaque { (TYPE_INT32, &[][..]) } else { part("dimensions", &[TYPE_INT32])? };
    let (_, name) = part("name", &[TYPE_INT8])?;
    if name != key.as_bytes() {
        return Ok(None);
    }
    if is_opaque {
        return Err(format!(
            "`{key}` is an instance of a class; save a matrix: `{key} = uint8({key})`, or of its images"
        ));
    }
    let class = number(flags, 0).filter(|flags| flags & 0x0800 == 0).map(|flags| flags & 0xff);
    let (8, Some(rows), Some(columns)) = (dims.len(), number(dims, 0), number(dims, 1)) else {
        return Err(format!("`{key}` does not have two dimensions"));
    };
    let (data, len) = match class {
        Some(CLASS_UINT8) => {
            let (_, content) = part("values", &[TYPE_UINT8])?;
            (Elements::Bytes(content.to_vec()), content.len())
        }
        Some(CLASS_SINGLE | CLASS_DOUBLE) => {
            let (kind, content) = part("values", &[])?;
            let values =
                reals(kind, content, little).ok_or_else(|| format!("the values of `{key}` have type {kind}"))?;
            let len = values.len();
            (Elements::Real(values), len)
        }
        _ => return Err(format!("`{key}` is not a real matrix of uint8, single or double")),
    };
    if u64::from(rows) * u64::from(columns) != len as u64 {
        return Err(format!("`{key}` should hold {rows} × {columns} values and holds {len}"));
    }
    if !parts.rest.is_empty() {
        return Err(format!("{} bytes of trailing garbage inside `{key}`", parts.rest.len()));
    }
    Ok(Some(Matrix { rows: rows as usize, columns: columns as usize, data }))
}

/// Values of a `single` or `double` matrix: MATLAB stores them in the shortest type that holds them all.
fn reals(kind: u32, content: &[u8], little: bool) -> Option<Vec<f64>> {
    fn each<const W: usize>(content: &[u8], little: bool, number: impl Fn([u8; W]) -> f64) -> Option<Vec<f64>> {
        let (values, rest) = content.as_chunks::<W>();
        let ordered = |bytes: &[u8; W]| std::array::from_fn(|i| bytes[if little { i } else { W - 1 - i }]);
        rest.is_empty().then(|| values.iter().map(|bytes| number(ordered(bytes))).collect())
    }
    match kind {
        TYPE_INT8 => each(content, little, |b| i8::from_le_bytes(b).into()),
        TYPE_UINT8 => each(content, little, |b| u8::from_le_bytes(b).into()),
        TYPE_INT16 => each(content, little, |b| i16::from_le_bytes(b).into()),
        TYPE_UINT16 => each(content, little, |b| u16::from_le_bytes(b).into()),
        TYPE_INT32 => each(content, little, |b| i32::from_le_bytes(b).into()),
        TYPE_UINT32 => each(content, little, |b| u32::from_le_bytes(b).into()),
        TYPE_SINGLE => each(content, little, |b| f32::from_le_bytes(b).into()),
        TYPE_DOUBLE => each(content, little, f64::from_le_bytes),
        _ => None,
    }
}

/// The first four bytes as a number.
fn word(bytes: &[u8], little: bool) -> Option<u32> {
    let first = *bytes.first_chunk::<4>()?;
    Some(if little { u32::from_le_bytes(first) } else { u32::from_be_bytes(first) })
}

/// Consecutive tagged elements.
struct Parts<'a> {
    rest: &'a [u8],
    little: bool,
}

impl<'a> Parts<'a> {
    /// Type and content of the next element; `None` at the end.
    fn next(&mut self) -> Reason<Option<(u32, &'a [u8])>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let truncated = |present: usize| format!("truncated: an element ends {present} bytes after its beginning");
        let rest = self.rest;
        let (Some(first), Some(second)) = (word(rest, self.little), rest.get(4..8)) else {
            return Err(truncated(rest.len()));
        };
        // The small format packs type, size and up to four bytes into eight.
        if first >> 16 != 0 {
            let content =
                second.get(..(first >> 16) as usize).ok_or("damaged: a small element of more than 4 bytes")?;
            self.rest = &rest[8..];
            return Ok(Some((first & 0xffff, content)));
        }
        let size = word(second, self.little).map_or(0, |size| size as usize);
        let body = &rest[8..];
        let content = body.get(..size).ok_or_else(|| truncated(rest.len()))?;
        let end = if first == TYPE_COMPRESSED { size } else { size.next_multiple_of(8) };
        self.rest = body.get(end..).ok_or_else(|| truncated(rest.len()))?;
        Ok(Some((first, content)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;

    /// Writes `.mat` files, in either byte order.
    #[derive(Clone, Copy)]
    pub struct Writer {
        little: bool,
    }

    impl Writer {
        fn word(self, value: u32) -> [u8; 4] {
            if self.little { value.to_le_bytes() } else { value.to_be_bytes() }
        }

        fn element(self, kind: u32, content: &[u8]) -> Vec<u8> {
            let mut bytes = [self.word(kind), self.word(content.len() as u32)].concat();
            bytes.extend(content);
            if kind != TYPE_COMPRESSED {
                bytes.resize(bytes.len().next_multiple_of(8), 0);
            }
            bytes
        }

        fn small(self, kind: u32, content: &[u8]) -> Vec<u8> {
            let mut bytes = self.word((content.len() as u32) << 16 | kind).to_vec();
            bytes.extend(content);
            bytes.resize(8, 0);
            bytes
        }

        fn matrix(self, name: &str, class: u32, dims: &[u32], data: &[u8]) -> Vec<u8> {
            self.matrix_of(name, class, dims, (TYPE_UINT8, data))
        }

        pub fn matrix_of(self, name: &str, class: u32, dims: &[u32], (kind, data): (u32, &[u8])) -> Vec<u8> {
            let dims: Vec<u8> = dims.iter().flat_map(|&extent| self.word(extent)).collect();
            let parts = [
                self.element(TYPE_UINT32, &[self.word(class), self.word(0)].concat()),
                self.element(TYPE_INT32, &dims),
                if name.len() <= 4 {
                    self.small(TYPE_INT8, name.as_bytes())
                } else {
                    self.element(TYPE_INT8, name.as_bytes())
                },
                self.element(kind, data),
            ];
            self.element(TYPE_MATRIX, &parts.concat())
        }

        fn compressed(self, element: &[u8]) -> Vec<u8> {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(element).unwrap();
            self.element(TYPE_COMPRESSED, &encoder.finish().unwrap())
        }

        pub fn file(self, elements: &[Vec<u8>]) -> Vec<u8> {
            let mut bytes = vec![b' '; HEADER];
            bytes[124..].copy_from_slice(if self.little { &[0, 1, b'I', b'M'] } else { &[1, 0, b'M', b'I'] });
            bytes.extend(elements.concat());
            bytes
        }
    }

    /// What a compressed variable may inflate to.
    const LIMIT: u64 = 1 << 20;

    fn parse(bytes: &[u8], file: &str, key: &str) -> Result<Matrix> {
        super::parse(bytes, file, key, LIMIT)
    }

    pub const LITTLE: Writer = Writer { little: true };

    fn expected() -> Matrix {
        Matrix { rows: 2, columns: 3, data: Elements::Bytes(vec![1, 2, 3, 4, 5, 6]) }
    }

    fn ff(writer: Writer) -> Vec<u8> {
        writer.matrix("ff", CLASS_UINT8, &[2, 3], &[1, 2, 3, 4, 5, 6])
    }

    #[test]
    fn either_byte_order_plain_or_compressed_among_other_variables() {
        for writer in [LITTLE, Writer { little: false }] {
            let other = writer.matrix("something", 6, &[1, 1], &[9]);
            for element in [ff(writer), writer.compressed(&ff(writer))] {
                let file = writer.file(&[other.clone(), element, writer.compressed(&other)]);
                assert_eq!(parse(&file, "f", "ff").unwrap(), expected());
            }
        }
    }

    #[test]
    fn doubles_and_singles_in_whatever_type_they_are_stored() {
        for writer in [LITTLE, Writer { little: false }] {
            let ordered = |bytes: Vec<u8>| if writer.little { bytes } else { bytes.into_iter().rev().collect() };
            let stored: [(u32, Vec<u8>, f64); 8] = [
                (TYPE_INT8, vec![0xfe], -2.0),
                (TYPE_UINT8, vec![200], 200.0),
                (TYPE_INT16, (-300i16).to_le_bytes().to_vec(), -300.0),
                (TYPE_UINT16, 60_000u16.to_le_bytes().to_vec(), 60_000.0),
                (TYPE_INT32, (-70_000i32).to_le_bytes().to_vec(), -70_000.0),
                (TYPE_UINT32, 4_000_000_000u32.to_le_bytes().to_vec(), 4e9),
                (TYPE_SINGLE, 0.5f32.to_le_bytes().to_vec(), 0.5),
                (TYPE_DOUBLE, 0.1f64.to_le_bytes().to_vec(), 0.1),
            ];
            for (kind, bytes, value) in stored {
                let element = writer.matrix_of("ff", CLASS_DOUBLE, &[1, 1], (kind, &ordered(bytes)));
                let matrix = parse(&writer.file(&[element]), "f", "ff").unwrap();
                assert_eq!(matrix.data, Elements::Real(vec![value]), "type {kind}");
            }
        }
        let odd = LITTLE.matrix_of("ff", CLASS_SINGLE, &[1, 1], (TYPE_SINGLE, &[0; 5]));
        assert!(parse(&LITTLE.file(&[odd]), "f", "ff").is_err());
    }

    #[test]
    fn says_what_is_wrong() {
        let reason = |elements: &[Vec<u8>]| parse(&LITTLE.file(elements), "some.mat", "ff").unwrap_err().to_string();
        let matrix = |class, dims: &[u32], data: &[u8]| LITTLE.matrix("ff", class, dims, data);
        assert!(reason(&[]).contains("some.mat: it holds no two-dimensional matrix called `ff`"));
        assert!(reason(&[matrix(11, &[1, 1], &[0])]).contains("not a real matrix of uint8"));
        assert!(reason(&[matrix(CLASS_DOUBLE, &[1, 2], &[0])]).contains("should hold 1 × 2 values and holds 1"));
        assert!(reason(&[matrix(CLASS_UINT8, &[1, 1, 1], &[0])]).contains("two dimensions"));
        assert!(reason(&[matrix(CLASS_UINT8, &[u32::MAX, u32::MAX], &[0])]).contains("should hold"));
        assert!(reason(&[ff(LITTLE), ff(LITTLE)]).contains("twice"));
        assert!(reason(&[ff(LITTLE), vec![0; 8]]).contains("trailing garbage"));
        assert!(reason(&[ff(LITTLE), b"garbage!?".to_vec()]).contains("some.mat: "));
        assert!(reason(&[LITTLE.compressed(&[ff(LITTLE), vec![0; 8]].concat())]).contains("trailing garbage"));
        assert!(reason(&[LITTLE.compressed(&LITTLE.compressed(&ff(LITTLE)))]).contains("does not hold a matrix"));
        let mut hdf5 = LITTLE.file(&[ff(LITTLE)]);
        hdf5[125] = 2;
        assert!(
            parse(&hdf5, "f", "ff")
                .unwrap_err()
                .to_string()
                .contains("v7.3 file, which is HDF5; write it anew with `save -v7`")
        );
        assert!(parse(&[7; 500], "f", "ff").unwrap_err().to_string().contains("not a MATLAB v5 file"));
        // An element of 4 GB is announced.
        assert!(reason(&[[LITTLE.word(TYPE_MATRIX), [0xff; 4]].concat()]).contains("truncated"));
    }

    #[test]
    fn a_compressed_bomb_is_not_inflated() {
        let bomb = LITTLE.compressed(&vec![0; 2 * LIMIT as usize]);
        assert!(bomb.len() < 100_000);
        let error = parse(&LITTLE.file(&[bomb]), "f", "ff").unwrap_err().to_string();
        assert!(error.contains("a variable of more than"), "{error}");
        let plain = LITTLE.matrix("other", CLASS_UINT8, &[1, 2 << 20], &vec![0; 2 * LIMIT as usize]);
        let error = parse(&LITTLE.file(&[ff(LITTLE), plain]), "f", "ff").unwrap_err().to_string();
        assert!(error.contains("a variable of more than"), "{error}");
    }

    #[test]
    fn truncation_anywhere_is_an_error() {
        for element in [ff(LITTLE), LITTLE.compressed(&ff(LITTLE))] {
            let file = LITTLE.file(&[element]);
            for cut in 0..file.len() {
                assert!(parse(&file[..cut], "f", "ff").is_err(), "cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300), little: bool) {
            let _ = parse(&body, "f", "ff");
            let _ = parse(&Writer { little }.file(&[body]), "f", "ff");
        }

        #[test]
        fn a_mutated_file_is_an_error_or_consistent(
            changes in prop::collection::vec((0usize..1000, any::<u8>()), 1..4),
            compressed: bool,
        ) {
            let element = if compressed { LITTLE.compressed(&ff(LITTLE)) } else { ff(LITTLE) };
            let mut file = LITTLE.file(&[element]);
            for (at, value) in changes {
                let at = at % file.len();
                file[at] = value;
            }
            if let Ok(matrix) = parse(&file, "f", "ff") {
                let Elements::Bytes(data) = matrix.data else { return Ok(()) };
                prop_assert_eq!(matrix.rows * matrix.columns, data.len());
            }
        }
    }
}
