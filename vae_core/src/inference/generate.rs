//! Encode, decode, reconstruct, sample, interpolate.
//!
//! Images are `[M, D]` of preprocessed values, latent vectors `[M, N_z]`. Nothing here changes the model, and every
//! draw comes from a seed.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::models::Vae;
use crate::nn::Mlp;
use crate::nn::dense::Input;
use crate::rng::{Rng, Stream, rng};
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
    /// Gaussian weights are at their means here and in [`decode`](Self::decode). The centre of q(z | x), which is decoded and drawn, and the logarithm of its variance, each `[M, N_z]`: for a Gaussian μ and
    /// log σ², for a point the code and −∞. x is taken as it is, without corruption.
    ///
    /// Codes in (0, 1) are those that the decoder sees, and the variance is that of their logit.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`.
    pub fn encode(&self, x: &Array2<f32>) -> Result<(Array2<f32>, Array2<f32>)> {
        let (n_z, head, posterior) = (self.latent(), self.run_blocks(self.encoder(), x, "x [M, D]")?, self.posterior());
        let (mut centre, mut log_variance) = (vec![0.0; x.nrows() * n_z], vec![0.0; x.nrows() * n_z]);
        posterior.get().centre(&slice(head.view()), n_z, &mut centre);
        posterior.get().log_variance(&slice(head.view()), n_z, &mut log_variance);
        self.to_codes(&mut centre);
        Ok((array(x.nrows(), n_z, centre)?, array(x.nrows(), n_z, log_variance)?))
    }

    /// E[x | z] `[M, D]` of z `[M, N_z]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if z is not `[M, N_z]`.
    pub fn decode(&self, z: &Array2<f32>) -> Result<Array2<f32>> {
        let d = self.data_width();
        let head = self.run_blocks(self.decoder(), z, "z [M, N_z]")?;
        let mut mean = vec![0.0; z.nrows() * d];
        self.likelihood().get().mean(&slice(head.view()), d, &mut mean);
        array(z.nrows(), d, mean)
    }

    /// Reconstructions `[M, D]` of x `[M, D]`; with Gaussian weights the mean over samples of them.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`, [`Error::Config`] for zero samples.
    pub fn reconstruct(&self, x: &Array2<f32>, how: Decode) -> Result<Array2<f32>> {
        if self.gaussian().is_some() {
            let seed = if let Decode::Samples { seed, .. } = how { seed } else { 0 };
            let models = self.realisations(seed);
            let mut sum = Array2::zeros((x.nrows(), self.data_width()));
            for model in &models {
                sum += &model.reconstruct(x, how)?;
            }
            return Ok(sum / models.len() as f32);
        }
        let Decode::Samples { samples, seed } = how else { return self.decode(&self.encode(x)?.0) };
        if samples == 0 {
            return Err(Error::config("samples", "is 0; average at least one sample"));
        }
        let head = self.run_blocks(self.encoder(), x, "x [M, D]")?;
        let mut sum = Array2::zeros((x.nrows(), self.data_width()));
        for k in 0..samples {
            sum += &self.decode(&self.codes_from(x, &head, &mut rng(seed, Stream::Evaluation, k as u64))?)?;
        }
        Ok(sum / samples as f32)
    }

    /// One draw of z from q(z | x) for each x `[M, D]`, as the decoder sees it `[M, N_z]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`.
    pub fn sample_codes(&self, x: &Array2<f32>, seed: u64) -> Result<Array2<f32>> {
        let head = self.run_blocks(self.encoder(), x, "x [M, D]")?;
        self.codes_from(x, &head, &mut rng(seed, Stream::Evaluation, 0))
    }

    /// The same with the encoder's head on x, which noise beside x replaces.
    fn codes_from(&self, x: &Array2<f32>, head: &Array2<f32>, rng: &mut Rng) -> Result<Array2<f32>> {
        let (at, posterior) = (self.shape(x.nrows(), 1), self.posterior());
        let (mut noise, mut z) = (vec![0.0; at.rows() * self.head().noise], vec![0.0; at.len()]);
        let with_noise = match self.encoder().injection() {
            Some(_) => Some(self.run_blocks_with(self.encoder(), x, "x [M, D]", Some(&mut *rng))?),
            None => None,
        };
        let head = with_noise.as_ref().unwrap_or(head);
        posterior.get().draw(rng, &mut noise);
        posterior.get().sample(&slice(head.view()), at, &noise, &mut z);
        self.to_codes(&mut z);
        array(at.m, at.n_z, z)
    }

    /// log p(x | z) `[M]` in nats of x `[M, D]` at codes z `[M, N_z]` as the decoder sees them; a Bernoulli decoder's cross-entropy is its negative.
    ///
    /// # Errors
    /// [`Error::Shape`] if a shape does not fit, [`Error::Data`] for a value of x that the likelihood cannot have.
    pub fn log_likelihood(&self, x: &Array2<f32>, z: &Array2<f32>) -> Result<Array1<f64>> {
        self.check_pixels(x)?;
        if z.nrows() != x.nrows() {
            return Err(shape("z", [x.nrows(), self.latent()], z));
        }
        let head = self.run_blocks(self.decoder(), z, "z [M, N_z]")?;
        let mut log_px = vec![0.0f32; x.nrows()];
        self.likelihood().get().log_prob(&slice(x.view()), &slice(head.view()), self.pixels(1), &mut log_px);
        Ok(log_px.into_iter().map(f64::from).collect())
    }

    /// Squared error of each reconstruction, summed over pixels `[M]`, in the units of x; Fig. 7 shows its mean over images.
    ///
    /// # Errors
    /// As [`reconstruct`](Self::reconstruct).
    pub fn squared_errors(&self, x: &Array2<f32>, how: Decode) -> Result<Array1<f64>> {
        let difference = x - &self.reconstruct(x, how)?;
        Ok(difference.map_axis(Axis(1), |row| row.iter().map(|&v| f64::from(v).powi(2)).sum()))
    }

    /// E[x | z] `[n, D]` for `n` draws of z from the prior.
    ///
    /// # Errors
    /// None that a valid model can cause.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Array2<f32>> {
        self.decode(&self.draw_codes(n, seed)?)
    }

    /// `n` draws of x `[n, D]` from the model: z from the prior, then x from p(x | z), pixel noise included.
    ///
    /// # Errors
    /// None that a valid model can cause.
    pub fn sample_pixels(&self, n: usize, seed: u64) -> Result<Array2<f32>> {
        let head = self.run_blocks(self.decoder(), &self.draw_codes(n, seed)?, "z [M, N_z]")?;
        let mut x = vec![0.0; n * self.data_width()];
        let mut rng = rng(seed, Stream::Prior, 1);
        self.likelihood().get().sample(&slice(head.view()), self.pixels(1), &mut rng, &mut x);
        array(n, self.data_width(), x)
    }

    /// `n` draws of z `[n, N_z]` from the prior.
    fn draw_codes(&self, n: usize, seed: u64) -> Result<Array2<f32>> {
        let (n_z, prior) = (self.latent(), self.prior());
        let mut z = vec![0.0; n * n_z];
        prior.get().draw(n_z, &mut rng(seed, Stream::Prior, 0), &mut z);
        self.to_codes(&mut z);
        array(n, n_z, z)
    }

    /// `steps` images `[steps, D]` on the line between the centres of the posteriors of the first and the second row of `ends`.
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

    /// The head `[M, head]` of an MLP on x, block by block.
    pub(super) fn run_blocks(&self, mlp: &Mlp, x: &Array2<f32>, what: &'static str) -> Result<Array2<f32>> {
        self.run_blocks_with(mlp, x, what, None)
    }

    /// The same with noise beside x, one draw a row, for a network that takes it.
    fn run_blocks_with(
        &self,
        mlp: &Mlp,
        x: &Array2<f32>,
        what: &'static str,
        mut noise: Option<&mut Rng>,
    ) -> Result<Array2<f32>> {
        let (inputs, outputs, most) = (mlp.inputs(), mlp.outputs(), BLOCK.min(x.nrows()));
        self.check(inputs, x, what)?;
        let mut trace = mlp.trace(most, false);
        if noise.is_some() {
            trace = mlp.injected(trace, most);
        }
        let mut head = Vec::with_capacity(x.nrows() * outputs);
        for block in slice(x.view()).chunks(BLOCK * inputs) {
            let rows = block.len() / inputs;
            if let Some(rng) = noise.as_deref_mut() {
                mlp.draw_injection(&mut trace, rows, rng);
            }
            mlp.forward_injected(self.params(), Input::dense(block), &mut trace, (rows, 1))?;
            head.extend_from_slice(&trace.head()[..rows * outputs]);
        }
        array(x.nrows(), outputs, head)
    }

    pub(super) fn check(&self, width: usize, x: &Array2<f32>, what: &'static str) -> Result<()> {
        if x.ncols() != width {
            return Err(shape(what, [x.nrows(), width], x));
        }
        match x.iter().find(|v| !v.is_finite()) {
            Some(&v) => Err(Error::NonFinite { step: 0, quantity: what.into(), value: v.into() }),
            None => Ok(()),
        }
    }
}

/// The values in row-major order, copied only if they are not so already.
pub(super) fn slice(x: ArrayView2<'_, f32>) -> std::borrow::Cow<'_, [f32]> {
    match x.to_slice() {
        Some(s) => std::borrow::Cow::Borrowed(s),
        None => std::borrow::Cow::Owned(x.iter().copied().collect()),
    }
}

pub(super) fn array(rows: usize, cols: usize, values: Vec<f32>) -> Result<Array2<f32>> {
    Array2::from_shape_vec((rows, cols), values).map_err(|e| Error::Shape {
        what: "matrix",
        expected: format!("[{rows}, {cols}]"),
        found: e.to_string(),
    })
}

fn shape(what: &'static str, expected: [usize; 2], found: &Array2<f32>) -> Error {
    Error::Shape { what, expected: format!("{expected:?}"), found: format!("{:?}", found.shape()) }
}
