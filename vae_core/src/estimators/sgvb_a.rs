//! Eq. 8: L^A = 1/L Σ_l [ log p(x | z_l) + log p(z_l) − log q(z_l | x) ].

use super::weigh::{Kl, Weigh, Weights};

/// L^A.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct A;

impl Weigh for A {
    fn label(&self) -> &'static str {
        "Lᴬ"
    }

    fn kl(&self) -> Kl {
        Kl::Sampled
    }

    fn weigh(&self, log_w: &[f64], weights: Weights<'_>) {
        let each = 1.0 / log_w.len() as f64;
        weights.fill(each, 1.0, -each);
    }
}
