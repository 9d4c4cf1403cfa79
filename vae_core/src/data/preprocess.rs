//! From stored values to network inputs: scale, inversion, binarisation.

use rand::RngCore;
use serde::{Deserialize, Serialize};

use crate::data::values::Values;
use crate::numeric::{Real, vmath};
use crate::rng::{Stream, rng};
use crate::{Error, Result};

/// Rows that one epoch's binarisation can tell apart, as a power of two (the sets here have at most 60,000).
const ROW_BITS: u32 = 20;
/// Epochs that it can tell apart: `rng` takes indices below 2³⁶.
const EPOCHS: u64 = 1 << (36 - ROW_BITS);

/// How a stored value becomes a number: an intensity k ∈ 0…255 by a division; a real number is one already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// k/255: black is 0 and white is 1.
    #[default]
    K255,
    /// k/256, as the report's authors: white is 0.996.
    K256,
    /// x itself: for real values ([`Values::Real`]), which no other scale fits.
    AsIs,
}

/// Whether grey values are turned into zeros and ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binarise {
    /// Grey values stay (the report).
    #[default]
    None,
    /// 1 where the stored intensity is at least this (before scale; inversion swaps the two). Bytes only.
    Threshold(u8),
    /// One Bernoulli draw with the grey value, in \[0, 1\], as its probability; the same at every epoch.
    Fixed {
        /// Seed of the draw.
        seed: u64,
    },
    /// A new Bernoulli draw at every epoch.
    Dynamic {
        /// Seed of the draws.
        seed: u64,
    },
}

/// Preprocessing; part of every configuration and caption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// k/255 or k/256 of bytes, or real numbers as they are.
    pub scale: Scale,
    /// 1 − x instead of x (the authors' Frey Face).
    pub invert: bool,
    /// Binarisation.
    pub binarise: Binarise,
}

impl Preprocess {
    /// Whether it fits real values (or bytes, if not `real`).
    ///
    /// # Errors
    /// [`Error::Config`] that says what to write.
    pub fn validate(&self, real: bool) -> Result<()> {
        match (real, self.scale, self.binarise) {
            (true, Scale::K255 | Scale::K256, _) => Err(Error::config(
                "preprocess.scale",
                format!("is {:?}, which is for bytes, but the images are real numbers; write Scale::AsIs", self.scale),
            )),
            (false, Scale::AsIs, _) => Err(Error::config(
                "preprocess.scale",
                "is AsIs, which is for real numbers, but the images are bytes; write Scale::K255 or Scale::K256",
            )),
            (true, _, Binarise::Threshold(_)) => Err(Error::config(
                "preprocess.binarise",
                "is a threshold for bytes, but the images are real numbers; write Binarise::None and give `Dataset::own` \
                 an array of zeros and ones",
            )),
            _ => Ok(()),
        }
    }

    /// Whether grey values are probabilities of draws.
    pub(crate) fn draws(&self) -> bool {
        matches!(self.binarise, Binarise::Fixed { .. } | Binarise::Dynamic { .. })
    }

    /// The grey value of an intensity, after scale and inversion.
    pub fn value(&self, intensity: u8) -> f64 {
        let value = f64::from(intensity) / self.divisor();
        if self.invert { 1.0 - value } else { value }
    }

    fn divisor(&self) -> f64 {
        match self.scale {
            Scale::K255 => 255.0,
            Scale::K256 => 256.0,
            Scale::AsIs => 1.0,
        }
    }

    /// For captions: "grey k/255", "grey 1 − k/255 (inverted)", "binarised at 128", ….
    pub fn describe(&self) -> String {
        let grey = match (self.scale, self.invert) {
            (Scale::K255, false) => "k/255",
            (Scale::K256, false) => "k/256",
            (Scale::K255, true) => "1 − k/255 (inverted)",
            (Scale::K256, true) => "1 − k/256 (inverted)",
            (Scale::AsIs, false) => "x as it is",
            (Scale::AsIs, true) => "1 − x (inverted)",
        };
        let inverted = if self.invert { " (inverted)" } else { "" };
        match self.binarise {
            Binarise::None if self.scale == Scale::AsIs => grey.to_owned(),
            Binarise::None => format!("grey {grey}"),
            Binarise::Threshold(at) => format!("binarised at {at}{inverted}"),
            Binarise::Fixed { .. } => format!("binarised, one fixed draw, p = {grey}"),
            Binarise::Dynamic { .. } => format!("binarised, new draw each epoch, p = {grey}"),
        }
    }

