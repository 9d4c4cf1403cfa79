//! Digits drawn by the crate: the default data, so that everything runs without a download.
//!
//! Ten classes, each a few handwritten variants of strokes. Every image perturbs the strokes' points, shears, rotates and
//! bends them smoothly, fits them into a box of about 20×20 and inks them with a round pen of random width.
//! Only `+ − × ÷ √` are used, which IEEE 754 fixes to the last bit, so the images are the same on every machine.

use ndarray::Array2;
use rand::Rng as _;

use crate::data::batches::permutation;
use crate::data::glyphs::{GLYPHS, Point, Stroke};
use crate::rng::{Rng, Stream, rng};

/// Training images.
pub const TRAIN: usize = 12_000;
/// Validation images.
pub const VALID: usize = 2_000;
/// Test images.
pub const TEST: usize = 2_000;
/// Seed of [`draw_all`].
pub const SEED: u64 = 20_131_220;
/// Rows and columns of an image.
pub const SIDE: usize = 28;

/// All images, training then validation then test: pixels `[16000, 784]` and classes.
pub fn draw_all() -> (Array2<u8>, Vec<u8>) {
    let n = TRAIN + VALID + TEST;
    let labels = labels(n, SEED);
    let mut pixels = vec![0u8; n * SIDE * SIDE];
    // Each image has its own generator, so the threads cannot change a bit.
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
    let share = n.div_ceil(threads);
    std::thread::scope(|scope| {
        for (part, (pixels, labels)) in pixels.chunks_mut(share * SIDE * SIDE).zip(labels.chunks(share)).enumerate() {
            scope.spawn(move || {
                for (i, (pixels, &label)) in pixels.chunks_exact_mut(SIDE * SIDE).zip(labels).enumerate() {
                    draw(label, &mut rng(SEED, Stream::Synthetic, (part * share + i) as u64), pixels);
                }
            });
        }
    });
    let pixels = Array2::from_shape_vec((n, SIDE * SIDE), pixels).unwrap_or_default();
    (pixels, labels)
}

/// As many of each class as of any other (±1) within each run of ten, in random order.
fn labels(n: usize, seed: u64) -> Vec<u8> {
    // A permutation within blocks keeps every split balanced. The index is beyond those of images.
    let mut rng = rng(seed, Stream::Synthetic, 1 << 35);
    let mut labels = Vec::with_capacity(n + 10);
    while labels.len() < n {
        let block = 1000.min(n - labels.len());
        labels.extend(permutation(block, &mut rng).into_iter().map(|k| (k % 10) as u8));
    }
    labels
}

/// Draws one digit onto `pixels` (`SIDE · SIDE`, black before).
fn draw(digit: u8, rng: &mut Rng, pixels: &mut [u8]) {
    let variants = GLYPHS[usize::from(digit) % 10];
    let glyph = variants[rng.random_range(0..variants.len() as u32) as usize];
    let mut lines: Vec<Vec<Point>> = glyph.iter().map(|stroke| smooth(stroke)).collect();
    let bend = Bend::new(rng);
    let slant = 0.16 + 0.36 * bell(rng);
    let tilt = bell(rng) * 0.1;
    let aspect = 0.88 + 0.26 * bell(rng);
    let radius = 1.3 + 0.36 * bell(rng);
    for point in lines.iter_mut().flatten() {
        let (x, y) = bend.apply(*point);
        let x = (x - 0.5) * aspect - (y - 0.5) * slant;
        let y = y - 0.5;
        *point = (x - tilt * y, y + tilt * x);
    }
    let extent = 20.0 + 0.5 * bell(rng) - 2.0 * radius;
    let shift = (bell(rng) * 0.8, bell(rng) * 0.8);
    let edge = 0.9 + 0.35 * rng.random::<f64>();
    fit(&mut lines, extent, shift, radius + edge / 2.0);
    ink(&lines, radius, edge, pixels);
}

