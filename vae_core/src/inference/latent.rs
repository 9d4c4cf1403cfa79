//! Reading a latent space: what lies at its origin, and how a quantity varies across it.

use ndarray::{Array1, Array2};

use crate::numeric::real::fill_normals;
use crate::rng::{Stream, rng};
use crate::{Error, Result};

/// The commonest class among the `k` codes nearest the origin, and its share in \[0, 1\]; codes `[M, N_z]`, `[M]` labels.
///
/// # Errors
/// [`Error::Shape`] if there are no codes or not one label for each.
pub fn class_at_origin(codes: &Array2<f32>, labels: &[u8], k: usize) -> Result<(u8, f64)> {
    if codes.nrows() == 0 || labels.len() != codes.nrows() || k == 0 {
        let found = format!("{} codes, {} labels, k = {k}", codes.nrows(), labels.len());
        return Err(Error::Shape { what: "codes and labels", expected: "one label a code, k ≥ 1".into(), found });
    }
    let mut order: Vec<(f32, u8)> = codes.outer_iter().zip(labels).map(|(z, &label)| (z.dot(&z), label)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    order.truncate(k);
    let mut counts = [0usize; 256];
    order.iter().for_each(|&(_, label)| counts[usize::from(label)] += 1);
    let class = (0..=255u8).rev().max_by_key(|&c| counts[usize::from(c)]).unwrap_or(0);
    Ok((class, counts[usize::from(class)] as f64 / order.len() as f64))
}

/// Mean of the right half of each image minus that of its left half `[M]`; images `[M, height · width]`.
///
/// # Errors
/// [`Error::Shape`] if the rows are not whole images at least two pixels wide.
pub fn left_right_asymmetry(images: &Array2<f32>, width: usize) -> Result<Array1<f64>> {
    if width < 2 || !images.ncols().is_multiple_of(width) {
        let found = format!("{} columns, width {width}", images.ncols());
        return Err(Error::Shape { what: "images", expected: "rows of whole images, width ≥ 2".into(), found });
    }
    let half = width / 2;
    let share = (half * (images.ncols() / width)).max(1) as f64;
    Ok(images
        .outer_iter()
        .map(|image| {
            let signed = image.iter().enumerate().map(|(k, v)| match k % width {
                x if x < half => -f64::from(*v),
                x if x >= width - half => f64::from(*v),
                _ => 0.0, // the middle column of an odd width
            });
            signed.sum::<f64>() / share
        })
        .collect())
}

/// The share of the variance of `values` `[M]` that the best direction of the plane explains (R²), and that direction in
/// degrees from the z₁ axis; codes `[M, 2]` with uncorrelated coordinates of mean zero, as a centred grid has.
///
/// # Errors
/// [`Error::Shape`] if the codes are not `[M, 2]`.
pub fn direction_in_plane(codes: &Array2<f32>, values: &Array1<f64>) -> Result<(f64, f64)> {
    if codes.ncols() != 2 || codes.nrows() != values.len() || values.is_empty() {
        let found = format!("{:?} and {} values", codes.shape(), values.len());
        return Err(Error::Shape { what: "codes", expected: "[M, 2] and M values".into(), found });
    }
    let mean = values.mean().unwrap_or(0.0);
    let slope = |j: usize| {
        let zz: f64 = codes.column(j).iter().map(|z| f64::from(*z).powi(2)).sum();
        codes.column(j).iter().zip(values).map(|(z, v)| f64::from(*z) * (v - mean)).sum::<f64>() / zz
    };
    let (b1, b2) = (slope(0), slope(1));
    let total: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let fitted: f64 = codes.outer_iter().map(|z| (b1 * f64::from(z[0]) + b2 * f64::from(z[1])).powi(2)).sum();
    Ok((fitted / total, b2.atan2(b1).to_degrees()))
}

/// What [`direction_in_plane`] explains of a quantity that means nothing: of images `[n, D]`, decoded at codes `[n, 2]`, weighted pixel by pixel
/// with N(0, 1). The shares of so many draws, ascending: a share is large only if it is above most of these.
///
/// # Errors
/// As [`direction_in_plane`].
pub fn chance_in_plane(codes: &Array2<f32>, images: &Array2<f32>, draws: u64, seed: u64) -> Result<Vec<f64>> {
    let mut shares = Vec::with_capacity(draws as usize);
    for draw in 0..draws {
        let mut weights = vec![0.0f32; images.ncols()];
        fill_normals(&mut weights, &mut rng(seed, Stream::User, draw));
        let values = images.dot(&Array1::from(weights)).mapv(f64::from);
        shares.push(direction_in_plane(codes, &values)?.0);
    }
    shares.sort_by(f64::total_cmp);
    Ok(shares)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::array;

    #[test]
    fn the_class_at_the_origin() {
        let codes = array![[0.1, 0.0], [0.0, 0.2], [0.0, -0.1], [5.0, 5.0]];
        assert_eq!(class_at_origin(&codes, &[3, 8, 3, 1], 3).unwrap(), (3, 2.0 / 3.0));
        assert!(class_at_origin(&codes, &[3], 3).is_err());
    }

    #[test]
    fn asymmetry_is_signed_and_ignores_the_middle() {
        let images = array![[0.0, 9.0, 1.0, 0.0, 9.0, 1.0], [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]];
        assert_eq!(left_right_asymmetry(&images, 3).unwrap(), array![1.0, -1.0]);
        assert!(left_right_asymmetry(&images, 4).is_err());
    }

    #[test]
    fn a_linear_quantity_is_wholly_explained() {
        let codes = crate::figures::manifold_latents(9).unwrap();
        let values = codes.outer_iter().map(|z| 4.0 + 2.0 * f64::from(z[1])).collect();
        let (r2, angle) = direction_in_plane(&codes, &values).unwrap();
        assert!((r2 - 1.0).abs() < 1e-6 && (angle - 90.0).abs() < 1e-3);
    }

    /// Pixels that are linear in the codes leave nothing to chance; pixels that are odd about neither axis leave all to it.
    #[test]
    fn chance_depends_on_the_pixels() {
        let codes = crate::figures::manifold_latents(9).unwrap();
        let linear = Array2::from_shape_fn((81, 6), |(i, j)| codes[[i, j % 2]] * (j + 1) as f32);
        let even = Array2::from_shape_fn((81, 6), |(i, j)| codes[[i, j % 2]].powi(2) * (j + 1) as f32);
        let of = |images: &Array2<f32>| chance_in_plane(&codes, images, 20, 0).unwrap();
        assert!(of(&linear)[0] > 0.999 && of(&even)[19] < 0.01 && of(&linear).is_sorted());
    }
}
