//! What a decoder reaches that ignores z.

use ndarray::Array1;

use crate::Result;
use crate::data::dataset::{Dataset, Images};
use crate::data::preprocess::Preprocess;
use crate::numeric::column_means;

/// The bound of constant Bernoulli pixels at their training means, D_KL = 0: where training is stuck if z carries nothing. On the training
/// and the validation images, nats per datapoint.
///
/// # Errors
/// If the preprocessing does not fit the data.
pub fn constant_pixels_bound(data: &Dataset, preprocess: &Preprocess) -> Result<(f64, f64)> {
    let means =
        |images: &Images| -> Result<Array1<f64>> { Ok(column_means(&images.prepared(preprocess, images.len())?)) };
    let (train, valid) = (means(&data.train)?, means(&data.valid)?);
    // a pixel that is never lit in training may be so in validation: half an image's worth of doubt
    let doubt = 0.5 / data.train.len().max(1) as f64;
    let bound = |x: &Array1<f64>| {
        let of = |(x, p): (&f64, &f64)| {
            let p = p.clamp(doubt, 1.0 - doubt);
            x * p.ln() + (1.0 - x) * (-p).ln_1p()
        };
        x.iter().zip(&train).map(of).sum()
    };
    Ok((bound(&train), bound(&valid)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ndarray::Axis;

    use crate::config::RunConfig;
    use crate::data::dataset::{DatasetConfig, DatasetKind};

    /// No other constant does better on the training images, and ½ everywhere is −D ln 2.
    #[test]
    fn it_is_the_best_constant() {
        let data = DatasetConfig::new(DatasetKind::SyntheticDigits).load().unwrap();
        let preprocess = RunConfig::report(data.config).preprocess;
        let (train, valid) = constant_pixels_bound(&data, &preprocess).unwrap();
        let half = -784.0 * 2f64.ln();
        assert!(half < train && train < 0.0 && (train - valid).abs() < 0.05 * train.abs(), "{train} {valid}");
        let x = data.train.prepared(&preprocess, data.train.len()).unwrap();
        let p = x.mapv(f64::from).mean_axis(Axis(0)).unwrap();
        let at = |shift: f64| -> f64 {
            p.iter()
                .map(|&p| (p, (p + shift).clamp(1e-4, 1.0 - 1e-4)))
                .map(|(x, p)| x * p.ln() + (1.0 - x) * (1.0 - p).ln())
                .sum()
        };
        assert!(at(0.02) < train && at(-0.02) < train && (at(0.0) - train).abs() < 0.5);
    }
}
