//! What the recognition model says of z: q(z | x), and its reparameterisation.

use std::ops::Range;

use crate::Result;
use crate::numeric::Real;
use crate::numeric::real::fill_normals;
use crate::priors::Support;
use crate::rng::Rng;

/// The extents of a step's latent variables: rows = M·L, the L samples of a datapoint in consecutive rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// M, datapoints.
    pub m: usize,
    /// L, samples of each.
    pub l: usize,
    /// N_z.
    pub n_z: usize,
}

impl Shape {
    /// M·L.
    pub fn rows(self) -> usize {
        self.m * self.l
    }

    /// Values of z: M·L·N_z.
    pub fn len(self) -> usize {
        self.rows() * self.n_z
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Noise, and the z that the head made of it.
#[derive(Clone, Copy, Debug)]
pub struct Drawn<'a, F> {
    /// `[M·L, noise]`.
    pub noise: &'a [F],
    /// `[M·L, N_z]`.
    pub z: &'a [F],
}

/// What a posterior wants of the encoder and of the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Width of the encoder's head.
    pub width: usize,
    /// Width of each of the parts that it holds side by side, say μ and log σ²: the fan-out of its initial weights.
    pub part: usize,
    /// Noise values a sample of z.
    pub noise: usize,
    /// Width of the noise ψ that is fed to the encoder; 0 for none.
    pub injected: usize,
    /// With such noise, rows of the head a datapoint that have no sample of z of their own.
    pub inner: usize,
}

impl Head {
    /// One row a datapoint.
    pub fn plain(width: usize, part: usize, noise: usize) -> Self {
        Self { width, part, noise, injected: 0, inner: 0 }
    }

    /// Rows of the head a datapoint, for L samples of z.
    pub fn rows(self, l: usize) -> usize {
        if self.injected == 0 { 1 } else { l + self.inner }
    }
}

/// A family of densities whose parameters are the encoder's head `[M, width]`, or `[M·rows, width]` (see [`Head::rows`]). Noise is `[M·L, noise]`, z and dz `[M·L, N_z]`,
/// weights and log-densities `[M·L]`, in nats.
pub trait Posterior<F: Real>: std::fmt::Debug + Send + Sync {
    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) naming the number.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Widths, for N_z latent dimensions.
    fn head(&self, n_z: usize) -> Head;

    /// Where a row of the head holds log σ² of N_z dimensions, if it does.
    fn log_variance_places(&self, _n_z: usize) -> Option<Range<usize>> {
        None
    }

    /// Whether it can be one of z that live there. Of (0, 1) it is one of y = logit z: a Gaussian is then a logit-normal.
    fn lives_on(&self, _support: Support) -> bool {
        true
    }

    /// Whether log q(z | x) exists. If not, the functions below that speak of it are not called.
    fn has_density(&self) -> bool {
        true
    }

    /// Whether z is differentiable in the head, so that the gradient is one. If not, it is what [`backward`](Self::backward) makes of it.
    fn has_derivative(&self) -> bool {
        true
    }

    /// The noise, by default of N(0, I).
    fn draw(&self, rng: &mut Rng, noise: &mut [F]) {
        fill_normals(noise, rng);
    }

    /// z of the head and the noise.
    fn sample(&self, head: &[F], at: Shape, noise: &[F], z: &mut [F]);

    /// Whether [`noise_of`](Self::noise_of) is known.
    fn has_inverse(&self) -> bool {
        false
    }

    /// The noise with which the head makes this z, where z is given: the inverse of [`sample`](Self::sample), which not every posterior has.
    fn noise_of(&self, _head: &[F], _at: Shape, _z: &[F], noise: &mut [F]) {
        noise.fill(F::nan());
    }

    /// log q(z | x).
    fn log_prob(&self, head: &[F], at: Shape, drawn: Drawn<'_, F>, log_q: &mut [F]);

    /// `dz ← dz + w_r ∂ log q / ∂z`.
    fn add_path(&self, head: &[F], at: Shape, drawn: Drawn<'_, F>, weights: &[F], dz: &mut [F]);

    /// The way back: `d_head` `[M, width]` (overwritten) ← Σ_l (∂z/∂head)ᵀ dz, and, with score weights s, + s_r ∂ log q / ∂head at fixed z.
    fn backward(&self, head: &[F], at: Shape, drawn: Drawn<'_, F>, dz: &[F], score: Option<&[F]>, d_head: &mut [F]);

    /// `d_head ← d_head + Σ_l w_r d log q(z(head)) / d head` with the noise held fixed: path and score together, which cancel in part.
    fn add_log_prob_gradient(&self, head: &[F], at: Shape, drawn: Drawn<'_, F>, weights: &[F], d_head: &mut [F]);

    /// The code that is drawn and decoded: the mean or another centre of q `[M, N_z]`.
    fn centre(&self, head: &[F], n_z: usize, centre: &mut [F]);

    /// The logarithm of the variance of each code about its centre `[M, N_z]`.
    fn log_variance(&self, head: &[F], n_z: usize, log_variance: &mut [F]);
}