/// Roughly normal with standard deviation ½, within ±1.5: without `ln` and `cos`, whose last bits differ between machines.
fn bell(rng: &mut Rng) -> f64 {
    (0..3).map(|_| rng.random::<f64>() - 0.5).sum()
}

/// A Catmull–Rom curve through the points, as short straight pieces.
fn smooth(stroke: Stroke) -> Vec<Point> {
    const PIECES: usize = 6;
    let last = stroke.len() - 1;
    let closed = stroke[0] == stroke[last];
    let mut line = vec![stroke[0]];
    for i in 0..last {
        let before = if i > 0 {
            stroke[i - 1]
        } else if closed {
            stroke[last - 1]
        } else {
            stroke[0]
        };
        let after = if i + 2 <= last {
            stroke[i + 2]
        } else if closed {
            stroke[1]
        } else {
            stroke[last]
        };
        let (from, to) = (stroke[i], stroke[i + 1]);
        for piece in 1..=PIECES {
            let t = piece as f64 / PIECES as f64;
            let blend = |a: f64, b: f64, c: f64, d: f64| {
                b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
            };
            line.push((blend(before.0, from.0, to.0, after.0), blend(before.1, from.1, to.1, after.1)));
        }
    }
    line
}

/// A smooth random displacement of the plane: bilinear-quadratic interpolation of a 4×4 grid of draws.
struct Bend([[Point; 4]; 4]);

impl Bend {
    fn new(rng: &mut Rng) -> Self {
        Self(std::array::from_fn(|_| std::array::from_fn(|_| (0.2 * bell(rng), 0.2 * bell(rng)))))
    }

    fn apply(&self, (x, y): Point) -> Point {
        let (wx, wy) = (weights(x), weights(y));
        let mut moved = (x, y);
        for (row, wy) in self.0.iter().zip(wy) {
            for (node, wx) in row.iter().zip(wx) {
                moved.0 += wx * wy * node.0;
                moved.1 += wx * wy * node.1;
            }
        }
        moved
    }
}

/// Cubic Bernstein weights: smooth, and they sum to 1.
fn weights(t: f64) -> [f64; 4] {
    let t = t.clamp(0.0, 1.0);
    let u = 1.0 - t;
    [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t]
}

/// Scales the longer side of the bounding box to `extent` pixels, and centres the ink (as MNIST does), plus `shift`, but
/// so that nothing within `reach` of a line is cut off.
fn fit(lines: &mut [Vec<Point>], extent: f64, shift: Point, reach: f64) {
    let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
    let (mut mass, mut moment) = (0.0, (0.0, 0.0));
    for line in lines.iter() {
        for &(x, y) in line {
            low = (low.0.min(x), low.1.min(y));
            high = (high.0.max(x), high.1.max(y));
        }
        for pair in line.windows(2) {
            let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            let length = (dx * dx + dy * dy).sqrt();
            mass += length;
            moment.0 += length * (pair[0].0 + pair[1].0) / 2.0;
            moment.1 += length * (pair[0].1 + pair[1].1) / 2.0;
        }
    }
    let scale = extent / (high.0 - low.0).max(high.1 - low.1);
    let side = SIDE as f64 - 1.0;
    // Pixel position of the box's corner.
    let place = |low: f64, high: f64, centre: f64, shift: f64| {
        let wanted = (low - centre) * scale + side / 2.0 + shift;
        wanted.min(side - reach - (high - low) * scale).max(reach)
    };
    let corner = (place(low.0, high.0, moment.0 / mass, shift.0), place(low.1, high.1, moment.1 / mass, shift.1));
    for point in lines.iter_mut().flatten() {
        point.0 = (point.0 - low.0) * scale + corner.0;
        point.1 = (point.1 - low.1) * scale + corner.1;
    }
}

