//! log p(θ, D) = log p(θ) + log p(D | θ) with p(θ) = N(0, I), and what quadrature says of it in one or two dimensions.

use ndarray::Array2;

use super::mean_field::MeanField;
use crate::numeric::real::{LOG_2PI, fill_normals};
use crate::rng::Rng;
use crate::{Error, Result};

/// A parametric model with the data in it.
pub trait LogJoint: std::fmt::Debug + Send + Sync {
    /// Number of parameters θ.
    fn dim(&self) -> usize;

    /// log p(D | θ), and its gradient `[dim]`, overwritten.
    fn log_likelihood(&self, theta: &[f64], gradient: &mut [f64]) -> f64;

    /// log p(θ) of N(0, I); its gradient is −θ.
    fn log_prior(&self, theta: &[f64]) -> f64 {
        -0.5 * theta.iter().map(|t| LOG_2PI + t * t).sum::<f64>()
    }
}

/// Inputs `[N, dim]` of a regression: a one, for the intercept, then draws of N(0, 1).
pub(super) fn inputs(n: usize, dim: usize, rng: &mut Rng) -> Array2<f64> {
    let mut noise = vec![0.0; n * dim];
    fill_normals(&mut noise, rng);
    Array2::from_shape_fn((n, dim), |(i, j)| if j == 0 { 1.0 } else { noise[i * dim + j] })
}

/// Half the width of the grids, in standard deviations of the prior, and points a side.
const REACH: f64 = 9.0;
const POINTS: usize = 601;

/// Calls `f` at each point of a grid over θ of one or two dimensions; returns the weight of a point.
fn over_grid(dim: usize, mut f: impl FnMut(&[f64])) -> Result<f64> {
    let step = 2.0 * REACH / (POINTS - 1) as f64;
    let at = |i: usize| -REACH + step * i as f64;
    match dim {
        1 => (0..POINTS).for_each(|i| f(&[at(i)])),
        2 => (0..POINTS * POINTS).for_each(|i| f(&[at(i / POINTS), at(i % POINTS)])),
        _ => return Err(Error::config("dim", format!("is {dim}; quadrature is for one or two dimensions"))),
    }
    Ok(step.powi(dim as i32))
}

/// log p(D) by the trapezoidal rule, whose error vanishes faster than any power of the step for such densities.
///
/// # Errors
/// [`Error::Config`] for more than two dimensions.
pub fn log_evidence_by_quadrature(model: &dyn LogJoint) -> Result<f64> {
    let mut gradient = vec![0.0; model.dim()];
    let mut sum = crate::numeric::LogMeanExp::default();
    let weight = over_grid(model.dim(), |theta| {
        sum.push(model.log_prior(theta) + model.log_likelihood(theta, &mut gradient));
    })?;
    let points = (POINTS as f64).powi(model.dim() as i32);
    Ok(sum.value() + (weight * points).ln())
}

/// p(θ | D) of a model of one dimension, at each of these θ; the evidence is that by quadrature.
///
/// # Errors
/// [`Error::Config`] for more dimensions.
pub fn posterior_density(model: &dyn LogJoint, thetas: &[f64]) -> Result<Vec<f64>> {
    if model.dim() != 1 {
        return Err(Error::config("dim", format!("is {}; a density is drawn over one dimension", model.dim())));
    }
    let evidence = log_evidence_by_quadrature(model)?;
    let log_joint = |theta: f64| model.log_prior(&[theta]) + model.log_likelihood(&[theta], &mut [0.0]);
    Ok(thetas.iter().map(|&theta| (log_joint(theta) - evidence).exp()).collect())
}

/// D_KL(q(θ) ‖ p(θ | D)) by the definition, over the same grid, nats.
///
/// # Errors
/// As [`log_evidence_by_quadrature`].
pub fn divergence_by_quadrature(model: &dyn LogJoint, q: &MeanField) -> Result<f64> {
    let evidence = log_evidence_by_quadrature(model)?;
    let (mut gradient, mut sum) = (vec![0.0; model.dim()], 0.0);
    let weight = over_grid(model.dim(), |theta| {
        let log_q = q.log_prob(theta);
        if log_q > -700.0 {
            let posterior = model.log_prior(theta) + model.log_likelihood(theta, &mut gradient) - evidence;
            sum += log_q.exp() * (log_q - posterior);
        }
    })?;
    Ok(weight * sum)
}
