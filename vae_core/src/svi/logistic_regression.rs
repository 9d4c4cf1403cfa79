//! Bayesian logistic regression: y_n ~ Bernoulli(1 / (1 + exp(−x_n θ))), θ ~ N(0, I). Its posterior has no closed form.

use ndarray::{Array1, Array2};
use rand::Rng as _;

use super::log_joint::{LogJoint, inputs};
use crate::rng::{Stream, rng};
use crate::{Error, Result};

/// The model, with inputs `[N, dim]` and targets `[N]`.
#[derive(Clone, Debug)]
pub struct LogisticRegression {
    x: Array2<f64>,
    y: Array1<bool>,
}

impl LogisticRegression {
    /// With these data.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not a target for each input.
    pub fn new(x: Array2<f64>, y: Array1<bool>) -> Result<Self> {
        if x.nrows() == y.len() && x.ncols() > 0 {
            return Ok(Self { x, y });
        }
        let found = format!("{:?} and {} targets", x.shape(), y.len());
        Err(Error::Shape { what: "inputs", expected: "[N, dim] and N targets".into(), found })
    }

    /// With N data drawn from the model at θ: x_n = (1, draws of N(0, 1)), y_n a toss.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn drawn(n: usize, theta: &[f64], seed: u64) -> Result<Self> {
        let mut rng = rng(seed, Stream::Svi, u64::MAX);
        let x = inputs(n, theta.len(), &mut rng);
        let logits = x.dot(&Array1::from(theta.to_vec()));
        let y = logits.mapv(|logit| rng.random::<f64>() < 1.0 / (1.0 + (-logit).exp()));
        Self::new(x, y)
    }
}

impl LogJoint for LogisticRegression {
    fn dim(&self) -> usize {
        self.x.ncols()
    }

    fn log_likelihood(&self, theta: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut sum = 0.0;
        for (x, &y) in self.x.outer_iter().zip(&self.y) {
            let logit = x.iter().zip(theta).map(|(x, t)| x * t).sum::<f64>();
            let signed = if y { logit } else { -logit };
            sum -= (-signed.abs()).exp().ln_1p() + (-signed).max(0.0);
            let residual = f64::from(u8::from(y)) - 1.0 / (1.0 + (-logit).exp());
            gradient.iter_mut().zip(x).for_each(|(g, x)| *g += residual * x);
        }
        sum
    }
}