    /// Builds the tables, for `f32` or `f64`.
    pub fn prepare<F: Real>(&self) -> Preprocessor<F> {
        let value = |k: u8| match self.binarise {
            Binarise::Threshold(at) => f64::from(u8::from((k >= at) != self.invert)),
            _ => self.value(k),
        };
        let values: [F; 256] = std::array::from_fn(|k| F::of(value(k as u8)));
        let divisor = F::of(self.divisor());
        let quotient = |k: u8| -> F { F::of(f64::from(k)) / divisor };
        Preprocessor {
            config: *self,
            divisor: (0..=255).all(|k| values[usize::from(k)] == quotient(k)).then_some(divisor),
            values,
            thresholds: std::array::from_fn(|k| threshold(self.value(k as u8))),
        }
    }
}

/// 2³² p: a uniform number of 32 bits is below it with probability p.
fn threshold(p: f64) -> u64 {
    (p * 4_294_967_296.0).round() as u64
}

/// [`Preprocess`] with its tables, ready to fill minibatches without allocating.
#[derive(Clone)]
pub struct Preprocessor<F> {
    config: Preprocess,
    /// The value of each intensity.
    values: [F; 256],
    /// What to divide an intensity by for the very same values, which is faster than to look them up, if there is such a number.
    divisor: Option<F>,
    /// 2³² times the probability of a one, for each intensity.
    thresholds: [u64; 256],
}

impl<F> std::fmt::Debug for Preprocessor<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Preprocessor({})", self.config.describe())
    }
}

impl<F: Real> Preprocessor<F> {
    /// What it was made from.
    pub fn config(&self) -> Preprocess {
        self.config
    }

    /// Writes the preprocessed `rows` of `images` (`[N, D]`) to `out` (`rows.len() · D`, row-major).
    ///
    /// A Bernoulli draw depends on `(seed, epoch, row)` alone ([`Binarise::Fixed`]: on `(seed, row)`), not on the order
    /// or the company of the rows. Row r of two different arrays shares its uniform numbers; use another seed where
    /// that matters.
    ///
    /// # Errors
    /// [`Error::Shape`] if `out` has another length or a row does not exist; [`Error::Config`] if the preprocessing does
    /// not fit the values, or if a draw is asked for beyond epoch 2¹⁶ or row 2²⁰ or of a value outside \[0, 1\].
    pub fn gather(&self, images: &Values, rows: &[usize], epoch: u64, out: &mut [F]) -> Result<()> {
        self.config.validate(images.is_real())?;
        let (n, d) = images.dim();
        if out.len() != rows.len() * d {
            return Err(Error::Shape {
                what: "minibatch",
                expected: format!("{} rows × {d} = {}", rows.len(), rows.len() * d),
                found: out.len().to_string(),
            });
        }
        if let Some(row) = rows.iter().find(|&&row| row >= n) {
            return Err(Error::Shape { what: "row", expected: format!("below {n}"), found: row.to_string() });
        }
        let draw = match self.config.binarise {
            Binarise::None | Binarise::Threshold(_) => None,
            Binarise::Fixed { seed } => Some((seed, 0)),
            Binarise::Dynamic { seed } => Some((seed, epoch)),
        };
        if draw.is_some_and(|(_, epoch)| epoch >= EPOCHS) || draw.is_some() && n > 1 << ROW_BITS {
            return Err(Error::config(
                "binarise",
                format!("draws reach to epoch {EPOCHS} and row {}; use grey values or a threshold", 1 << ROW_BITS),
            ));
        }
        if d == 0 {
            return Ok(());
        }
        // Borrowed where rows are contiguous, as they are in every `Dataset`; slices are much faster than views.
        match images {
            Values::Bytes(images) => {
                let images = images.as_standard_layout();
                self.gather_bytes(images.as_slice().unwrap_or_default(), rows, draw, d, out);
                Ok(())
            }
            Values::Real(images) => {
                let images = images.as_standard_layout();
                self.gather_real(images.as_slice().unwrap_or_default(), rows, draw, d, out)
            }
        }
    }

