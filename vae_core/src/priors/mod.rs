//! What the model believes of z before it sees x: p(z).

mod standard_normal;

pub use standard_normal::StandardNormalPrior;

use crate::numeric::Real;

/// A prior over the latent vector.
pub trait Prior<F: Real>: std::fmt::Debug + Send + Sync {
    /// log p(z) `[rows]`, nats, of z `[rows, N_z]`.
    fn log_prob(&self, z: &[F], n_z: usize, log_p: &mut [F]);

    /// `dz ← dz + weight · ∂ log p / ∂z`, z and dz `[rows, N_z]`.
    fn add_gradient(&self, z: &[F], weight: F, dz: &mut [F]);
}
