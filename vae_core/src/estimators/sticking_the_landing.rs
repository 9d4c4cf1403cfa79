//! Sticking the landing, Roeder, Wu & Duvenaud (2017): L^A without the score of log q, whose mean is 0. Its variance vanishes as q comes to
//! the posterior; far from that it can be greater than that of L^B.

use super::weigh::{Kl, Weigh, Weights};

/// L^A, differentiated along the path only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StickingTheLanding;

impl Weigh for StickingTheLanding {
    fn label(&self) -> &'static str {
        "STL"
    }

    fn kl(&self) -> Kl {
        Kl::Path
    }

    fn weigh(&self, log_w: &[f64], weights: Weights<'_>) {
        weights.fill(1.0 / log_w.len() as f64, 1.0, 0.0);
    }
}
