//! Samples of a density that is known up to a factor, and what they say of that factor (Kingma & Welling, section 5 and appendix D).

pub mod harmonic;
pub mod hmc;

pub use harmonic::log_evidence;
pub use hmc::{Chains, Density, Hmc};
