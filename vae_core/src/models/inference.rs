//! Using a trained model: encode, decode, reconstruct, sample, interpolate, score.
//!
//! Images are `[M, D]` of preprocessed values, latent vectors `[M, N_z]`. Nothing here changes the model, and every
//! draw comes from a seed.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand_distr::{Distribution, StandardNormal};

use super::Vae;
use crate::estimators::marginal::log_marginal;
use crate::estimators::{Bound, Estimator, Workspace};
use crate::likelihoods::Likelihood;
use crate::nn::dense::Input;
use crate::rng::{Stream, rng};
use crate::threads::{self, Pool};
use crate::{Error, Result};

/// How a latent posterior becomes one reconstruction (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decode {
    /// Decode the posterior's mean.
    Mean,
    /// Decode samples and average them.
    Samples {
        /// How many samples.
        samples: usize,
        /// Seed of their noise.
        seed: u64,
    },
}

/// Rows that are taken at once.
const BLOCK: usize = 500;

impl Vae<f32> {
    /// μ and log σ² of q(z | x), each `[M, N_z]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`.
    pub fn encode(&self, x: &Array2<f32>) -> Result<(Array2<f32>, Array2<f32>)> {
        let n_z = self.latent();
        let head = self.run_blocks(self.encoder(), x, "x [M, D]")?;
        let (mu, log_var) = head.view().split_at(Axis(1), n_z);
        Ok((mu.as_standard_layout().into_owned(), log_var.as_standard_layout().into_owned()))
    }

    /// E[x | z] `[M, D]` of z `[M, N_z]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if z is not `[M, N_z]`.
    pub fn decode(&self, z: &Array2<f32>) -> Result<Array2<f32>> {
        let d = self.data_width();
        let head = self.run_blocks(self.decoder(), z, "z [M, N_z]")?;
        let mut mean = vec![0.0; z.nrows() * d];
        self.likelihood().mean(&slice(head.view()), d, &mut mean);
        array(z.nrows(), d, mean)
    }

    /// Reconstructions `[M, D]` of x `[M, D]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`, [`Error::Config`] for zero samples.
    pub fn reconstruct(&self, x: &Array2<f32>, how: Decode) -> Result<Array2<f32>> {
        let (mu, log_var) = self.encode(x)?;
        let Decode::Samples { samples, seed } = how else { return self.decode(&mu) };
        if samples == 0 {
            return Err(Error::config("samples", "is 0; average at least one sample"));
        }
        let sigma = log_var.mapv(|s| (0.5 * s).exp());
        let mut sum = Array2::zeros((x.nrows(), self.data_width()));
        for k in 0..samples {
            let noise = normals(x.nrows(), self.latent(), seed, Stream::Evaluation, k as u64);
            sum += &self.decode(&(&mu + &(&sigma * &noise)))?;
        }
        Ok(sum / samples as f32)
    }

