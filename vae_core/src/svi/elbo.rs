//! The estimators of the lower bound, their gradients, and how much those scatter.

use super::log_joint::LogJoint;
use super::mean_field::MeanField;
use crate::estimators::{Estimator, Kl, Weights};
use crate::numeric::real::fill_normals;
use crate::numeric::{LogMeanExp, RunningMoments};
use crate::optim::{Optimiser, OptimiserConfig};
use crate::rng::{Rng, Stream, rng};
use crate::{Error, Result};

/// One estimate of L(ϕ) in nats, and its gradient by ϕ `[2 · dim]`, with the noise `[L · dim]`.
///
/// # Errors
/// [`Error::Shape`] if q or the noise do not fit the model.
pub fn estimate(model: &dyn LogJoint, q: &MeanField, estimator: Estimator, noise: &[f64]) -> Result<(f64, Vec<f64>)> {
    estimator.validate()?;
    let (dim, l, kl) = (model.dim(), estimator.samples, estimator.form.get().kl());
    if q.dim() != dim || noise.len() != l * dim {
        let found = format!("q of {} dimensions, {} values of noise", q.dim(), noise.len());
        return Err(Error::Shape { what: "noise", expected: format!("{dim} dimensions, L = {l}"), found });
    }
    let sd = q.sd();
    let (mut log_w, mut bounds, mut slopes, mut thetas) = (vec![], vec![], vec![], vec![]);
    for eps in noise.chunks_exact(dim) {
        let (theta, mut slope) = (q.reparameterise(eps), vec![0.0; dim]);
        let likelihood = model.log_likelihood(&theta, &mut slope);
        let whole = likelihood + model.log_prior(&theta) - q.log_prob(&theta);
        bounds.push(if kl == Kl::Closed { likelihood - q.kl() } else { whole });
        log_w.push(if kl == Kl::Closed { likelihood } else { whole });
        slopes.push(slope);
        thetas.push(theta);
    }
    let (mut on_model, mut on_path, mut on_score) = (vec![0.0; l], vec![0.0; l], vec![0.0; l]);
    let weights = Weights { model: &mut on_model, path: &mut on_path, score: &mut on_score };
    estimator.form.get().weigh(&log_w, weights);
    let mut gradient = vec![0.0; 2 * dim];
    for (sample, eps) in noise.chunks_exact(dim).enumerate() {
        let (model, path, score) = (on_model[sample], on_path[sample], on_score[sample]);
        for j in 0..dim {
            let mut by_theta = model * slopes[sample][j];
            if kl != Kl::Closed {
                by_theta -= model * thetas[sample][j];
            }
            if kl == Kl::Path {
                by_theta = path * (by_theta + model * eps[j] / sd[j]);
                gradient[j] += score * eps[j] / sd[j];
                gradient[dim + j] += score * 0.5 * (eps[j] * eps[j] - 1.0);
            }
            gradient[j] += by_theta;
            gradient[dim + j] += by_theta * 0.5 * sd[j] * eps[j];
            if kl == Kl::Sampled {
                gradient[dim + j] += 0.5 * model;
            }
        }
    }
    if kl == Kl::Closed {
        for j in 0..dim {
            gradient[j] -= q.phi[j];
            gradient[dim + j] -= 0.5 * (sd[j] * sd[j] - 1.0);
        }
    }
    let bound = if estimator.form.get().is_importance_weighted() {
        let mut mean = LogMeanExp::default();
        bounds.iter().for_each(|b| mean.push(*b));
        mean.value()
    } else {
        bounds.iter().sum::<f64>() / l as f64
    };
    Ok((bound, gradient))
}

