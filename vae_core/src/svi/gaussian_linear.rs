//! Bayesian linear regression: y_n ~ N(x_n θ, σ²), θ ~ N(0, I). Posterior and evidence are known: with A = I + XᵀX / σ²,
//! p(θ | D) = N(A⁻¹ Xᵀy / σ², A⁻¹) and log p(D) = −½ [N log 2πσ² + log |A| + yᵀy / σ² − bᵀA⁻¹b], b = Xᵀy / σ² (Bishop 2006, section 3.5).

use ndarray::{Array1, Array2};

use super::log_joint::{LogJoint, inputs};
use crate::numeric::real::{LOG_2PI, fill_normals};
use crate::rng::{Stream, rng};
use crate::{Error, Result};

/// The model, with inputs `[N, dim]`, dim 1 or 2, and targets `[N]`.
#[derive(Clone, Debug)]
pub struct GaussianLinear {
    x: Array2<f64>,
    y: Array1<f64>,
    variance: f64,
}

impl GaussianLinear {
    /// With noise of variance σ².
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not a target for each input, or if dim is neither 1 nor 2; [`Error::Config`] for σ² ≤ 0.
    pub fn new(x: Array2<f64>, y: Array1<f64>, variance: f64) -> Result<Self> {
        if x.nrows() != y.len() || !(1..=2).contains(&x.ncols()) {
            let found = format!("{:?} and {} targets", x.shape(), y.len());
            return Err(Error::Shape { what: "inputs", expected: "[N, 1 or 2] and N targets".into(), found });
        }
        if !(variance.is_finite() && variance > 0.0) {
            return Err(Error::config("variance", format!("must be a positive number, not {variance}")));
        }
        Ok(Self { x, y, variance })
    }

    /// With N data drawn from the model at θ: x_n = (1, draws of N(0, 1)), y_n ~ N(x_n θ, σ²).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn drawn(n: usize, theta: &[f64], variance: f64, seed: u64) -> Result<Self> {
        let (mut rng, mut noise) = (rng(seed, Stream::Svi, u64::MAX), vec![0.0; n]);
        let x = inputs(n, theta.len(), &mut rng);
        fill_normals(&mut noise, &mut rng);
        let y = x.dot(&Array1::from(theta.to_vec())) + Array1::from(noise) * variance.sqrt();
        Self::new(x, y, variance)
    }

    /// A and b.
    fn natural(&self) -> (Array2<f64>, Array1<f64>) {
        let precision = Array2::eye(self.x.ncols()) + self.x.t().dot(&self.x) / self.variance;
        (precision, self.x.t().dot(&self.y) / self.variance)
    }

    /// |A| and A⁻¹.
    fn inverse(a: &Array2<f64>) -> (f64, Array2<f64>) {
        if a.nrows() == 1 {
            return (a[[0, 0]], Array2::from_elem((1, 1), 1.0 / a[[0, 0]]));
        }
        let det = a[[0, 0]] * a[[1, 1]] - a[[0, 1]] * a[[1, 0]];
        let turned = ndarray::array![[a[[1, 1]], -a[[0, 1]]], [-a[[1, 0]], a[[0, 0]]]];
        (det, turned / det)
    }

    /// Mean `[dim]` and covariance `[dim, dim]` of p(θ | D).
    pub fn posterior(&self) -> (Array1<f64>, Array2<f64>) {
        let (a, b) = self.natural();
        let (_, covariance) = Self::inverse(&a);
        (covariance.dot(&b), covariance)
    }

    /// log p(D).
    pub fn log_evidence(&self) -> f64 {
        let (a, b) = self.natural();
        let (det, covariance) = Self::inverse(&a);
        let n = self.y.len() as f64;
        let squares = self.y.dot(&self.y) / self.variance - b.dot(&covariance.dot(&b));
        -0.5 * (n * (LOG_2PI + self.variance.ln()) + det.ln() + squares)
    }
}

impl LogJoint for GaussianLinear {
    fn dim(&self) -> usize {
        self.x.ncols()
    }

    fn log_likelihood(&self, theta: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut sum = 0.0;
        for (x, y) in self.x.outer_iter().zip(&self.y) {
            let residual = y - x.iter().zip(theta).map(|(x, t)| x * t).sum::<f64>();
            sum -= 0.5 * (LOG_2PI + self.variance.ln() + residual * residual / self.variance);
            gradient.iter_mut().zip(x).for_each(|(g, x)| *g += residual * x / self.variance);
        }
        sum
    }
}
