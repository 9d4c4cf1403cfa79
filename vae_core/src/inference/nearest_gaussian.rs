//! The Gaussian nearest to an exact posterior on a grid: what no encoder with a diagonal Gaussian can do better than.

use super::grid::GridPosteriors;
use crate::optim::{Optimiser, OptimiserConfig};
use crate::svi::MeanField;
use crate::{Error, Result};

/// Steps of the ascent, and their size.
const STEPS: usize = 400;
const STEP: f64 = 0.03;

impl GridPosteriors {
    /// The diagonal Gaussian that is nearest to p(z | x) of image `i` in D_KL(q ‖ p), and that divergence: what no encoder with such a posterior
    /// can avoid. By gradient ascent from the posterior's own moments and from its highest point, whichever ends nearer.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such image.
    pub fn best_gaussian(&self, i: usize) -> Result<(MeanField, f64)> {
        let log_p = self.of(i)?;
        let (weight, mut mean, mut second) = (self.step * self.step, [0.0; 2], [0.0; 2]);
        let (mut highest, mut most) = (0, f64::NEG_INFINITY);
        for (k, &log_p) in log_p.iter().enumerate() {
            let p = weight * log_p.exp();
            for j in 0..2 {
                let z = f64::from(self.codes[[k, j]]);
                mean[j] += p * z;
                second[j] += p * z * z;
            }
            if log_p > most {
                (highest, most) = (k, log_p);
            }
        }
        let sd = [0, 1].map(|j| (second[j] - mean[j] * mean[j]).max(self.step * self.step).sqrt());
        let peak = [0, 1].map(|j| f64::from(self.codes[[highest, j]]));
        // the width of a Gaussian with the same highest density
        let narrow = (-0.5 * (most + (2.0 * std::f64::consts::PI).ln())).exp();
        let mut best: Option<(MeanField, f64)> = None;
        for start in [MeanField::new(&mean, &sd), MeanField::new(&peak, &[narrow; 2])] {
            let found = self.ascend(start, log_p)?;
            if best.as_ref().is_none_or(|best| found.1 < best.1) {
                best = Some(found);
            }
        }
        best.ok_or_else(|| Error::config("image", "has no posterior"))
    }

    /// ∂D/∂ϕ = ∫ q ∂log q/∂ϕ (log q − log p) dz.
    fn ascend(&self, mut q: MeanField, log_p: &[f64]) -> Result<(MeanField, f64)> {
        let mut optimiser = Optimiser::<f64>::init(OptimiserConfig::adam(STEP), 4)?;
        let (mut best, mut least) = (q.clone(), f64::INFINITY);
        for step in 0..=STEPS {
            let (divergence, gradient) = self.divergence_and_gradient(&q, log_p);
            if divergence < least {
                (best, least) = (q.clone(), divergence);
            }
            let factor = 1.0 - step as f64 / (STEPS + 1) as f64;
            optimiser.update(&mut q.phi, &gradient, factor);
        }
        Ok((best, least))
    }

    fn divergence_and_gradient(&self, q: &MeanField, log_p: &[f64]) -> (f64, [f64; 4]) {
        let (mean, sd, weight) = (q.mean(), q.sd(), self.step * self.step);
        let (mut divergence, mut gradient) = (0.0, [0.0; 4]);
        self.within_reach(q, |k, log_q| {
            let (q_here, off) = (weight * log_q.exp(), log_q - log_p[k]);
            divergence += q_here * off;
            for j in 0..2 {
                let u = (f64::from(self.codes[[k, j]]) - mean[j]) / sd[j];
                gradient[j] -= q_here * off * u / sd[j];
                gradient[2 + j] -= q_here * off * 0.5 * (u * u - 1.0);
            }
        });
        (divergence, gradient)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ndarray::Array2;

    use super::super::grid::tests::{linear, x};
    use crate::posteriors::PosteriorConfig;

    /// Of a posterior with correlated coordinates, with precision Λ, the best diagonal Gaussian has the precisions Λ_jj.
    #[test]
    fn the_best_gaussian_has_the_diagonal_of_the_precision() {
        let model = linear(PosteriorConfig::DiagonalGaussian);
        let grid = model.posteriors_on_grid(&x(), 6.0, 121).unwrap();
        let (q, least) = grid.best_gaussian(0).unwrap();
        let at = |z: [f32; 2]| model.decode(&Array2::from_shape_vec((1, 2), z.to_vec()).unwrap()).unwrap();
        let b = at([0.0, 0.0]);
        let (u, v) = (at([1.0, 0.0]) - &b, at([0.0, 1.0]) - &b);
        let dot = |a: &Array2<f32>, b: &Array2<f32>| 4.0 * f64::from((a * b).sum());
        let (uu, vv, uv) = (1.0 + dot(&u, &u), 1.0 + dot(&v, &v), dot(&u, &v));
        for (sd, precision) in q.sd().into_iter().zip([uu, vv]) {
            assert!((sd * precision.sqrt() - 1.0).abs() < 1e-3);
        }
        let expected = -0.5 * (1.0 - uv * uv / (uu * vv)).ln();
        assert!((least - expected).abs() < 1e-4, "{least} {expected}");
    }

    #[test]
    fn it_is_nearer_than_the_encoder() {
        let (model, x) = (linear(PosteriorConfig::DiagonalGaussian), x());
        let grid = model.posteriors_on_grid(&x, 6.0, 121).unwrap();
        for i in 0..2 {
            let one = x.slice(ndarray::s![i..=i, ..]).to_owned();
            let encoder = grid.divergence(i, &model.log_posterior_on(&grid, &one, 1, 0).unwrap()).unwrap();
            let (_, least) = grid.best_gaussian(i).unwrap();
            assert!(least >= 0.0 && least < encoder, "{least} {encoder}");
        }
    }
}
