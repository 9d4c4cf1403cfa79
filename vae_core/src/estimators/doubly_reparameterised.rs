//! The importance weighted bound with the doubly reparameterised gradient, Tucker et al. (2019): the encoder's gradient weighs each
//! sample by w̃² along the path and has no score. The same mean as that of the plain gradient, but its signal does not drown as L grows.

use super::weigh::{Kl, Weigh, Weights, normalised};

/// DReG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DoublyReparameterised;

impl Weigh for DoublyReparameterised {
    fn label(&self) -> &'static str {
        "DReG"
    }

    fn kl(&self) -> Kl {
        Kl::Path
    }

    fn weigh(&self, log_w: &[f64], Weights { model, path, score }: Weights<'_>) {
        normalised(log_w, model);
        path.copy_from_slice(model);
        score.fill(0.0);
    }

    fn is_importance_weighted(&self) -> bool {
        true
    }
}
