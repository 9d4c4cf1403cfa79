//! Faces drawn by the crate: the default data where Frey Face is not at hand.
//!
//! A film of 1965 frames, 28 rows × 20 columns, with two known factors, **pose** (−1 to 1, turned to the left or the
//! right of the picture) and **smile** (−1 to 1), and the nuisances of a film: changing light, small movements of the
//! head, noise. A frame is a shaded ellipsoid on which the features are painted. As for the digits, only `+ − × ÷ √` are
//! used, so the frames are the same on every machine.

use ndarray::Array2;
use rand::Rng as _;

use crate::data::batches::permutation;
use crate::rng::{Rng, Stream, rng};

/// Frames, as many as Frey Face has.
pub const FRAMES: usize = 1965;
/// Rows of a frame.
pub const HEIGHT: usize = 28;
/// Columns of a frame.
pub const WIDTH: usize = 20;
/// Seed of [`draw_all`] and [`face_factors`].
pub const SEED: u64 = 1965;

/// Indices of this module begin here, so that frames share no random numbers with the synthetic digits.
const FIRST_INDEX: u64 = 1 << 34;

/// All frames, one a row: `[1965, 560]`.
pub fn draw_all() -> Array2<u8> {
    let film: Vec<Scene> = film(SEED, FRAMES);
    let mut pixels = vec![0u8; FRAMES * HEIGHT * WIDTH];
    // Each frame has its own generator, so the threads cannot change a bit.
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
    let share = FRAMES.div_ceil(threads);
    std::thread::scope(|scope| {
        for (part, (pixels, scenes)) in pixels.chunks_mut(share * HEIGHT * WIDTH).zip(film.chunks(share)).enumerate() {
            scope.spawn(move || {
                for (i, (pixels, scene)) in pixels.chunks_exact_mut(HEIGHT * WIDTH).zip(scenes).enumerate() {
                    scene.draw(&mut rng(SEED, Stream::Synthetic, FIRST_INDEX + (part * share + i) as u64), pixels);
                }
            });
        }
    });
    Array2::from_shape_vec((FRAMES, HEIGHT * WIDTH), pixels).unwrap_or_default()
}

/// The two factors of every frame of [`draw_all`], in its order: `[1965, 2]`, pose and smile, each in −1…1.
pub fn face_factors() -> Array2<f32> {
    let film = film(SEED, FRAMES);
    Array2::from_shape_fn((FRAMES, 2), |(frame, factor)| {
        (if factor == 0 { film[frame].pose } else { film[frame].smile }) as f32
    })
}

/// One frame without noise and nuisances, `[560]`: for a picture of what the factors mean.
pub fn draw_face(pose: f64, smile: f64) -> Vec<u8> {
    let scene = Scene { pose: pose.clamp(-1.0, 1.0), smile: smile.clamp(-1.0, 1.0), ..Scene::default() };
    let mut pixels = vec![0; HEIGHT * WIDTH];
    scene.render(|_| 0.0, &mut pixels);
    pixels
}

/// What determines a frame but for its noise.
#[derive(Clone, Copy, Debug, Default)]
struct Scene {
    pose: f64,
    smile: f64,
    /// Sideways direction and strength of the light, −1…1.
    light: (f64, f64),
    /// Displacement of the head, −1…1 in either direction.
    shift: (f64, f64),
}

/// A film: each quantity wanders smoothly between random targets, independently of the others. Targets are stratified
/// (one in each eighth of the range, in random order, before any eighth returns), so a few hundred frames cover it.
fn film(seed: u64, frames: usize) -> Vec<Scene> {
    let walk = |index: u64, shortest: u32, longest: u32| {
        let mut rng = rng(seed, Stream::Synthetic, FIRST_INDEX + (1 << 33) + index);
        let mut values = Vec::with_capacity(frames + longest as usize);
        let mut strata = Vec::new();
        let mut from = 2.0 * rng.random::<f64>() - 1.0;
        while values.len() < frames {
            if strata.is_empty() {
                strata = permutation(8, &mut rng);
            }
            let to = (strata.pop().unwrap_or(0) as f64 + rng.random::<f64>()) / 4.0 - 1.0;
            let steps = rng.random_range(shortest..=longest);
            for step in 0..steps {
                let t = f64::from(step) / f64::from(steps);
                values.push(from + (to - from) * smoothstep(t));
            }
            from = to;
        }
        values
    };
    let (pose, smile) = (walk(0, 8, 24), walk(1, 6, 20));
    let (side, strength) = (walk(2, 30, 90), walk(3, 30, 90));
    let (dx, dy) = (walk(4, 10, 40), walk(5, 10, 40));
    (0..frames)
        .map(|i| Scene { pose: pose[i], smile: smile[i], light: (side[i], strength[i]), shift: (dx[i], dy[i]) })
        .collect()
}

