//! The importance weighted bound, Burda, Grosse & Salakhutdinov (2016): log 1/L Σ_l w_l. It rises with L, to log p(x) in the limit; with
//! L = 1 it is L^A. Its gradient weighs each sample by w̃_l = w_l / Σ w.

use super::weigh::{Kl, Weigh, Weights, normalised};

/// L_L of the paper, of all L samples together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ImportanceWeighted;

impl Weigh for ImportanceWeighted {
    fn label(&self) -> &'static str {
        "IW"
    }

    fn kl(&self) -> Kl {
        Kl::Sampled
    }

    fn weigh(&self, log_w: &[f64], Weights { model, path, score }: Weights<'_>) {
        normalised(log_w, model);
        path.fill(1.0);
        score.iter_mut().zip(model).for_each(|(score, w)| *score = -*w);
    }

    fn is_importance_weighted(&self) -> bool {
        true
    }
}