    /// E[x | z] `[n, D]` for `n` draws of z from the prior.
    ///
    /// # Errors
    /// None that a valid model can cause.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Array2<f32>> {
        self.decode(&normals(n, self.latent(), seed, Stream::Prior, 0))
    }

    /// `n` draws of x `[n, D]` from the model: z from the prior, then x from p(x | z), pixel noise included.
    ///
    /// # Errors
    /// None that a valid model can cause.
    pub fn sample_pixels(&self, n: usize, seed: u64) -> Result<Array2<f32>> {
        let z = normals(n, self.latent(), seed, Stream::Prior, 0);
        let head = self.run_blocks(self.decoder(), &z, "z [M, N_z]")?;
        let mut x = vec![0.0; n * self.data_width()];
        let mut rng = rng(seed, Stream::Prior, 1);
        self.likelihood().sample(&slice(head.view()), self.data_width(), &mut rng, &mut x);
        array(n, self.data_width(), x)
    }

    /// `steps` images `[steps, D]` on the line between the posterior means of the first and the second row of `ends`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `ends` is not `[2, D]`, [`Error::Config`] for fewer than two steps.
    pub fn interpolate(&self, ends: &Array2<f32>, steps: usize) -> Result<Array2<f32>> {
        if ends.nrows() != 2 {
            return Err(shape("ends", [2, self.data_width()], ends));
        }
        if steps < 2 {
            return Err(Error::config("steps", format!("is {steps}; an interpolation has at least its two ends")));
        }
        let (mu, _) = self.encode(ends)?;
        self.decode(&Array2::from_shape_fn((steps, self.latent()), |(k, j)| {
            let t = k as f32 / (steps - 1) as f32;
            (1.0 - t) * mu[[0, j]] + t * mu[[1, j]]
        }))
    }

    /// The lower bound of x `[M, D]`, with L samples per datapoint, nats per datapoint.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`.
    pub fn elbo(&self, x: &Array2<f32>, estimator: Estimator, seed: u64) -> Result<Bound> {
        estimator.validate()?;
        self.check(self.data_width(), x, "x [M, D]")?;
        let (x, d) = (slice(x.view()), self.data_width());
        let at = (seed, threads::available()?);
        self.elbo_of_blocks(x.len() / d, estimator, at, |first, count| Ok(x[first * d..(first + count) * d].to_vec()))
    }

    /// The lower bound over `n` datapoints that `block(first, count)` supplies; block b uses index b of the evaluation stream.
    pub(crate) fn elbo_of_blocks(
        &self,
        n: usize,
        estimator: Estimator,
        (seed, threads): (u64, usize),
        block: impl Fn(usize, usize) -> Result<Vec<f32>> + Sync,
    ) -> Result<Bound> {
        if n == 0 {
            return Err(Error::config("x", "has no rows; a bound needs at least one datapoint"));
        }
        let size = (BLOCK / estimator.samples).clamp(1, n);
        // one workspace for each thread, made when it begins
        let workspaces = Pool::new(|| Workspace::new(self, &estimator, size, false).for_values_of(self));
        let parts = threads::in_parallel(n.div_ceil(size), threads, |b| {
            let (first, count) = (b * size, size.min(n - b * size));
            workspaces.with(|ws| {
                ws.draw_noise(count, self.latent(), &mut rng(seed, Stream::Evaluation, b as u64))?;
                Ok((estimator.value(self, &block(first, count)?, ws)?, count as f64))
            })
        })?;
        let (mut reconstruction, mut kl) = (0.0, 0.0);
        for (part, count) in parts {
            reconstruction += part.reconstruction * count;
            kl += part.kl * count;
        }
        Ok(Bound::new(reconstruction / n as f64, kl / n as f64))
    }

    /// log p(x) `[M]` of each row of x `[M, D]` by importance sampling with `k` samples, nats.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`, [`Error::Config`] for k = 0.
    pub fn log_marginal(&self, x: &Array2<f32>, k: usize, seed: u64) -> Result<Array1<f64>> {
        self.check(self.data_width(), x, "x [M, D]")?;
        Ok(Array1::from(log_marginal(self, &slice(x.view()), k, (seed, threads::available()?))?))
    }

    /// D_KL(q(z_j | x) ‖ p(z_j)) of each latent dimension `[N_z]`, averaged over x `[M, D]`, nats.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`.
    pub fn kl_per_dimension(&self, x: &Array2<f32>) -> Result<Array1<f64>> {
        let head = self.run_blocks(self.encoder(), x, "x [M, D]")?;
        let mut sums = vec![0.0; self.latent()];
        self.posterior().add_kl_per_dimension(&slice(head.view()), &mut sums);
        Ok(Array1::from(sums) / x.nrows().max(1) as f64)
    }

    /// The head `[M, head]` of an MLP on x, block by block.
    fn run_blocks(&self, mlp: &crate::nn::Mlp, x: &Array2<f32>, what: &'static str) -> Result<Array2<f32>> {
        let (inputs, outputs) = (mlp.inputs(), mlp.outputs());
        self.check(inputs, x, what)?;
        let mut trace = mlp.trace(BLOCK.min(x.nrows()), false);
        let mut head = Vec::with_capacity(x.nrows() * outputs);
        for block in slice(x.view()).chunks(BLOCK * inputs) {
            let rows = block.len() / inputs;
            mlp.forward(self.params(), Input::dense(block), &mut trace, rows)?;
            head.extend_from_slice(&trace.head()[..rows * outputs]);
        }
        array(x.nrows(), outputs, head)
    }

    fn check(&self, width: usize, x: &Array2<f32>, what: &'static str) -> Result<()> {
        if x.ncols() != width {
            return Err(shape(what, [x.nrows(), width], x));
        }
        match x.iter().find(|v| !v.is_finite()) {
            Some(&v) => Err(Error::NonFinite { step: 0, quantity: what.into(), value: v.into() }),
            None => Ok(()),
        }
    }
}

/// N(0, I) `[n, n_z]`.
fn normals(n: usize, n_z: usize, seed: u64, stream: Stream, index: u64) -> Array2<f32> {
    let mut rng = rng(seed, stream, index);
    Array2::from_shape_simple_fn((n, n_z), || StandardNormal.sample(&mut rng))
}

/// The values in row-major order, copied only if they are not so already.
fn slice(x: ArrayView2<'_, f32>) -> std::borrow::Cow<'_, [f32]> {
    match x.to_slice() {
        Some(s) => std::borrow::Cow::Borrowed(s),
        None => std::borrow::Cow::Owned(x.iter().copied().collect()),
    }
}

fn array(rows: usize, cols: usize, values: Vec<f32>) -> Result<Array2<f32>> {
    Array2::from_shape_vec((rows, cols), values).map_err(|e| Error::Shape {
        what: "matrix",
        expected: format!("[{rows}, {cols}]"),
        found: e.to_string(),
    })
}

fn shape(what: &'static str, expected: [usize; 2], found: &Array2<f32>) -> Error {
    Error::Shape { what, expected: format!("{expected:?}"), found: format!("{:?}", found.shape()) }
}
