//! Bitmaps and their PNG files.

use ndarray::Array2;
use png::{BitDepth, ColorType, Compression, Encoder, PixelDimensions, Unit};

use super::scene::drawing_error;
use crate::Result;

/// CSS pixels per metre (96 a inch).
const PIXELS_PER_METRE: f64 = 96.0 / 0.0254;

/// RGB pixels, row by row.
pub(crate) struct Bitmap {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<u8>,
}

impl Bitmap {
    /// The mean of each `factor × factor` block; rows and columns that do not fill a block are dropped.
    pub(crate) fn shrink(&self, factor: usize) -> Self {
        let (width, height) = (self.width / factor, self.height / factor);
        let count = (factor * factor) as u32;
        let mut rgb = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            for x in 0..width {
                for channel in 0..3 {
                    let mut sum = 0;
                    for row in y * factor..(y + 1) * factor {
                        for column in x * factor..(x + 1) * factor {
                            sum += u32::from(self.rgb[3 * (row * self.width + column) + channel]);
                        }
                    }
                    rgb.push(((sum + count / 2) / count) as u8);
                }
            }
        }
        Self { width, height, rgb }
    }

    /// A PNG file of `zoom` pixels per CSS pixel, grey where the picture is.
    pub(crate) fn encode(&self, zoom: f64) -> Result<Vec<u8>> {
        let grey = self.rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
        if grey {
            let pixels: Vec<u8> = self.rgb.iter().step_by(3).copied().collect();
            encode(self.width, self.height, ColorType::Grayscale, &pixels, zoom)
        } else {
            encode(self.width, self.height, ColorType::Rgb, &self.rgb, zoom)
        }
    }
}

/// A grey PNG file, one pixel per element.
pub(crate) fn encode_grey(pixels: &Array2<u8>) -> Result<Vec<u8>> {
    let (height, width) = pixels.dim();
    encode(width, height, ColorType::Grayscale, &pixels.iter().copied().collect::<Vec<_>>(), 1.0)
}

fn encode(width: usize, height: usize, colour: ColorType, pixels: &[u8], zoom: f64) -> Result<Vec<u8>> {
    let side = |n: usize| u32::try_from(n).map_err(|_| drawing_error("a picture is too large for PNG"));
    let failed = |e: png::EncodingError| drawing_error(format!("PNG: {e}"));
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, side(width)?, side(height)?);
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    let density = (PIXELS_PER_METRE * zoom).round() as u32;
    encoder.set_pixel_dims(Some(PixelDimensions { xppu: density, yppu: density, unit: Unit::Meter }));
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shrinking_takes_means_and_grey_stays_grey() {
        let full = Bitmap { width: 2, height: 2, rgb: [0, 255, 255, 0].iter().flat_map(|&g| [g; 3]).collect() };
        let small = full.shrink(2);
        assert_eq!((small.width, small.height, small.rgb.as_slice()), (1, 1, [128, 128, 128].as_slice()));
        let file = full.encode(2.0).unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        assert_eq!(reader.info().color_type, ColorType::Grayscale);
        assert_eq!(reader.info().pixel_dims.unwrap().xppu, 7559);
    }
}
