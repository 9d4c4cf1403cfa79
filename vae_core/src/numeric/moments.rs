//! Means and variances in `f64`, without a copy of what they are of.

use ndarray::{Array1, Array2, Axis};

/// Mean of each column of x `[N, D]`; NaN for no rows.
pub fn column_means(x: &Array2<f32>) -> Array1<f64> {
    x.fold_axis(Axis(0), 0.0, |sum, &v| sum + f64::from(v)) / x.nrows() as f64
}

/// Mean and variance of each component of vectors that come one by one, Welford (1962).
#[derive(Clone, Debug)]
pub struct RunningMoments {
    count: u64,
    mean: Vec<f64>,
    /// Sums of squared deviations from the mean.
    squares: Vec<f64>,
}

impl RunningMoments {
    /// Of no vectors yet, with so many components.
    pub fn new(components: usize) -> Self {
        Self { count: 0, mean: vec![0.0; components], squares: vec![0.0; components] }
    }

    /// Takes one more vector into account.
    pub fn push(&mut self, vector: impl IntoIterator<Item = f64>) {
        self.count += 1;
        let count = self.count as f64;
        for ((mean, squares), value) in self.mean.iter_mut().zip(&mut self.squares).zip(vector) {
            let off = value - *mean;
            *mean += off / count;
            *squares += off * (value - *mean);
        }
    }

    /// The mean of each component; 0 for no vectors.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance of each component, with n − 1; NaN for fewer than two vectors.
    pub fn variance(&self) -> Vec<f64> {
        let degrees = self.count as f64 - 1.0;
        self.squares.iter().map(|s| if degrees > 0.0 { s / degrees } else { f64::NAN }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_definitions() {
        let mut moments = RunningMoments::new(2);
        assert!(moments.variance()[0].is_nan());
        for i in 1..=5 {
            moments.push([f64::from(i), 1e9 + f64::from(i % 2)]);
        }
        assert!((moments.mean()[0] - 3.0).abs() < 1e-12 && (moments.mean()[1] - 1e9 - 0.6).abs() < 1e-6);
        let variance = moments.variance();
        assert!((variance[0] - 2.5).abs() < 1e-12 && (variance[1] - 0.3).abs() < 1e-6, "{variance:?}");
        let x = ndarray::array![[1.0f32, -2.0], [2.0, 4.0]];
        assert_eq!(column_means(&x), ndarray::array![1.5, 1.0]);
    }
}