/// Inks the lines with a round pen; the edge is `edge` pixels wide.
fn ink(lines: &[Vec<Point>], radius: f64, edge: f64, pixels: &mut [u8]) {
    let reach = radius + edge;
    let span = |a: f64, b: f64| {
        let low = (a.min(b) - reach).ceil().max(0.0) as usize;
        let high = (a.max(b) + reach).floor().min(SIDE as f64 - 1.0);
        low..if high < 0.0 { 0 } else { high as usize + 1 }
    };
    for line in lines {
        for pair in line.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let (dx, dy) = (b.0 - a.0, b.1 - a.1);
            let squared = (dx * dx + dy * dy).max(1e-12);
            for row in span(a.1, b.1) {
                for column in span(a.0, b.0) {
                    let (px, py) = (column as f64 - a.0, row as f64 - a.1);
                    let along = ((px * dx + py * dy) / squared).clamp(0.0, 1.0);
                    let (ex, ey) = (px - along * dx, py - along * dy);
                    let distance = (ex * ex + ey * ey).sqrt();
                    let t = (0.5 + (radius - distance) / edge).clamp(0.0, 1.0);
                    let grey = (255.0 * t * t * (3.0 - 2.0 * t)) as u8;
                    let pixel = &mut pixels[row * SIDE + column];
                    *pixel = grey.max(*pixel);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checksum::sha256_hex;

    #[test]
    fn the_bits_are_pinned() {
        // Stored results name this hash. It must not depend on the machine or on the number of threads.
        let (pixels, labels) = draw_all();
        assert_eq!(
            sha256_hex([pixels.as_slice().unwrap()]),
            "cfa2b4b2abbb5e1c79244d23e95544511bb933961e1aa14bd4905ebd840fa1c0"
        );
        let mut alone = vec![0; SIDE * SIDE];
        let i = 15_999;
        draw(labels[i], &mut rng(SEED, Stream::Synthetic, i as u64), &mut alone);
        assert_eq!(pixels.row(i).to_vec(), alone);
    }

    #[test]
    fn classes_are_balanced_in_every_split() {
        let labels = labels(TRAIN + VALID + TEST, SEED);
        for split in [&labels[..TRAIN], &labels[TRAIN..TRAIN + VALID], &labels[TRAIN + VALID..]] {
            for digit in 0..10 {
                assert_eq!(split.iter().filter(|&&label| label == digit).count(), split.len() / 10);
            }
        }
        assert!(labels.windows(10).any(|ten| ten.iter().all(|&label| label != 0)), "not shuffled");
    }

    #[test]
    fn images_look_like_ink_on_paper() {
        let (pixels, _) = draw_all();
        for image in pixels.rows() {
            let ink = image.iter().filter(|&&k| k > 127).count();
            assert!((20..350).contains(&ink), "{ink} bright pixels");
            assert!(image.iter().any(|&k| (1..255).contains(&k)), "no grey edges");
            let border = (0..SIDE).all(|k| image[k] == 0 && image[(SIDE - 1) * SIDE + k] == 0);
            assert!(border, "clipped at the upper or lower edge");
        }
    }

    #[test]
    fn classes_can_be_told_apart() {
        // Nearest class mean: chance is 10 %.
        let (pixels, labels) = draw_all();
        let pixels = pixels.mapv(f64::from);
        let mut means = Array2::<f64>::zeros((10, SIDE * SIDE));
        for (image, &label) in pixels.rows().into_iter().zip(&labels).take(TRAIN) {
            means.row_mut(usize::from(label)).scaled_add(10.0 / TRAIN as f64, &image);
        }
        let right = (TRAIN..TRAIN + VALID).filter(|&i| {
            let distance = |digit: usize| (&pixels.row(i) - &means.row(digit)).mapv(|x| x * x).sum();
            let best = (0..10).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            best == Some(usize::from(labels[i]))
        });
        let rate = right.count() as f64 / VALID as f64;
        assert!(rate > 0.75, "{rate}");
    }
}
