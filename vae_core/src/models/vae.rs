//! Section 3: the variational autoencoder. An encoder MLP gives q(z | x), a decoder MLP gives p(x | z).
//!
//! ```text
//! x [M, D] ─ encoder.0, encoder.1, … ─ posterior: μ, log σ² [M, 2 N_z]   (eq. 13)
//!                                          │ z = μ + σ ε, L times        (eq. 14)
//! z [M·L, N_z] ─ decoder.0, decoder.1, … ─ likelihood [M·L, ·]           (eqs. 10–12)
//! ```

use serde::{Deserialize, Serialize};

use crate::likelihoods::{Likelihood, LikelihoodConfig};
use crate::nn::{Activation, Init, Layout, Mlp};
use crate::numeric::Real;
use crate::posteriors::DiagonalGaussian;
use crate::rng::{Stream, rng};
use crate::{Error, Result};

/// Everything that determines the shape and the start of a [`Vae`], but for the width D of the data and the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// N_z, the number of latent dimensions.
    pub latent: usize,
    /// Widths of the encoder's hidden layers, from the data to the latent space.
    pub encoder: Vec<usize>,
    /// Widths of the decoder's hidden layers, from the latent space to the data.
    pub decoder: Vec<usize>,
    /// Nonlinearity of all hidden layers.
    pub activation: Activation,
    /// p(x | z).
    pub likelihood: LikelihoodConfig,
    /// Distribution of the initial weights.
    pub init: Init,
}

impl Default for ModelConfig {
    /// The report's MNIST model: 500 tanh units a side, N_z = 10, Bernoulli pixels, N(0, 0.01²).
    fn default() -> Self {
        Self {
            latent: 10,
            encoder: vec![500],
            decoder: vec![500],
            activation: Activation::Tanh,
            likelihood: LikelihoodConfig::Bernoulli,
            init: Init::Normal { std: 0.01 },
        }
    }
}

/// Layers beyond this width are refused: they would not fit any machine that this crate is for.
const MAX_WIDTH: usize = 1 << 20;

/// Models beyond this size are refused, for the same reason: parameters, gradient and optimiser would take 4 GiB and more.
const MAX_PARAMETERS: usize = 1 << 28;

impl ModelConfig {
    /// Checks all fields.
    ///
    /// # Errors
    /// [`Error::Config`] for a zero or absurd width, or too many parameters.
    pub fn validate(&self, d: usize) -> Result<()> {
        let widths = self.encoder.iter().map(|&w| ("model.encoder", w));
        let widths = widths.chain(self.decoder.iter().map(|&w| ("model.decoder", w)));
        for (field, width) in widths.chain([("model.latent", self.latent), ("data width", d)]) {
            if width == 0 || width > MAX_WIDTH {
                return Err(Error::config(field, format!("has a layer of {width} units; use 1 to {MAX_WIDTH}")));
            }
        }
        let head = Likelihood::<f32>::head_width(&self.likelihood, d);
        let chain = |inputs: usize, hidden: &[usize], head: usize| -> usize {
            let widths: Vec<usize> = std::iter::once(inputs).chain(hidden.iter().copied()).chain([head]).collect();
            widths.windows(2).fold(0, |sum: usize, w| sum.saturating_add((w[0] + 1).saturating_mul(w[1])))
        };
        let encoder = chain(d, &self.encoder, 2 * self.latent);
        let size = encoder.saturating_add(chain(self.latent, &self.decoder, head));
        if size > MAX_PARAMETERS {
            return Err(Error::config(
                "model",
                format!("has {size} parameters; use layers with at most {MAX_PARAMETERS}"),
            ));
        }
        self.init.validate()
    }
}

/// A variational autoencoder: its configuration, the layout of its parameters, and the parameters.
#[derive(Clone, Debug)]
pub struct Vae<F> {
    config: ModelConfig,
    d: usize,
    encoder: Mlp,
    decoder: Mlp,
    layout: Layout,
    params: Vec<F>,
}

impl<F: Real> Vae<F> {
    /// A new model for datapoints of width `d`; the weights are drawn from stream `Init` of the seed.
    ///
    /// # Errors
    /// [`Error::Config`] if the configuration makes no sense.
    pub fn new(config: &ModelConfig, d: usize, seed: u64) -> Result<Self> {
        config.validate(d)?;
        let mut layout = Layout::default();
        let n_z = config.latent;
        let (posterior, likelihood) = (2 * n_z, Likelihood::<F>::head_width(&config.likelihood, d));
        let f = config.activation;
        let encoder = Mlp::new(&mut layout, "encoder", d, &config.encoder, f, "posterior", posterior);
        let decoder = Mlp::new(&mut layout, "decoder", n_z, &config.decoder, f, "likelihood", likelihood);
        let mut params = vec![F::zero(); layout.len()];
        // A head that holds two things (μ and log σ²) is two layers side by side: its fan-out is that of one.
        let heads = [(&encoder, n_z), (&decoder, d)];
        for (mlp, part) in heads {
            for (k, layer) in mlp.layers().iter().enumerate() {
                let outputs = if k + 1 == mlp.layers().len() { part } else { layer.outputs };
                let mut rng = rng(seed, Stream::Init, layer.weight().start as u64);
                config.init.fill(&mut params[layer.weight()], layer.inputs, outputs, &mut rng);
            }
        }
        Ok(Self { config: config.clone(), d, encoder, decoder, layout, params })
    }

    /// The configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// D, the width of a datapoint.
    pub fn data_width(&self) -> usize {
        self.d
    }

    /// N_z.
    pub fn latent(&self) -> usize {
        self.config.latent
    }

    /// The encoder MLP.
    pub fn encoder(&self) -> &Mlp {
        &self.encoder
    }

    /// The decoder MLP.
    pub fn decoder(&self) -> &Mlp {
        &self.decoder
    }

    /// q(z | x).
    pub fn posterior(&self) -> DiagonalGaussian {
        DiagonalGaussian { n_z: self.config.latent }
    }

    /// p(x | z).
    pub fn likelihood(&self) -> LikelihoodConfig {
        self.config.likelihood
    }

    /// Names, shapes and places of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All parameters, θ and ϕ, in the order of the layout.
    pub fn params(&self) -> &[F] {
        &self.params
    }

    /// The two MLPs, which hold places only, and the parameters, to be changed.
    pub(crate) fn places_and_params(&mut self) -> (&Mlp, &Mlp, &mut [F]) {
        (&self.encoder, &self.decoder, &mut self.params)
    }

    /// All parameters, to be changed.
    pub fn params_mut(&mut self) -> &mut [F] {
        &mut self.params
    }
}
