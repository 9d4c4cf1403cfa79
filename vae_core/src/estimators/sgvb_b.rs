//! Eq. 9: L^B = 1/L Σ_l log p(x | z_l) − D_KL(q(z | x) ‖ p(z)), with the divergence in closed form.

use super::weigh::{Kl, Weigh, Weights};

/// L^B.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct B;

impl Weigh for B {
    fn label(&self) -> &'static str {
        "Lᴮ"
    }

    fn kl(&self) -> Kl {
        Kl::Closed
    }

    fn weigh(&self, log_w: &[f64], weights: Weights<'_>) {
        weights.fill(1.0 / log_w.len() as f64, 1.0, 0.0);
    }
}
