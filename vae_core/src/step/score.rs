//! What the decoder says of some samples: log p(x | z), and its gradient, weighed by the estimator while it is in the cache.

use super::tuning::SCORED;
use crate::estimators::{Weigh, Weights};
use crate::models::Vae;
use crate::numeric::{Real, vmath};
use crate::threads::join;

/// Values of a datapoint's rule, a sample: its log weight, and the weights on model, path and score.
pub(super) const RULE: usize = 4;

/// Some datapoints x `[M, D]`, the decoder's head `[M·L, ·]` for their samples, and places for what comes of it.
pub(super) struct Samples<'a, F> {
    pub(super) x: &'a [F],
    pub(super) head: &'a mut [F],
    /// `[M·L]`
    pub(super) log_px: &'a mut [F],
    /// `[M, RULE, L]`; the log weights lack log p(x | z). Empty if only the value is wanted.
    pub(super) rule: &'a mut [f64],
    /// `[M·L]`, or empty where the likelihood has no parameter of its own.
    pub(super) d_shared: &'a mut [F],
}

impl<F: Real> Samples<'_, F> {
    /// log p(x | z); and with an estimator, for a minibatch of so many datapoints, the weights of the samples and ∂/∂head times its weight
    /// in the place of the head. On so many threads.
    pub(super) fn score(self, model: &Vae<F>, l: usize, estimator: Option<(&dyn Weigh, usize)>, threads: usize) {
        let d = model.data_width();
        let m = self.x.len() / d;
        if threads > 1 && m > 1 {
            let (left, right) = self.split_at(m * (threads / 2) / threads, d, l);
            let others = threads - threads / 2;
            join(|| left.score(model, l, estimator, threads / 2), || right.score(model, l, estimator, others));
            return;
        }
        let some = (SCORED * m / self.head.len().max(1)).max(1);
        let mut others = self;
        while !others.x.is_empty() {
            let n = some.min(others.x.len() / d);
            let (here, after) = others.split_at(n, d, l);
            match estimator {
                Some((rule, m)) => here.score_and_weigh(model, l, rule, m),
                None => model.likelihood().get().log_prob(here.x, here.head, model.pixels(l), here.log_px),
            }
            others = after;
        }
    }

    fn score_and_weigh(self, model: &Vae<F>, l: usize, estimator: &dyn Weigh, m: usize) {
        let Self { x, head, log_px, rule, d_shared } = self;
        model.likelihood().get().log_prob_and_gradient(x, head, model.pixels(l), log_px, d_shared);
        let width = head.len() / log_px.len();
        let mut d_shared = d_shared.iter_mut();
        let datapoints =
            rule.chunks_exact_mut(RULE * l).zip(log_px.chunks_exact(l)).zip(head.chunks_exact_mut(l * width));
        for ((rule, log_px), heads) in datapoints {
            let (log_w, weights) = rule.split_at_mut(l);
            let (model, others) = weights.split_at_mut(l);
            let (path, score) = others.split_at_mut(l);
            log_w.iter_mut().zip(log_px).for_each(|(log_w, log_px)| *log_w += log_px.f64());
            estimator.weigh(log_w, Weights { model: &mut *model, path, score });
            for (head, &weight) in heads.chunks_exact_mut(width).zip(&*model) {
                let weight = F::of(weight / m as f64);
                vmath::map(head, |g| g * weight);
                if let Some(d_shared) = d_shared.next() {
                    *d_shared *= weight;
                }
            }
        }
    }

    /// The first `n` datapoints, and the others.
    fn split_at(self, n: usize, d: usize, l: usize) -> (Self, Self) {
        let (m, rows) = (self.x.len() / d, self.log_px.len().max(1));
        let (x, x_after) = self.x.split_at(n * d);
        let (head, head_after) = self.head.split_at_mut(n * l * (self.head.len() / rows));
        let (rule, rule_after) = self.rule.split_at_mut(n * (self.rule.len() / m.max(1)));
        let (d_shared, d_shared_after) = self.d_shared.split_at_mut(n * l * (self.d_shared.len() / rows));
        let (log_px, log_px_after) = self.log_px.split_at_mut(n * l);
        let after =
            Self { x: x_after, head: head_after, log_px: log_px_after, rule: rule_after, d_shared: d_shared_after };
        (Self { x, head, log_px, rule, d_shared }, after)
    }
}