/// L(ϕ) itself, by quadrature over the noise: one or two dimensions.
///
/// # Errors
/// [`Error::Config`] for more.
pub fn exact_elbo(model: &dyn LogJoint, q: &MeanField) -> Result<f64> {
    const STEP: f64 = 0.05;
    const HALF: i32 = 200;
    let grid: Vec<f64> = (-HALF..=HALF).map(|i| STEP * f64::from(i)).collect();
    let density = |e: f64| STEP * (-0.5 * e * e).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let mut gradient = vec![0.0; model.dim()];
    let mut likelihood = |eps: &[f64]| model.log_likelihood(&q.reparameterise(eps), &mut gradient);
    let mean: f64 = match model.dim() {
        1 => grid.iter().map(|&e| density(e) * likelihood(&[e])).sum(),
        2 => {
            grid.iter().map(|&a| density(a) * grid.iter().map(|&b| density(b) * likelihood(&[a, b])).sum::<f64>()).sum()
        }
        dim => return Err(Error::config("dim", format!("is {dim}; quadrature is for one or two dimensions"))),
    };
    Ok(mean - q.kl())
}

/// Mean and variance of an estimator's gradient, each `[2 · dim]`, and of its estimate of the bound.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The mean.
    pub mean: Vec<f64>,
    /// The variance of one estimate.
    pub variance: Vec<f64>,
    /// The mean of the estimates of the bound, nats.
    pub bound: f64,
    /// Their variance, nats².
    pub bound_variance: f64,
}

impl Spread {
    /// The variances of all components of the gradient together, the trace of their covariance.
    pub fn total(&self) -> f64 {
        self.variance.iter().sum()
    }
}

fn normals(n: usize, rng: &mut Rng) -> Vec<f64> {
    let mut noise = vec![0.0; n];
    fill_normals(&mut noise, rng);
    noise
}

/// Over so many draws of the noise.
///
/// # Errors
/// As [`estimate`]; [`Error::Config`] for fewer than two draws.
pub fn gradient_variance(
    model: &dyn LogJoint,
    q: &MeanField,
    estimator: Estimator,
    draws: u64,
    seed: u64,
) -> Result<Spread> {
    if draws < 2 {
        return Err(Error::config("draws", format!("is {draws}; a variance needs at least 2")));
    }
    let mut rng = rng(seed, Stream::Svi, 0);
    let n = q.phi.len();
    let mut moments = RunningMoments::new(n + 1);
    for _ in 0..draws {
        let noise = normals(estimator.samples * model.dim(), &mut rng);
        let (bound, gradient) = estimate(model, q, estimator, &noise)?;
        moments.push(gradient.into_iter().chain([bound]));
    }
    let (mean, variance) = (moments.mean(), moments.variance());
    let (bound, bound_variance) = (mean[n], variance[n]);
    Ok(Spread { mean: mean[..n].to_vec(), variance: variance[..n].to_vec(), bound, bound_variance })
}

/// q on its way up the bound.
#[derive(Clone, Debug)]
pub struct Ascension {
    /// q before the first step and after every `every` steps.
    pub path: Vec<MeanField>,
    /// Steps between two of them.
    pub every: u64,
}

/// Ascends the estimated bound for so many steps, and keeps q every so often.
///
/// # Errors
/// As [`estimate`]; [`Error::Config`] if the optimiser's numbers make no sense or `every` is 0; [`Error::NonFinite`] if q diverges.
pub fn ascend(
    model: &dyn LogJoint,
    start: &MeanField,
    estimator: Estimator,
    optimiser: impl Into<OptimiserConfig>,
    (steps, every): (u64, u64),
    seed: u64,
) -> Result<Ascension> {
    if every == 0 {
        return Err(Error::config("every", "is 0; keep q every step at the most"));
    }
    let mut optimiser = Optimiser::<f64>::init(optimiser.into(), start.phi.len())?;
    let (mut q, mut path) = (start.clone(), vec![start.clone()]);
    for step in 0..steps {
        let noise = normals(estimator.samples * model.dim(), &mut rng(seed, Stream::Svi, step + 1));
        let (bound, gradient) = estimate(model, &q, estimator, &noise)?;
        optimiser.update(&mut q.phi, &gradient, 1.0);
        if !bound.is_finite() || q.phi.iter().any(|p| !p.is_finite()) {
            return Err(Error::NonFinite { step: step + 1, quantity: "the bound or q".into(), value: bound });
        }
        if (step + 1).is_multiple_of(every) {
            path.push(q.clone());
        }
    }
    Ok(Ascension { path, every })
}
