//! The first layer's weights as images, and how coarse they are.

use ndarray::{Array1, Array2};

use crate::models::Vae;
use crate::{Error, Result};

impl Vae<f32> {
    /// What the first layer's units look for `[H, D]`: a row a unit, its weights from the pixels.
    pub fn filters(&self) -> Array2<f32> {
        let Some(first) = self.encoder().layers().first() else { return Array2::zeros((0, self.data_width())) };
        let weights = &self.params()[first.weight()];
        Array2::from_shape_fn((first.outputs, first.inputs), |(unit, pixel)| weights[pixel * first.outputs + unit])
    }
}

/// The mean spatial frequency of each image `[n, height · width]`, cycles a pixel, weighed by its power without the constant part: small for coarse
/// images, 0.38 for white noise on a large square. Images without any variation are NaN.
///
/// # Errors
/// [`Error::Shape`] if rows are not images of that shape.
pub fn spectral_centroid(images: &Array2<f32>, (height, width): (usize, usize)) -> Result<Array1<f64>> {
    if height * width == 0 || images.ncols() != height * width {
        let (expected, found) = (format!("rows of {height} × {width}"), format!("{:?}", images.shape()));
        return Err(Error::Shape { what: "images", expected, found });
    }
    let wave = |n: usize| {
        Array2::from_shape_fn((n, n), |(k, x)| {
            let phase = std::f64::consts::TAU * (k * x % n) as f64 / n as f64;
            (phase.cos(), -phase.sin())
        })
    };
    let (down, across) = (wave(height), wave(width));
    let frequency = |k: usize, n: usize| k.min(n - k) as f64 / n as f64;
    let of = |image: &[f64]| {
        // by columns, then by rows
        let rows: Vec<(f64, f64)> = (0..height * width)
            .map(|at| {
                let (k, x) = (at / width, at % width);
                (0..height).fold((0.0, 0.0), |sum, y| {
                    let (value, wave) = (image[y * width + x], down[[k, y]]);
                    (sum.0 + value * wave.0, sum.1 + value * wave.1)
                })
            })
            .collect();
        let (mut power, mut moment) = (0.0, 0.0);
        for at in 1..height * width {
            let (k, j) = (at / width, at % width);
            let (re, im) = (0..width).fold((0.0, 0.0), |sum, x| {
                let ((a, b), (c, s)) = (rows[k * width + x], across[[j, x]]);
                (sum.0 + a * c - b * s, sum.1 + a * s + b * c)
            });
            let here = re * re + im * im;
            power += here;
            moment += here * frequency(k, height).hypot(frequency(j, width));
        }
        moment / power
    };
    Ok(images.outer_iter().map(|image| of(&image.iter().map(|&v| f64::from(v)).collect::<Vec<_>>())).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::models::ModelConfig;
    use crate::numeric::real::fill_normals;
    use crate::rng::{Stream, rng};

    #[test]
    fn a_wave_has_its_frequency_and_noise_is_fine() {
        let wave = |cycles: f64| {
            Array2::from_shape_fn((1, 16 * 12), |(_, at)| {
                (std::f64::consts::TAU * cycles * (at % 12) as f64 / 12.0).cos() as f32
            })
        };
        for cycles in [1.0, 3.0] {
            let found = spectral_centroid(&(wave(cycles) + 5.0), (16, 12)).unwrap()[0];
            assert!((found - cycles / 12.0).abs() < 1e-4, "{found}");
        }
        let mut noise = Array2::<f32>::zeros((20, 28 * 28));
        fill_normals(noise.as_slice_mut().unwrap(), &mut rng(1, Stream::User, 0));
        let of_noise = spectral_centroid(&noise, (28, 28)).unwrap().mean().unwrap();
        assert!((of_noise - 0.38).abs() < 0.01, "{of_noise}");
        assert!(spectral_centroid(&noise, (28, 27)).is_err());
    }

    #[test]
    fn a_filter_is_a_column_of_the_first_layer() {
        let config = ModelConfig { encoder: vec![3], decoder: vec![2], latent: 2, ..ModelConfig::default() };
        let mut model = Vae::<f32>::new(&config, 4, 0).unwrap();
        model.params_mut()[..12].iter_mut().enumerate().for_each(|(k, w)| *w = k as f32);
        assert_eq!(model.filters().row(1).to_vec(), [1.0, 4.0, 7.0, 10.0]);
    }
}
