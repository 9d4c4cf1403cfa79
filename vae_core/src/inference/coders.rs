//! General coders of images, to hold a learned code against: JPEG at a quality, and DEFLATE without loss.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use jpeg_encoder::{ColorType, Encoder};
use ndarray::Array2;
use zune_jpeg::JpegDecoder;

use crate::{Error, Result};

/// Images a side of the sheet that is coded at once, so that what a file has once counts little.
const SIDE: usize = 20;

/// Bits an image and squared error summed over pixels, means over the images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coded {
    /// Bits an image.
    pub bits: f64,
    /// Squared error, summed over pixels, in the units of x.
    pub error: f64,
}

/// JPEG at a quality from 1 to 100 of images `[n, height · width]` in [0, 1], grey, laid out in sheets of up to 20 × 20.
///
/// # Errors
/// [`Error::Shape`] if rows are not images of that shape or there are none; [`Error::Config`] for another quality; [`Error::Data`] if the coder fails.
pub fn jpeg(images: &Array2<f32>, (height, width): (usize, usize), quality: u8) -> Result<Coded> {
    let n = images.nrows();
    if n == 0 || height * width == 0 || images.ncols() != height * width {
        let (expected, found) = (format!("rows of {height} × {width}"), format!("{:?}", images.shape()));
        return Err(Error::Shape { what: "images", expected, found });
    }
    if !(1..=100).contains(&quality) {
        return Err(Error::config("quality", format!("is {quality}; use 1 to 100")));
    }
    let failed = |e: &dyn std::fmt::Display| Error::data("JPEG", e.to_string());
    let (mut bytes, mut error) = (0, 0.0);
    for first in (0..n).step_by(SIDE * SIDE) {
        let here = (n - first).min(SIDE * SIDE);
        let (columns, rows) = (SIDE.min(here), here.div_ceil(SIDE));
        // value k of image i on the sheet
        let place = |i: usize, k: usize| {
            let (row, column) = (i / columns * height + k / width, i % columns * width + k % width);
            row * columns * width + column
        };
        let mut sheet = vec![0u8; rows * height * columns * width];
        for i in 0..here {
            for (k, x) in images.row(first + i).iter().enumerate() {
                sheet[place(i, k)] = (x.clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
        let mut file = Vec::new();
        let size = [columns * width, rows * height].map(|v| u16::try_from(v).unwrap_or(u16::MAX));
        Encoder::new(&mut file, quality).encode(&sheet, size[0], size[1], ColorType::Luma).map_err(|e| failed(&e))?;
        bytes += file.len();
        let decoded = JpegDecoder::new(&file).decode().map_err(|e| failed(&e))?;
        let channels = decoded.len() / sheet.len().max(1);
        for i in 0..here {
            for (k, x) in images.row(first + i).iter().enumerate() {
                let rebuilt = f64::from(decoded[place(i, k) * channels]) / 255.0;
                error += (f64::from(*x) - rebuilt).powi(2);
            }
        }
    }
    Ok(Coded { bits: 8.0 * bytes as f64 / n as f64, error: error / n as f64 })
}

/// Bits an image of grey values 0 to 255 by DEFLATE, all images in one stream: without loss but for the rounding to bytes.
///
/// # Errors
/// [`Error::Data`] if the coder fails; [`Error::Shape`] if there are no images.
pub fn deflate(images: &Array2<f32>) -> Result<f64> {
    if images.is_empty() {
        return Err(Error::Shape { what: "images", expected: "at least one".into(), found: "none".into() });
    }
    let bytes: Vec<u8> = images.iter().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    let mut coder = DeflateEncoder::new(Vec::new(), Compression::best());
    let coded =
        coder.write_all(&bytes).and_then(|()| coder.finish()).map_err(|e| Error::data("DEFLATE", e.to_string()))?;
    Ok(8.0 * coded.len() as f64 / images.nrows() as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn more_bits_buy_less_error() {
        let images = Array2::from_shape_fn((410, 28 * 28), |(i, k)| {
            let (y, x) = ((k / 28) as f32, (k % 28) as f32);
            0.5 + 0.5 * ((x * 0.3 + i as f32).sin() * (y * 0.2).cos())
        });
        let at = [5, 30, 95].map(|quality| jpeg(&images, (28, 28), quality).unwrap());
        assert!(at.windows(2).all(|w| w[0].bits < w[1].bits && w[0].error > w[1].error), "{at:?}");
        assert!(at[2].error < 1.0, "{at:?}");
        let lossless = deflate(&images).unwrap();
        assert!(lossless > at[0].bits && lossless < 28.0 * 28.0 * 8.0);
        assert!(jpeg(&images, (28, 27), 50).is_err() && jpeg(&images, (28, 28), 0).is_err());
        assert!(deflate(&Array2::zeros((0, 784))).is_err());
    }
}
