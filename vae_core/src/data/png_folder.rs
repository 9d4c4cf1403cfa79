//! A folder of PNGs as own images.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use ndarray::Array2;
use png::{BitDepth, ColorType, Transformations};

use crate::data::values::Values;
use crate::{Error, Result};

impl Values {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use ndarray::array;

    fn write_png(path: &Path, (height, width): (u32, u32), color: ColorType, depth: BitDepth, data: &[u8]) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
    }

    #[test]
    fn a_folder_of_pngs() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Values::from_png_folder(folder.path());
        let reason = || read().unwrap_err().to_string();
        assert!(reason().contains("holds no *.png"));
        let path = |name| folder.path().join(name);
        let (grey, eight) = (ColorType::Grayscale, BitDepth::Eight);
        write_png(&path("b.png"), (2, 3), grey, eight, &[6, 5, 4, 3, 2, 1]);
        write_png(&path("a.PNG"), (2, 3), grey, eight, &[1, 2, 3, 4, 5, 6]);
        write_png(&path("c.png"), (2, 3), grey, BitDepth::One, &[0b1010_0000, 0b0110_0000]);
        std::fs::write(path("notes.txt"), "not an image").unwrap();
        let expected = array![[1u8, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [255, 0, 255, 0, 255, 255]];
        assert_eq!(read().unwrap(), (expected.into(), (2, 3)));

        let d = path("d.png");
        for (color, depth, bytes, what) in [
            (ColorType::Rgb, eight, 18, "is Rgb of 8 bits"),
            (ColorType::Rgba, eight, 24, "is Rgba of 8 bits"),
            (ColorType::GrayscaleAlpha, eight, 12, "is GrayscaleAlpha of 8 bits"),
            (grey, BitDepth::Sixteen, 12, "is Grayscale of 16 bits"),
        ] {
            write_png(&d, (2, 3), color, depth, &vec![9; bytes]);
            assert!(
                reason().contains(what) && reason().contains("d.png") && reason().contains("8-bit grey"),
                "{}",
                reason()
            );
        }
        write_png(&d, (3, 2), grey, eight, &[9; 6]);
        assert!(reason().contains("is 3 × 2 pixels (height × width), but the first image of the folder is 2 × 3"));
        std::fs::write(&d, "not a PNG").unwrap();
        assert!(reason().contains("d.png: cannot be decoded"), "{}", reason());
        // What the message says: 8-bit grey of one size.
        write_png(&d, (2, 3), grey, eight, &[9; 6]);
        assert_eq!(read().unwrap().0.nrows(), 4);
    }
}