/// 0 below 0, 1 above 1, smooth between.
fn smoothstep(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// 1 well inside a shape, 0 well outside; `distance` is positive outside and the edge `width` wide.
fn inside(distance: f64, width: f64) -> f64 {
    smoothstep(0.5 - distance / width)
}

impl Scene {
    fn draw(&self, rng: &mut Rng, pixels: &mut [u8]) {
        let mut noise = [0.0; HEIGHT * WIDTH];
        noise.fill_with(|| 9.0 * (rng.random::<f64>() + rng.random::<f64>() - 1.0));
        self.render(|pixel| noise[pixel], pixels);
    }

    fn render(&self, noise: impl Fn(usize) -> f64, pixels: &mut [u8]) {
        /// Samples along each side of a pixel.
        const SAMPLES: usize = 2;
        for row in 0..HEIGHT {
            for column in 0..WIDTH {
                let mut sum = 0.0;
                for sample in 0..SAMPLES * SAMPLES {
                    let offset = |k: usize| (k as f64 + 0.5) / SAMPLES as f64;
                    sum += self.grey(column as f64 + offset(sample % SAMPLES), row as f64 + offset(sample / SAMPLES));
                }
                let grey = sum / (SAMPLES * SAMPLES) as f64 + noise(row * WIDTH + column);
                pixels[row * WIDTH + column] = grey.clamp(0.0, 255.0).round() as u8;
            }
        }
    }

    /// Intensity (0–255) at a place of the picture, in pixels from its upper left corner.
    fn grey(&self, x: f64, y: f64) -> f64 {
        // Sine and cosine of the turn of the head.
        let sine = 0.62 * self.pose;
        let cosine = (1.0 - sine * sine).sqrt();
        let u = (x - 10.0 - 0.1 * self.shift.0 - 0.8 * self.pose) / 9.2;
        let v = (y - 13.6 - 0.1 * self.shift.1) / 13.6;
        let gain = 1.0 + 0.02 * self.light.1;
        let mut grey = 208.0 - 14.0 * v + 3.0 * self.light.0 * u;

        // Neck and shoulders, then the hair behind the head, then the head.
        let neck = inside((u + 0.06 * self.pose).abs() - 0.52, 0.15) * inside(0.6 - v, 0.1);
        grey += neck * (112.0 - grey);
        let hair =
            inside(((u * u) / 1.10 + (v + 0.06) * (v + 0.06) / 1.12).sqrt() - 1.0, 0.10) * inside(v - 0.05, 0.35);
        grey += hair * (58.0 - grey);
        // The jaw narrows downwards.
        let wide = 0.93 - 0.16 * v.max(0.0);
        let squared = u * u / (wide * wide) + v * v;
        let head = inside(squared.sqrt() - 0.97, 0.09);
        if head > 0.0 {
            let depth = (1.0 - squared.min(1.0)).sqrt();
            let lambert = (0.12 * self.light.0 * u - 0.28 * v + 0.85 * depth).max(0.0);
            // Turned back, the place on the face that is seen here.
            let face = self.painted(u * cosine - depth * sine, v);
            grey += head * (face * (0.52 + 0.52 * lambert) - grey);
        }
        grey * gain
    }

    /// Reflectance (0–255) of the face at `x` (0 between the eyes, ±1 at the ears) and `y` (−1 crown, 1 chin).
    fn painted(&self, x: f64, y: f64) -> f64 {
        let smile = self.smile;
        let side = x.abs();
        let ellipse = |cx: f64, cy: f64, rx: f64, ry: f64| {
            let (dx, dy) = ((side - cx) / rx, (y - cy) / ry);
            (dx * dx + dy * dy).sqrt() - 1.0
        };
        let mut grey = 214.0;
        let mut paint = |amount: f64, with: f64| grey += amount * (with - grey);

        // Hair line, sockets, brows (raised by a smile), eyes (narrowed by it).
        paint(inside(y + 0.66 - 0.22 * x * x + 0.05 * x, 0.10), 56.0);
        paint(inside(0.93 - side, 0.12) * inside(y - 0.1, 0.2), 60.0);
        paint(0.35 * inside(ellipse(0.36, -0.14, 0.26, 0.17), 0.8), 120.0);
        let brow = -0.315 - 0.025 * smile + 0.35 * (side - 0.36) * (side - 0.36);
        paint(0.85 * inside((y - brow).abs() - 0.03, 0.05) * inside((side - 0.37).abs() - 0.2, 0.1), 62.0);
        let lid = 0.078 - 0.022 * smile.max(0.0);
        paint(0.8 * inside(ellipse(0.36, -0.13, 0.17, lid), 0.5), 225.0);
        paint(inside(ellipse(0.36, -0.13, 0.085, lid + 0.012), 0.5), 28.0);

        // Nose: a bright ridge, a shadow beside it, nostrils.
        paint(0.5 * inside(side - 0.06, 0.08) * inside((y - 0.06).abs() - 0.16, 0.1), 245.0);
        paint(0.4 * inside((x - 0.14).abs() - 0.03, 0.07) * inside((y - 0.12).abs() - 0.14, 0.1), 120.0);
        paint(0.75 * inside((y - 0.275).abs() - 0.02, 0.05) * inside(side - 0.15, 0.08), 88.0);

        // Mouth: the corners rise and part with a smile, and it opens to show the teeth.
        let half = 0.37 + 0.12 * smile;
        let t = x / half;
        let line = 0.52 + 0.15 * smile * (0.45 - t * t);
        let open = 0.25 * smile.max(0.0) * (1.0 - t * t).max(0.0);
        let within = inside(side - half, 0.09);
        paint(0.5 * within * inside((y - line - 0.5 * open).abs() - 0.09 - 0.5 * open, 0.07), 128.0);
        paint(0.95 * within * inside((y - line - 0.5 * open).abs() - 0.024 - 0.5 * open, 0.05), 40.0);
        if open > 0.0 {
            let teeth = within * inside((y - line - 0.40 * open).abs() - 0.34 * open, 0.03) * smoothstep(open / 0.08);
            paint(0.95 * teeth, 236.0);
        }
        // Folds beside a smile, a shadow below the lip, the chin.
        let fold = 0.42 + 0.12 * smile + 0.30 * (y - 0.3);
        paint(
            0.45 * smile.max(0.0) * inside((side - fold).abs() - 0.02, 0.09) * inside((y - 0.40).abs() - 0.16, 0.1),
            70.0,
        );
        paint(0.25 * inside(ellipse(0.0, 0.74, 0.2, 0.05), 0.8), 110.0);
        grey
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
        assert_eq!(
            sha256_hex([draw_all().as_slice().unwrap()]),
            "e82dabd92c26ab30b5366ac3bb1957081c886fe0001ef3357d1e63c32dbaa4c1"
        );
    }

    #[test]
    fn factors_are_smooth_independent_and_cover_both_splits() {
        let factors = face_factors();
        assert!(factors.iter().all(|value| (-1.0..=1.0).contains(value)));
        for column in factors.columns() {
            for pair in column.windows(2) {
                assert!((pair[1] - pair[0]).abs() < 0.55, "a jump");
            }
            // Every fifth of the range is visited in the training frames and in the held-out ones.
            for frames in [0..1500, 1500..FRAMES] {
                let mut counts = [0; 5];
                for frame in frames.clone() {
                    counts[(((column[frame] + 1.0) * 2.5) as usize).min(4)] += 1;
                }
                assert!(counts.iter().all(|&count| count * 20 > frames.len()), "{counts:?}");
            }
        }
        let n = FRAMES as f32;
        let (pose, smile) = (factors.column(0), factors.column(1));
        let centred = |x: ndarray::ArrayView1<f32>| &x - x.sum() / n;
        let (a, b) = (centred(pose), centred(smile));
        let correlation = a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt();
        assert!(correlation.abs() < 0.15, "{correlation}");
    }

    #[test]
    fn both_factors_matter_more_than_the_noise() {
        let change = |a: Vec<u8>, b: Vec<u8>| -> f64 {
            let squares = a.iter().zip(&b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
            (squares.sum::<f64>() / a.len() as f64).sqrt()
        };
        // Noise has a standard deviation of 9/√6 = 3.7 grey levels.
        let pose = change(draw_face(-0.5, 0.0), draw_face(0.5, 0.0));
        let smile = change(draw_face(0.0, -0.8), draw_face(0.0, 0.8));
        assert!(pose > 10.0 && smile > 10.0, "pose {pose}, smile {smile}");
    }
}
