//! What the model believes of z before it sees x: p(z), one prior a file.

mod anneal;
mod beta;
mod gaussian_pair;
mod laplace;
mod prior;
mod standard_normal;

pub use prior::{Prior, Support};

use serde::{Deserialize, Serialize};

use crate::choices::choices;
use crate::numeric::real::sigmoid;
use crate::{Error, Result};

choices! {
    /// Choice of p(z).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    PriorConfig: Prior<F> {
        #[default] standard_normal::StandardNormal,
        laplace::Laplace(Laplace),
        gaussian_pair::GaussianPair(GaussianPair),
        beta::Beta(Beta),
    }
}

impl PriorConfig {
    /// The coordinates of a manifold grid with `n` images a side: the quantiles of (i + ½)/n, which stand for equal shares of the
    /// prior.
    ///
    /// # Errors
    /// [`Error::Config`] if `n` is 0 or above 1000, or if the prior has no quantiles.
    pub fn grid(&self, n: usize) -> Result<Vec<f64>> {
        if !(1..=1000).contains(&n) {
            return Err(Error::config("n", format!("is {n}; a manifold has 1 to 1000 images a side")));
        }
        let quantile = |i: usize| {
            let y = self.get::<f64>().quantile((i as f64 + 0.5) / n as f64)?;
            Some(if self.get::<f64>().support() == Support::Unit { sigmoid(y) } else { y })
        };
        let none = || {
            Error::config(
                "model.prior",
                format!("{} has no quantiles for a grid; decode codes of your own", self.name()),
            )
        };
        (0..n).map(quantile).collect::<Option<Vec<_>>>().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn grids_stand_for_equal_shares() {
        // To 15 digits, from published tables of the normal quantile function.
        let z = PriorConfig::StandardNormal.grid(20).unwrap();
        assert!((z[19] - 1.959_963_984_540_054).abs() < 1e-14 && (z[0] + 1.959_963_984_540_054).abs() < 1e-14);
        assert_eq!(PriorConfig::StandardNormal.grid(1).unwrap(), [0.0]);
        assert!(PriorConfig::StandardNormal.grid(0).is_err() && PriorConfig::StandardNormal.grid(1001).is_err());
        for prior in PriorConfig::all() {
            let z = prior.grid(7).unwrap();
            // between the modes of a pair the distribution function is so flat that its inverse has fewer digits
            let about_zero = matches!(prior, PriorConfig::StandardNormal | PriorConfig::Laplace(_));
            let (middle, within) = if about_zero { (0.0, 1e-12) } else { (0.5, 1e-9) };
            assert!(z.is_sorted() && (z[3] - middle).abs() < within, "{prior:?}: {z:?}");
        }
    }
}
