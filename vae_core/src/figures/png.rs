//! Bitmaps and their PNG files.

use std::collections::BTreeMap;

use ndarray::Array2;
use png::{BitDepth, ColorType, Compression, Encoder, PixelDimensions, Unit};

use crate::{Error, Result};

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
        let (width, height, count) = (self.width / factor, self.height / factor, (factor * factor) as u32);
        let row = 3 * self.width;
        let mut rgb = Vec::with_capacity(3 * width * height);
        for block in self.rgb.chunks_exact(factor * row).take(height) {
            for x in 0..width {
                for channel in 0..3 {
                    let from = 3 * x * factor + channel;
                    let lines = block.chunks_exact(row);
                    let pixels = lines.flat_map(|line| line[from..].iter().step_by(3).take(factor));
                    rgb.push(((pixels.map(|&value| u32::from(value)).sum::<u32>() + count / 2) / count) as u8);
                }
            }
        }
        Self { width, height, rgb }
    }

    /// A PNG file of `zoom` pixels per CSS pixel: grey where the picture is; else in its 256 most frequent colours, half
    /// the size, which changes only the rarest shades at the edges of lines and letters.
    pub(crate) fn encode(&self, zoom: f64) -> Result<Vec<u8>> {
        let grey = self.rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
        if grey {
            let pixels: Vec<u8> = self.rgb.iter().step_by(3).copied().collect();
            return encode((self.width, self.height), ColorType::Grayscale, &pixels, None, zoom);
        }
        let (palette, pixels) = self.indexed();
        encode((self.width, self.height), ColorType::Indexed, &pixels, Some(palette.concat()), zoom)
    }

    /// The 256 most frequent colours, and the nearest of them for each pixel.
    pub(super) fn indexed(&self) -> (Vec<[u8; 3]>, Vec<u8>) {
        // Whole runs of a colour at a time: most of a picture is paper.
        let runs = || self.rgb.as_chunks::<3>().0.chunk_by(|a, b| a == b);
        let mut counts: BTreeMap<[u8; 3], usize> = BTreeMap::new();
        for run in runs() {
            *counts.entry(run[0]).or_default() += run.len();
        }
        let mut palette: Vec<_> = counts.iter().map(|(&colour, &count)| (count, colour)).collect();
        palette.sort_unstable_by(|a, b| b.cmp(a));
        let palette: Vec<[u8; 3]> = palette.into_iter().take(256).map(|(_, colour)| colour).collect();
        let distance =
            |a: [u8; 3], b: [u8; 3]| -> u32 { a.iter().zip(b).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
        let nearest = |colour: [u8; 3]| {
            let best = (0..palette.len()).min_by_key(|&i| distance(colour, palette[i]));
            best.and_then(|i| u8::try_from(i).ok()).unwrap_or(0)
        };
        let index: BTreeMap<[u8; 3], u8> = counts.keys().map(|&colour| (colour, nearest(colour))).collect();
        let indexed = |run: &[[u8; 3]]| std::iter::repeat_n(index.get(&run[0]).copied().unwrap_or(0), run.len());
        let pixels = runs().flat_map(indexed).collect();
        (palette, pixels)
    }
}

/// A grey PNG file, one pixel per element.
pub(crate) fn encode_grey(pixels: &Array2<u8>) -> Result<Vec<u8>> {
    let (height, width) = pixels.dim();
    let pixels: Vec<u8> = pixels.iter().copied().collect();
    encode((width, height), ColorType::Grayscale, &pixels, None, 1.0)
}

fn encode(
    (width, height): (usize, usize),
    colour: ColorType,
    pixels: &[u8],
    palette: Option<Vec<u8>>,
    zoom: f64,
) -> Result<Vec<u8>> {
    let side = |n: usize| u32::try_from(n).map_err(|_| failed("a picture is too large for PNG"));
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, side(width)?, side(height)?);
    encoder.set_color(colour);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    let density = (PIXELS_PER_METRE * zoom).round() as u32;
    encoder.set_pixel_dims(Some(PixelDimensions { xppu: density, yppu: density, unit: Unit::Meter }));
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}

/// The id is filled in by the figure.
pub(crate) fn failed(reason: impl std::fmt::Display) -> Error {
    Error::Figure { id: String::new(), reason: reason.to_string() }
}
