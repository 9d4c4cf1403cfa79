//! Principal components (Pearson 1901, Hotelling 1933): the linear autoencoder of least squared error, in closed form.
//!
//! With the mean x̄ and the eigenvectors V `[D, N_z]` of the covariance to its largest eigenvalues, z = Vᵀ(x − x̄) and x̂ = x̄ + V z. As a
//! [`Vae`]: no hidden layers, a point posterior, Gaussian pixels of fixed variance; it encodes, decodes and reconstructs as any other.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array2, s};

use super::vae::{ModelConfig, Vae};
use crate::likelihoods::{Gaussian, PixelMean, Variance};
use crate::numeric::column_means;
use crate::posteriors::Point;
use crate::{Error, Result};

/// Rows of x whose products are summed in `f64` at once.
const BLOCK: usize = 2000;

/// The first `n_z` principal components of x `[N, D]`, by falling variance; each component's largest weight is positive.
///
/// # Errors
/// [`Error::Shape`] for fewer than two rows; [`Error::Config`] for more components than pixels; [`Error::Data`] for values that are not
/// finite.
pub fn pca(x: &Array2<f32>, n_z: usize) -> Result<Vae<f32>> {
    let (n, d) = x.dim();
    if n < 2 {
        return Err(Error::Shape { what: "x [N, D]", expected: "two rows or more".into(), found: n.to_string() });
    }
    if n_z == 0 || n_z > d {
        return Err(Error::config("n_z", format!("is {n_z}; {d} pixels have 1 to {d} principal components")));
    }
    let mean = column_means(x);
    let mut covariance = Array2::<f64>::zeros((d, d));
    for first in (0..n).step_by(BLOCK) {
        let block = x.slice(s![first..(first + BLOCK).min(n), ..]).mapv(f64::from) - &mean;
        covariance += &block.t().dot(&block);
    }
    covariance /= (n - 1) as f64;
    if covariance.iter().any(|v| !v.is_finite()) {
        return Err(Error::data("x [N, D]", "has values that are not finite"));
    }
    let eigen = SymmetricEigen::new(DMatrix::from_row_slice(d, d, covariance.as_slice().unwrap_or_default()));
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let components = Array2::from_shape_fn((d, n_z), |(i, k)| {
        let column = eigen.eigenvectors.column(order[k]);
        column[i] * column[column.icamax()].signum()
    });

    let config = ModelConfig {
        latent: n_z,
        encoder: Vec::new(),
        decoder: Vec::new(),
        likelihood: Gaussian { mean: PixelMean::Linear, variance: Variance::Fixed { sd: 1.0 } }.into(),
        posterior: Point::default().into(),
        ..ModelConfig::default()
    };
    let mut model = Vae::new(&config, d, 0)?;
    let centre = mean.dot(&components);
    let values: [(&str, Vec<f64>); 4] = [
        ("posterior.weight", components.iter().copied().collect()),
        ("posterior.bias", (-centre).to_vec()),
        ("likelihood.weight", components.t().iter().copied().collect()),
        ("likelihood.bias", mean.to_vec()),
    ];
    for (name, values) in values {
        let place = model.layout().get(name).map(crate::nn::Tensor::range);
        let Some(to) = place.and_then(|range| model.params_mut().get_mut(range)) else { continue };
        to.iter_mut().zip(values).for_each(|(to, value)| *to = value as f32);
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::Axis;

    /// x on a plane in five dimensions, with unequal spreads and little noise.
    fn plane() -> Array2<f32> {
        Array2::from_shape_fn((400, 5), |(i, j)| {
            let (a, b) = ((i as f32 * 0.7).sin() * 3.0, (i as f32 * 1.3).cos());
            let noise = 0.01 * ((i * 5 + j) as f32 * 2.1).sin();
            [a + 1.0, 2.0 * a - b, b - 4.0, a + b, 0.5][j] + noise
        })
    }

    #[test]
    fn what_is_left_is_the_variance_of_the_components_left_out() {
        let x = plane();
        let error = |n_z: usize| {
            let model = pca(&x, n_z).unwrap();
            let rebuilt = model.decode(&model.encode(&x).unwrap().0).unwrap();
            f64::from((&x - &rebuilt).mapv(|v| v * v).sum()) / x.nrows() as f64
        };
        let all: Vec<f64> = (1..=5).map(error).collect();
        let mean = x.mean_axis(Axis(0)).unwrap();
        let total = f64::from((&x - &mean).mapv(|v| v * v).sum()) / x.nrows() as f64;
        assert!(all[0] < 0.5 * total && all[1] < 1e-3 && all[4] < 1e-8, "{all:?} of {total}");
        assert!(all.is_sorted_by(|a, b| a >= b));
        // codes have mean 0, are uncorrelated and fall in variance
        let (z, _) = pca(&x, 2).unwrap().encode(&x).unwrap();
        let z = z.mapv(f64::from);
        assert!(z.mean_axis(Axis(0)).unwrap().iter().all(|m| m.abs() < 1e-5));
        let products = z.t().dot(&z) / 399.0;
        assert!(products[[0, 1]].abs() < 1e-4 * products[[0, 0]] && products[[0, 0]] > products[[1, 1]]);
    }

    #[test]
    fn bad_input_is_an_error() {
        let mut x = plane();
        assert!(pca(&x, 0).is_err() && pca(&x, 6).is_err() && pca(&x.slice(s![..1, ..]).to_owned(), 1).is_err());
        x[[3, 3]] = f32::NAN;
        assert!(pca(&x, 2).unwrap_err().to_string().contains("not finite"));
    }
}
