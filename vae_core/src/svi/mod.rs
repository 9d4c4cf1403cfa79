//! Section 2: stochastic variational inference of a parametric model p(θ, D), by a mean-field Gaussian q_ϕ(θ).
//!
//! ```text
//! D_KL(q(θ) ‖ p(θ | D)) = log p(D) − L(ϕ)                                        (eq. 1)
//! L ≈ 1/L Σ_l log p(θ_l, D) − log q(θ_l),  θ_l ~ q: no derivative through θ_l   (eq. 2: ScoreFunction)
//! θ_l = g_ϕ(ε_l) = m + s ⊙ ε_l                                                   (eq. 3)
//! L̃¹ = 1/L Σ_l log p(θ_l, D) − log q(θ_l)                                        (eq. 4: A)
//! L̃² = 1/L Σ_l log p(D | θ_l) − D_KL(q(θ) ‖ p(θ))                                (eqs. 5, 6: B)
//! ```
//!
//! The weights on model, path and score are those of [`estimators`](crate::estimators). All is in f64, in nats for the whole of D, and small
//! enough that the evidence, the bound and the divergence are also known by quadrature.

mod elbo;
mod gaussian_linear;
mod implicit;
mod log_joint;
mod logistic_regression;
mod mean_field;
mod one_latent;
mod targets;

pub use elbo::{Ascension, Spread, ascend, estimate, exact_elbo, gradient_variance};
pub use gaussian_linear::GaussianLinear;
pub use implicit::Implicit;
pub use log_joint::{LogJoint, divergence_by_quadrature, log_evidence_by_quadrature, posterior_density};
pub use logistic_regression::LogisticRegression;
pub use mean_field::MeanField;
pub use one_latent::{ProbitTosses, SquaredMean};
pub use targets::Target;
