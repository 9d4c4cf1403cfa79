//! Auto-Encoding Variational Bayes (Kingma & Welling, arXiv 1312.6114) and the MLSALT report on it, in Rust: the model,
//! its hand-derived gradients, the SGVB estimators, training, and the figures.
//!
//! ```
//! use vae_core::prelude::*;
//!
//! let data = DatasetConfig::new(DatasetKind::SyntheticDigits).load()?.truncated(500, 100);
//! let config = RunConfig::report(data.config).latent(2).budget(Budget::Epochs(2));
//! let mut trainer = Trainer::new(&config, &data)?;
//! trainer.fit(&data, &mut [])?;
//! assert!(trainer.history().last().is_some_and(|r| r.valid.bound > -400.0));
//! # Ok::<(), vae_core::Error>(())
//! ```
//!
//! # From the report to the code
//! | report | what | here |
//! |---|---|---|
//! | eqs. 1–6 | stochastic variational inference | [`svi`] |
//! | eqs. 8, 9 | SGVB estimators L^A and L^B, and others | [`estimators`], their gradient in [`step`] |
//! | eqs. 10, 11 | Gaussian decoder | [`likelihoods::Gaussian`] |
//! | eq. 12 | Bernoulli decoder | [`likelihoods::Bernoulli`] |
//! | eqs. 13, 14 | posterior q(z \| x) and its reparameterisation | [`posteriors::DiagonalGaussian`] |
//! | section 3 | p(z) = N(0, I) | [`priors::StandardNormal`] |
//! | section 3 | the variational autoencoder | [`models::vae`], MLPs in [`nn`] |
//! | algorithm 1 | training | [`train::trainer`], optimisers in [`optim`] |
//! | section 4.1 | manifolds | [`figures::Manifold`] |
//! | section 5 | reconstruction, autoencoder | [`inference`], [`posteriors::Point`] |
//! | section 5 | principal components | [`models::pca`] |
//! | section 6, eqs. 17–20 | q(θ), its samplings and priors | [`weights`], local reparameterisation in [`nn`], predictions in [`inference`] |
//! | section 7 | priors of nearly binary codes | [`priors::GaussianPair`], [`priors::Beta`], [`posteriors::Kumaraswamy`], [`inference::bits`], [`inference::align`] |
//! | section 7 | an implicit posterior | [`posteriors::SemiImplicit`] |
//! | section 7 | scheduled denoising, L^C | [`corruption`], [`corruption::NoiseSchedule`], [`models::Vae::denoising_bound`] |
//! | Kingma & Welling, section 5 | wake-sleep, Monte Carlo EM | [`config::Algorithm`], [`step::Ascent::dream`], [`step::LatentChains`] |
//! | Kingma & Welling, app. D | marginal likelihood by importance sampling, and by samples of the posterior | [`inference::marginal`], [`mcmc`] |
//!
//! # Choices
//! [`priors`], [`posteriors`], [`likelihoods`], [`estimators`], [`optim`], [`corruption`] and [`weights`] each hold one idea a file, and a
//! list in their `mod.rs` (`choices!`) from which the enum of the configuration and the dispatch follow. To add one:
//!
//! 1. A file with a struct and its trait, after the shortest one of the folder. The struct is `Clone, Copy, Debug, Default, PartialEq`; with
//!    numbers it is also `Serialize, Deserialize` with `#[serde(deny_unknown_fields)]`. Its name in snake case is that in JSON.
//! 2. In `mod.rs`: `mod my_prior;`, and in `choices!` `my_prior::MyPrior,` or, with numbers, `my_prior::MyPrior(MyPrior),`.
//!
//! The tests over `all()` then check its gradient, density, mean, draws and quantiles. Elementary functions are those of [`numeric::Real`]
//! (`exp_v` and its kin become vector code, `ln` and others of `num_traits::Float` do not), loops those of [`numeric::vmath`]. A posterior
//! and a prior with a divergence in closed form are a line in [`posteriors::closed_kl`]; without one L^B is refused.
//!
//! # Notation
//! x a datapoint of D pixels, z its N_z latent variables, μ and log σ² the parameters of q(z | x), ε the noise; N
//! datapoints, M of them in a minibatch, L samples of z for each. Matrices are row-major, one datapoint a row: x `[M, D]`,
//! z `[M·L, N_z]` with the L samples of a datapoint in consecutive rows. All bounds are **nats per datapoint**. Gradients
//! are those of the bound, to be ascended.
//!
//! # Speed
//! [`numeric::Real`] has two precisions and two speeds: `f64` is the plain reference, `f32` the fast path. That is a product whose
//! bits do not depend on how the work is divided (`numeric/product.rs`), one that leaves out the zeros of x
//! ([`numeric::block_sparse`]), elementary functions without branches ([`numeric::vmath`]), and an update that never writes
//! the gradient ([`step::Ascent`]), on the threads of [`threads`] and the instructions of [`numeric::isa`].
//! [`Precision`](numeric::bf16::Precision) chooses bf16 for the products. `tests/fast_core.rs` holds the two against each other.
//!
//! # Results
//! A run is a pure function of its [`config::RunConfig`]; [`runs::RunStore`] keeps its result under the hash of that, goes on
//! with one that was cut off, and trains any other; [`live`] shows it meanwhile, and SIGINT stops it ([`kernel`]). Random numbers come from named
//! streams of one seed ([`rng`]). Precision is `f32` for training; the same code runs in `f64` for the checks
//! ([`numeric::Real`]).

mod checksum;
mod choices;
pub mod config;
pub mod corruption;
pub mod data;
pub mod environment;
pub mod error;
pub mod estimators;
pub mod figures;
pub mod files;
pub mod inference;
pub mod kernel;
pub mod likelihoods;
pub mod live;
pub mod mcmc;
pub mod models;
pub mod nn;
pub mod numeric;
pub mod optim;
pub mod posteriors;
pub mod prelude;
pub mod priors;
pub mod reference;
pub mod rng;
pub mod runs;
pub mod step;
pub mod svi;
pub mod threads;
pub mod train;
pub mod weights;

pub use error::{Error, Result};
// A notebook can only keep values whose types it can name.
pub use {ndarray, ndarray_rand, plotters, rand, rand_distr, serde_json};
