//! Whether two latent spaces are one but for a symmetry of the prior: N(0, I) is the same after every rotation, a prior of independent bimodal
//! coordinates only after a permutation of them (and a reflection at their middle).

use nalgebra::DMatrix;
use ndarray::{Array2, Axis};
use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;

use crate::{Error, Result};

/// The share of the variance of the second codes that the first explain, R², after the best rotation (with reflections) and after the best signed
/// permutation of the first's coordinates, both with one scale for all; each in \[0, 1\], the first at least as large as the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// After the best rotation: orthogonal Procrustes (Schönemann 1966).
    pub rotation: f64,
    /// After the best signed permutation: an assignment (Kuhn 1955).
    pub permutation: f64,
}

/// Weights of the assignment are whole numbers: this many for a correlation of 1.
const UNITS: f64 = 1e12;

/// How far codes of the same datapoints `[M, N_z]` in two models agree, each about its mean.
///
/// # Errors
/// [`Error::Shape`] if the shapes differ or there are fewer than two rows; [`Error::Data`] for codes that do not vary or are not finite.
pub fn align(first: &Array2<f32>, second: &Array2<f32>) -> Result<Alignment> {
    if first.dim() != second.dim() || first.nrows() < 2 {
        let (expected, found) = (format!("{:?}, two rows or more", first.shape()), format!("{:?}", second.shape()));
        return Err(Error::Shape { what: "the second codes [M, N_z]", expected, found });
    }
    let centred = |codes: &Array2<f32>| {
        let codes = codes.mapv(f64::from);
        codes.mean_axis(Axis(0)).map_or_else(|| codes.clone(), |mean| &codes - &mean)
    };
    let (a, b) = (centred(first), centred(second));
    let squares = |x: &Array2<f64>| x.iter().map(|v| v * v).sum::<f64>();
    let norm = (squares(&a) * squares(&b)).sqrt();
    if !(norm.is_finite() && norm > 0.0) {
        return Err(Error::data("codes", "do not vary, or are not finite"));
    }
    let products = a.t().dot(&b) / norm;
    let n = products.nrows();
    let singular = DMatrix::from_fn(n, n, |i, j| products[[i, j]]).singular_values().sum();
    let weights = Matrix::from_fn(n, n, |(i, j)| (products[[i, j]].abs() * UNITS) as i64);
    let (_, assigned) = kuhn_munkres(&weights);
    let permuted: f64 = assigned.iter().enumerate().map(|(i, &j)| products[[i, j]].abs()).sum();
    Ok(Alignment { rotation: singular * singular, permutation: permuted * permuted })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::numeric::real::fill_normals;
    use crate::rng::{Stream, rng};

    #[test]
    fn rotations_and_permutations_are_found() {
        let mut codes = Array2::<f32>::zeros((4000, 3));
        fill_normals(codes.as_slice_mut().unwrap(), &mut rng(1, Stream::User, 0));
        let permuted =
            Array2::from_shape_fn(codes.dim(), |(i, j)| 3.0 + [-1.0, 1.0, -1.0][j] * codes[[i, (j + 1) % 3]]);
        let same = align(&codes, &permuted).unwrap();
        assert!((same.rotation - 1.0).abs() < 1e-6 && (same.permutation - 1.0).abs() < 1e-6, "{same:?}");
        // by 45° in the first plane, a coordinate correlates with each of two by √½
        let (s, c) = (0.5f32.sqrt(), 0.5f32.sqrt());
        let turned = Array2::from_shape_fn(codes.dim(), |(i, j)| match j {
            0 => c * codes[[i, 0]] - s * codes[[i, 1]],
            1 => s * codes[[i, 0]] + c * codes[[i, 1]],
            _ => codes[[i, 2]],
        });
        let found = align(&codes, &turned).unwrap();
        let expected = ((1.0 + 2.0 * 0.5f64.sqrt()) / 3.0).powi(2);
        assert!((found.rotation - 1.0).abs() < 1e-6 && (found.permutation - expected).abs() < 0.02, "{found:?}");
        let mut others = Array2::<f32>::zeros((4000, 3));
        fill_normals(others.as_slice_mut().unwrap(), &mut rng(2, Stream::User, 0));
        assert!(align(&codes, &others).unwrap().rotation < 0.01);
        assert!(align(&codes, &others.slice(ndarray::s![..9, ..]).to_owned()).is_err());
        assert!(align(&codes, &Array2::zeros((4000, 3))).is_err());
    }
}
