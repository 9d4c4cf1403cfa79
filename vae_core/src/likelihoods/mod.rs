//! What the decoder says of a datapoint: p(x | z), one likelihood a file.

mod bernoulli;
mod gaussian;
mod laplace;
mod likelihood;

pub use gaussian::Variance;
pub use likelihood::{Likelihood, PixelMean, Pixels};

use serde::{Deserialize, Serialize};

use crate::choices::choices;

choices! {
    /// Choice of p(x | z).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    LikelihoodConfig: Likelihood<F> {
        #[default] bernoulli::Bernoulli,
        gaussian::Gaussian(Gaussian),
        laplace::Laplace(Laplace),
    }
}

impl LikelihoodConfig {
    /// Gaussian pixels whose variance comes from the network, as in the report.
    pub fn gaussian(mean: PixelMean) -> Self {
        Gaussian { mean, ..Gaussian::default() }.into()
    }
}
