//! A point: maximum likelihood, or with a Gaussian prior maximum a posteriori. ∂/∂θ = scale · (∂ bound/∂θ − decay · θ).

use super::{Planes, Scaling, WeightPosterior};
use crate::numeric::{Real, vmath};

/// All of q(θ) in θ itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point;

impl<F: Real> WeightPosterior<F> for Point {
    fn finish(&self, planes: Planes<'_, F>, g: &mut [F], _: &mut [F], Scaling { scale, decay, .. }: Scaling) {
        if scale == 1.0 && decay == 0.0 {
            return;
        }
        let (scale, decay) = (F::of(scale), F::of(decay));
        vmath::zip(g, planes.centre, |g, theta| scale * (g - decay * theta));
    }
}