    fn gather_bytes(&self, pixels: &[u8], rows: &[usize], draw: Option<(u64, u64)>, d: usize, out: &mut [F]) {
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(d)) {
            let image = &pixels[row * d..(row + 1) * d];
            match draw {
                None => match self.divisor {
                    Some(divisor) => vmath::map_bytes(out, image, |k| k / divisor),
                    None => out.iter_mut().zip(image).for_each(|(x, &k)| *x = self.values[usize::from(k)]),
                },
                Some((seed, epoch)) => {
                    let mut rng = rng(seed, Stream::Binarisation, (epoch << ROW_BITS) + row as u64);
                    for (x, &k) in out.iter_mut().zip(image) {
                        let one = u64::from(rng.next_u32()) < self.thresholds[usize::from(k)];
                        *x = if one { F::one() } else { F::zero() };
                    }
                }
            }
        }
    }

    fn gather_real(
        &self,
        pixels: &[f32],
        rows: &[usize],
        draw: Option<(u64, u64)>,
        d: usize,
        out: &mut [F],
    ) -> Result<()> {
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(d)) {
            let image = &pixels[row * d..(row + 1) * d];
            for (x, &value) in out.iter_mut().zip(image) {
                let value = F::of(f64::from(value));
                *x = if self.config.invert { F::one() - value } else { value };
            }
            let Some((seed, epoch)) = draw else { continue };
            let mut rng = rng(seed, Stream::Binarisation, (epoch << ROW_BITS) + row as u64);
            for (column, (x, &value)) in out.iter_mut().zip(image).enumerate() {
                if !(0.0..=1.0).contains(&value) {
                    return Err(outside_unit("preprocess.binarise", "draws", (row, column, value)));
                }
                // In double precision, so that the draw does not depend on F.
                let p = if self.config.invert { 1.0 - f64::from(value) } else { f64::from(value) };
                *x = if u64::from(rng.next_u32()) < threshold(p) { F::one() } else { F::zero() };
            }
        }
        Ok(())
    }
}

