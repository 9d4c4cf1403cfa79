//! What the recognition model says of z: q(z | x), one posterior a file; and the KL divergences that have a closed form.

mod diagonal_gaussian;
pub mod kl;
mod kumaraswamy;
mod noisy_point;
mod point;
mod posterior;
mod semi_implicit;

pub use kl::{ClosedKl, closed_kl};
pub use kumaraswamy::kumaraswamy_beta_divergence;
pub use point::Code;
pub use posterior::{Drawn, Head, Posterior, Shape};

use serde::{Deserialize, Serialize};

use crate::choices::choices;

choices! {
    /// Choice of q(z | x).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    PosteriorConfig: Posterior<F> {
        #[default] diagonal_gaussian::DiagonalGaussian,
        point::Point(Point),
        noisy_point::NoisyPoint(NoisyPoint),
        kumaraswamy::Kumaraswamy,
        semi_implicit::SemiImplicit(SemiImplicit),
    }
}
