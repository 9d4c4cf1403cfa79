//! Codes as bits: how near they are to binary, what is left when they are truncated, and neighbours in Hamming distance.

use ndarray::{Array2, ArrayView1};

use crate::{Error, Result};

/// 1 where a code is above the threshold, else 0 `[M, N_z]`.
pub fn truncate(codes: &Array2<f32>, threshold: f32) -> Array2<f32> {
    codes.mapv(|z| f32::from(u8::from(z > threshold)))
}

/// The share of values of z within `width` of 0 or of 1.
pub fn share_near_bits(z: &Array2<f32>, width: f32) -> f64 {
    let near = z.iter().filter(|z| z.abs() <= width || (**z - 1.0).abs() <= width).count();
    near as f64 / z.len().max(1) as f64
}

/// How many different rows there are.
pub fn distinct(bits: &Array2<f32>) -> usize {
    bits.outer_iter().map(packed).collect::<std::collections::HashSet<_>>().len()
}

/// The entropy of the single bits, summed, in bits: at most N_z, and what a coder of independent bits would need for an image.
pub fn entropy(bits: &Array2<f32>) -> f64 {
    let of = |p: f64| if p > 0.0 && p < 1.0 { -p * p.log2() - (1.0 - p) * (1.0 - p).log2() } else { 0.0 };
    bits.columns().into_iter().map(|column| of(f64::from(column.sum()) / column.len().max(1) as f64)).sum()
}

/// The share of rows of `queries` `[Q, N_z]` whose nearest row of `known` `[K, N_z]` in Hamming distance (the first of equals) has their class.
///
/// # Errors
/// [`Error::Shape`] if widths or numbers of labels differ, or there is nothing to look up.
pub fn hamming_accuracy(known: (&Array2<f32>, &[u8]), queries: (&Array2<f32>, &[u8])) -> Result<f64> {
    let fits = known.0.ncols() == queries.0.ncols()
        && known.0.nrows() == known.1.len()
        && queries.0.nrows() == queries.1.len();
    if !fits || known.1.is_empty() || queries.1.is_empty() {
        let found = format!(
            "{:?} with {} and {:?} with {} labels",
            known.0.shape(),
            known.1.len(),
            queries.0.shape(),
            queries.1.len()
        );
        return Err(Error::Shape { what: "bits", expected: "[K, N_z] and [Q, N_z], a label a row".into(), found });
    }
    let words: Vec<Vec<u64>> = known.0.outer_iter().map(packed).collect();
    let mut right = 0;
    for (row, &class) in queries.0.outer_iter().zip(queries.1) {
        let query = packed(row);
        let distance = |words: &Vec<u64>| words.iter().zip(&query).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        let nearest = words.iter().enumerate().min_by_key(|(_, words)| distance(words));
        right += usize::from(nearest.is_some_and(|(k, _)| known.1[k] == class));
    }
    Ok(right as f64 / queries.1.len() as f64)
}

/// A row of bits in words of 64.
fn packed(row: ArrayView1<'_, f32>) -> Vec<u64> {
    let values: Vec<f32> = row.to_vec();
    let word = |bits: &[f32]| bits.iter().enumerate().fold(0, |word, (k, bit)| word | u64::from(*bit > 0.5) << k);
    values.chunks(64).map(word).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::array;

    #[test]
    fn bits_are_counted() {
        let bits = truncate(&array![[0.1, 0.9], [0.6, 0.4], [0.2, 0.8]], 0.5);
        assert_eq!(bits, array![[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(distinct(&bits), 2);
        let third: f64 = 1.0 / 3.0;
        let expected = 2.0 * -(third * third.log2() + 2.0 * third * (2.0 * third).log2());
        assert!((entropy(&bits) - expected).abs() < 1e-6);
        assert!((share_near_bits(&array![[0.05, 0.5], [1.02, -0.2]], 0.1) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_nearest_in_hamming_distance_has_the_class() {
        let wide = |ones: &[usize]| Array2::from_shape_fn((1, 100), |(_, j)| f32::from(u8::from(ones.contains(&j))));
        let known = ndarray::concatenate![ndarray::Axis(0), wide(&[0, 1, 70]), wide(&[50, 99])];
        let queries = ndarray::concatenate![ndarray::Axis(0), wide(&[0, 70]), wide(&[99]), wide(&[1, 70])];
        assert_eq!(hamming_accuracy((&known, &[3, 7]), (&queries, &[3, 7, 7])).unwrap(), 2.0 / 3.0);
        assert!(hamming_accuracy((&known, &[3]), (&queries, &[3, 7, 7])).is_err());
    }
}
