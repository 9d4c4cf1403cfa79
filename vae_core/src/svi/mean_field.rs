//! q_ϕ(θ) = N(θ; m, diag s²), with ϕ = (m, log s²).

use crate::numeric::real::LOG_2PI;

/// A mean-field Gaussian.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanField {
    /// ϕ `[2 · dim]`: m, then log s².
    pub phi: Vec<f64>,
}

impl MeanField {
    /// N(m, diag s²), of means and standard deviations.
    pub fn new(mean: &[f64], sd: &[f64]) -> Self {
        Self { phi: mean.iter().copied().chain(sd.iter().map(|s| 2.0 * s.ln())).collect() }
    }

    /// Number of parameters θ.
    pub fn dim(&self) -> usize {
        self.phi.len() / 2
    }

    /// m.
    pub fn mean(&self) -> &[f64] {
        &self.phi[..self.dim()]
    }

    /// s.
    pub fn sd(&self) -> Vec<f64> {
        self.phi[self.dim()..].iter().map(|log_var| (0.5 * log_var).exp()).collect()
    }

    /// Eq. 3: θ = m + s ⊙ ε.
    pub fn reparameterise(&self, eps: &[f64]) -> Vec<f64> {
        self.mean().iter().zip(self.sd()).zip(eps).map(|((m, s), e)| m + s * e).collect()
    }

    /// log q(θ).
    pub fn log_prob(&self, theta: &[f64]) -> f64 {
        let (mean, log_var) = self.phi.split_at(self.dim());
        let term = |j: usize| LOG_2PI + log_var[j] + (theta[j] - mean[j]).powi(2) * (-log_var[j]).exp();
        -0.5 * (0..theta.len()).map(term).sum::<f64>()
    }

    /// D_KL(q ‖ N(0, I)) = ½ Σ (m² + s² − 1 − log s²).
    pub fn kl(&self) -> f64 {
        let (mean, log_var) = self.phi.split_at(self.dim());
        0.5 * mean.iter().zip(log_var).map(|(m, v)| m * m + v.exp() - 1.0 - v).sum::<f64>()
    }
}