/// A configuration that needs values in \[0, 1\] met another: `(row, column, value)`.
pub(crate) fn outside_unit(field: &str, what: &str, (row, column, value): (usize, usize, f32)) -> Error {
    Error::config(
        field,
        format!(
            "{what} needs values in [0, 1], but there is {value} in row {row}, column {column}; scale the array before \
             `Dataset::own`, or choose LikelihoodConfig::gaussian(PixelMean::Linear) and Binarise::None"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    fn all_intensities() -> Values {
        Array2::from_shape_fn((2, 256), |(row, k)| if row == 0 { k as u8 } else { 255 - k as u8 }).into()
    }

    fn gathered<F: Real>(config: Preprocess, rows: &[usize], epoch: u64) -> Vec<F> {
        let images = all_intensities();
        let mut out = vec![F::nan(); rows.len() * 256];
        config.prepare::<F>().gather(&images, rows, epoch, &mut out).unwrap();
        out
    }

    #[test]
    fn grey_values_are_the_correctly_rounded_quotients() {
        let x: Vec<f32> = gathered(Preprocess::default(), &[1, 0], 9);
        for k in 0..256 {
            assert_eq!(x[256 + k], (k as f64 / 255.0) as f32);
            assert_eq!(x[255 - k], x[256 + k]);
        }
        for scale in [Scale::K255, Scale::K256] {
            // by division, not by the table
            assert!(Preprocess { scale, ..Default::default() }.prepare::<f32>().divisor.is_some());
        }
        let inverted = Preprocess { scale: Scale::K256, invert: true, ..Default::default() };
        let x: Vec<f64> = gathered(inverted, &[0], 0);
        assert!((0..256).all(|k| x[k] == 1.0 - k as f64 / 256.0));
    }

    #[test]
    fn threshold_and_inversion() {
        let config = Preprocess { binarise: Binarise::Threshold(128), ..Default::default() };
        let x: Vec<f32> = gathered(config, &[0], 0);
        assert!((0..256).all(|k| x[k] == if k >= 128 { 1.0 } else { 0.0 }));
        let y: Vec<f32> = gathered(Preprocess { invert: true, ..config }, &[0], 0);
        assert!(x.iter().zip(&y).all(|(x, y)| x + y == 1.0));
    }

    #[test]
    fn draws_have_the_grey_value_as_their_mean_and_follow_the_epoch() {
        let (epochs, seed) = (4000, 5);
        let dynamic = Preprocess { binarise: Binarise::Dynamic { seed }, ..Default::default() };
        let mut sum = vec![0.0; 256];
        for epoch in 0..epochs {
            let x: Vec<f64> = gathered(dynamic, &[0], epoch);
            sum.iter_mut().zip(&x).for_each(|(sum, x)| *sum += x);
        }
        for (k, sum) in sum.iter().enumerate() {
            let p = k as f64 / 255.0;
            let sd = (p * (1.0 - p) / epochs as f64).sqrt();
            assert!((sum / epochs as f64 - p).abs() <= 5.0 * sd, "intensity {k}: {}", sum / epochs as f64);
        }
        let fixed = Preprocess { binarise: Binarise::Fixed { seed }, ..Default::default() };
        let draw = |config, epoch| gathered::<f32>(config, &[0, 1], epoch);
        assert_eq!(draw(fixed, 0), draw(fixed, 7));
        assert_eq!(draw(fixed, 0), draw(dynamic, 0));
        assert_ne!(draw(dynamic, 0), draw(dynamic, 1));
        let (single, double) = (gathered::<f32>(dynamic, &[1], 3), gathered::<f64>(dynamic, &[1], 3));
        assert!(single.iter().zip(&double).all(|(&a, &b)| f64::from(a) == b));
    }

    #[test]
    fn misuse_is_an_error() {
        let images = all_intensities();
        let grey = Preprocess::default().prepare::<f32>();
        assert!(matches!(grey.gather(&images, &[0], 0, &mut [0.0; 255]), Err(Error::Shape { .. })));
        assert!(matches!(grey.gather(&images, &[2], 0, &mut [0.0; 256]), Err(Error::Shape { .. })));
        assert!(grey.gather(&images, &[0], u64::MAX, &mut [0.0; 256]).is_ok());
        assert!(grey.gather(&Values::Bytes(Array2::zeros((3, 0))), &[2], 0, &mut []).is_ok());
        let dynamic = Preprocess { binarise: Binarise::Dynamic { seed: 1 }, ..Default::default() }.prepare::<f32>();
        assert!(matches!(dynamic.gather(&images, &[0], EPOCHS, &mut [0.0; 256]), Err(Error::Config { .. })));
    }

    #[test]
    fn the_memory_layout_does_not_matter() {
        let columns_first = ndarray::array![[0u8, 255], [51, 0], [0, 102]].reversed_axes().into();
        let mut out = [0.0f64; 3];
        Preprocess::default().prepare().gather(&columns_first, &[1], 0, &mut out).unwrap();
        assert_eq!(out, [1.0, 0.0, 0.4]);
    }

    #[test]
    fn captions() {
        let describe = |scale, invert, binarise| Preprocess { scale, invert, binarise }.describe();
        assert_eq!(describe(Scale::K255, false, Binarise::None), "grey k/255");
        assert_eq!(describe(Scale::K255, true, Binarise::None), "grey 1 − k/255 (inverted)");
        assert_eq!(describe(Scale::K255, false, Binarise::Threshold(128)), "binarised at 128");
        assert!(
            describe(Scale::K255, false, Binarise::Dynamic { seed: 1 }).starts_with("binarised, new draw each epoch")
        );
    }

    proptest! {
        #[test]
        fn a_draw_does_not_depend_on_the_batch(seed: u64, epoch in 0..EPOCHS, rows in prop::collection::vec(0usize..2, 1..6)) {
            let config = Preprocess { binarise: Binarise::Dynamic { seed }, ..Default::default() };
            let together: Vec<f32> = gathered(config, &rows, epoch);
            for (i, &row) in rows.iter().enumerate() {
                let alone: Vec<f32> = gathered(config, &[row], epoch);
                prop_assert_eq!(&together[i * 256..(i + 1) * 256], alone.as_slice());
            }
        }
    }
}
