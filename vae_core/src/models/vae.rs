//! Section 3: the variational autoencoder. An encoder MLP gives q(z | x), a decoder MLP gives p(x | z); prior, posterior, likelihood and
//! corruption are choices. With a point for a posterior it is a plain autoencoder (section 5).
//!
//! ```text
//! x̃ [M, D] ─ encoder.0, encoder.1, … ─ posterior [M, ·]: μ, log σ²       (eq. 13)
//!                                          │ z = μ + σ ε, L times        (eq. 14)
//! z [M·L, N_z] ─ decoder.0, decoder.1, … ─ likelihood [M·L, ·]           (eqs. 10–12)
//! ```

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::choices::{is_default, positive};
use crate::corruption::CorruptionConfig;
use crate::likelihoods::{LikelihoodConfig, Pixels};
use crate::nn::dense::Dense;
use crate::nn::{Activation, Init, Layout, Mlp};
use crate::numeric::real::sigmoid;
use crate::numeric::{Real, vmath};
use crate::posteriors::{Head, PosteriorConfig, Shape};
use crate::priors::{PriorConfig, Support};
use crate::rng::{Stream, rng};
use crate::weights::{Networks, Sampling, WeightsConfig};
use crate::{Error, Result};

/// Everything that determines the shape and the start of a [`Vae`], but for the width D of the data and the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// p(z). This and what follows is not written down where it is the default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prior: PriorConfig,
    /// q(z | x).
    #[serde(default, skip_serializing_if = "is_default")]
    pub posterior: PosteriorConfig,
    /// σ of q(z | x) at the start, where the posterior has a log σ²; 1 if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior_sd: Option<f64>,
    /// What happens to x before the encoder sees it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub corruption: CorruptionConfig,
    /// q(θ).
    #[serde(default, skip_serializing_if = "is_default")]
    pub weights: WeightsConfig,
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
            prior: PriorConfig::default(),
            posterior: PosteriorConfig::default(),
            posterior_sd: None,
            corruption: CorruptionConfig::default(),
            weights: WeightsConfig::default(),
        }
    }
}

/// Before the name of a tensor, the name of that of its ρ.
pub(crate) const RHO: &str = "rho.";

/// Layers beyond this width are refused: they would not fit any machine that this crate is for.
const MAX_WIDTH: usize = 1 << 20;

/// Models beyond this size are refused, for the same reason: parameters, gradient and optimiser would take 4 GiB and more.
const MAX_PARAMETERS: usize = 1 << 28;

impl ModelConfig {
    /// Checks all fields.
    ///
    /// # Errors
    /// [`Error::Config`] for a zero or absurd width, too many parameters, numbers of a choice that make no sense, or a prior and a
    /// posterior that live on different sets.
    pub fn validate(&self, d: usize) -> Result<()> {
        let widths = self.encoder.iter().map(|&w| ("model.encoder", w));
        let widths = widths.chain(self.decoder.iter().map(|&w| ("model.decoder", w)));
        for (field, width) in widths.chain([("model.latent", self.latent), ("data width", d)]) {
            if width == 0 || width > MAX_WIDTH {
                return Err(Error::config(field, format!("has a layer of {width} units; use 1 to {MAX_WIDTH}")));
            }
        }
        let (prior, posterior) = (self.prior.get::<f32>(), self.posterior.get::<f32>());
        let likelihood = self.likelihood.get::<f32>();
        prior.validate()?;
        posterior.validate()?;
        likelihood.validate()?;
        self.corruption.get::<f32>().validate()?;
        self.weights.get::<f32>().validate()?;
        if !posterior.lives_on(prior.support()) {
            let (p, q) = (self.prior.name(), self.posterior.name());
            let reason = format!("is {q}, which cannot live where the prior {p} does: {:?}", prior.support());
            return Err(Error::config("model.posterior", reason));
        }
        if let Some(sd) = self.posterior_sd {
            positive("model.posterior_sd", sd)?;
            if posterior.log_variance_places(self.latent).is_none() {
                let reason = format!("is given, but {} has no log σ² to start from it", self.posterior.name());
                return Err(Error::config("model.posterior_sd", reason));
            }
        }
        let of_encoder = self.weights.gaussian().is_some_and(|q| q.networks == Networks::Both);
        if of_encoder && self.posterior.get::<f32>().head(1).injected > 0 {
            let reason = "has Gaussian weights in an encoder that is fed with noise; give them to the decoder only";
            return Err(Error::config("model.weights.networks", reason));
        }
        let (encoder, decoder) = self.sizes(d);
        let planes = if self.weights.gaussian().is_some() { 2 } else { 1 };
        let size = encoder.saturating_add(decoder).saturating_mul(planes);
        if size > MAX_PARAMETERS {
            return Err(Error::config(
                "model",
                format!("has {size} parameters; use layers with at most {MAX_PARAMETERS}"),
            ));
        }
        self.init.validate()
    }

    /// Parameters of the encoder's layers and of the decoder's.
    pub(crate) fn sizes(&self, d: usize) -> (usize, usize) {
        let chain = |inputs: usize, hidden: &[usize], head: usize| -> usize {
            let widths: Vec<usize> = std::iter::once(inputs).chain(hidden.iter().copied()).chain([head]).collect();
            widths.windows(2).fold(0, |sum: usize, w| sum.saturating_add((w[0] + 1).saturating_mul(w[1])))
        };
        let (posterior, likelihood) = (self.posterior.get::<f32>(), self.likelihood.get::<f32>());
        let head = posterior.head(self.latent);
        let first = self.encoder.first().copied().unwrap_or(head.width);
        let encoder = chain(d, &self.encoder, head.width).saturating_add(head.injected.saturating_mul(first));
        (encoder, chain(self.latent, &self.decoder, likelihood.head_width(d)))
    }
}

/// A variational autoencoder: its configuration, the layout of its parameters, and the parameters.
#[derive(Clone, Debug)]
pub struct Vae<F> {
    config: ModelConfig,
    d: usize,
    encoder: Mlp,
    decoder: Mlp,
    /// Where the likelihood's parameter of its own lies.
    shared: Option<usize>,
    gaussian: Option<GaussianPlane>,
    layout: Layout,
    params: Vec<F>,
}

/// Where the second numbers of Gaussian weights lie: ρ of weight i is at `rho + i − weights.start`.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianPlane {
    /// The weights that are Gaussian, by their μ: neighbouring layers.
    pub weights: Range<usize>,
    /// The ranges of those layers, weights and biases together.
    pub layers: Vec<Range<usize>>,
    /// The first ρ.
    pub rho: usize,
    /// The weights that the seed drew, if the sampling keeps to them (see [`Sampling::AuthorsNever`]); otherwise none.
    pub(crate) drawn: Vec<f64>,
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
        let (posterior, likelihood) = (config.posterior.get::<F>().head(n_z), config.likelihood.get::<F>());
        let f = config.activation;
        let encoder = Mlp::new(&mut layout, "encoder", d, &config.encoder, f, "posterior", posterior.width);
        let encoder = match posterior.injected {
            0 => encoder,
            width => encoder.with_injection(&mut layout, "encoder.noise", width),
        };
        let decoder = Mlp::new(&mut layout, "decoder", n_z, &config.decoder, f, "likelihood", likelihood.head_width(d));
        let shared = likelihood.shared().map(|value| (layout.push("likelihood.shared", &[1]).start, value));
        let mut gaussian = config.weights.gaussian().map(|q| {
            let both = q.networks == Networks::Both;
            let covered = encoder.layers().iter().filter(|_| both).chain(decoder.layers());
            let layers: Vec<_> = covered.map(Dense::range).collect();
            let weights = layers.first().map_or(0, |r| r.start)..layers.last().map_or(0, |r| r.end);
            let rho = layout.len();
            let tensors: Vec<_> = layout.tensors().to_vec();
            for tensor in tensors.iter().filter(|tensor| weights.contains(&tensor.offset)) {
                layout.push(format!("{RHO}{}", tensor.name), &tensor.shape);
            }
            GaussianPlane { weights, layers, rho, drawn: Vec::new() }
        });
        let mut params = vec![F::zero(); layout.len()];
        if let (Some(plane), Some(q)) = (&gaussian, config.weights.gaussian()) {
            params[plane.rho..].fill(F::of(q.form.rho(q.start)));
        }
        if let Some((place, value)) = shared {
            params[place] = F::of(value);
        }
        // A head that holds two things (μ and log σ²) is two layers side by side: its fan-out is that of one.
        let heads = [(&encoder, posterior.part), (&decoder, d)];
        for (mlp, part) in heads {
            for (k, layer) in mlp.layers().iter().enumerate() {
                let outputs = if k + 1 == mlp.layers().len() { part } else { layer.outputs };
                let mut rng = rng(seed, Stream::Init, layer.weight().start as u64);
                config.init.fill(&mut params[layer.weight()], layer.inputs, outputs, &mut rng);
            }
        }
        let log_variances = config.posterior.get::<F>().log_variance_places(n_z);
        if let (Some(sd), Some(places), Some(head)) = (config.posterior_sd, log_variances, encoder.layers().last()) {
            params[head.bias()][places].fill(F::of(2.0 * sd.ln()));
        }
        if let Some(noise) = encoder.injection() {
            let mut rng = rng(seed, Stream::Init, noise.weight().start as u64);
            config.init.fill(&mut params[noise.weight()], noise.inputs, noise.outputs, &mut rng);
        }
        let keeps = config.weights.gaussian().is_some_and(|q| q.sampling == Sampling::AuthorsNever);
        if let (true, Some(plane)) = (keeps, &mut gaussian) {
            plane.drawn = params[..plane.rho].iter().map(|p| p.f64()).collect();
        }
        let shared = shared.map(|(place, _)| place);
        Ok(Self { config: config.clone(), d, encoder, decoder, shared, gaussian, layout, params })
    }

    /// The same whose encoder sees x corrupted otherwise, or as it is.
    #[must_use]
    pub fn with_corruption(mut self, corruption: impl Into<CorruptionConfig>) -> Self {
        self.config.corruption = corruption.into();
        self
    }

    /// The same with these weights, a point.
    pub(crate) fn at_point(&self, theta: Vec<F>) -> Self {
        let config = ModelConfig { weights: WeightsConfig::Point, ..self.config.clone() };
        let mut layout = self.layout.clone();
        layout.truncate(theta.len());
        let (encoder, decoder) = (self.encoder.clone(), self.decoder.clone());
        Self { config, d: self.d, encoder, decoder, shared: self.shared, gaussian: None, layout, params: theta }
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
    pub fn posterior(&self) -> PosteriorConfig {
        self.config.posterior
    }

    /// p(z).
    pub fn prior(&self) -> PriorConfig {
        self.config.prior
    }

    /// From what prior and posterior are over to the codes z that the decoder sees, in place: the logistic function for codes in (0, 1).
    pub fn to_codes(&self, z: &mut [F]) {
        if self.prior().get::<F>().support() == Support::Unit {
            vmath::map(z, sigmoid);
        }
    }

    /// The way back: ∂/∂ of the codes, in place, to ∂/∂ of what prior and posterior are over.
    pub fn back_from_codes(&self, codes: &[F], dz: &mut [F]) {
        if self.prior().get::<F>().support() == Support::Unit {
            vmath::zip(dz, codes, |dz, z| dz * z * (F::one() - z)); // dz/dy of y = logit z
        }
    }

    /// p(x | z).
    pub fn likelihood(&self) -> LikelihoodConfig {
        self.config.likelihood
    }

    /// What the posterior wants of encoder and noise.
    pub fn head(&self) -> Head {
        self.config.posterior.get::<F>().head(self.latent())
    }

    /// The extents of the latent variables of `m` datapoints with `l` samples each.
    pub fn shape(&self, m: usize, l: usize) -> Shape {
        Shape { m, l, n_z: self.latent() }
    }

    /// The extents of the pixels with `l` samples of z for each datapoint, and the likelihood's parameter of its own.
    pub fn pixels(&self, l: usize) -> Pixels<F> {
        Pixels { d: self.d, l, shared: self.shared.map_or(F::zero(), |place| self.params[place]) }
    }

    /// Where the likelihood's parameter of its own lies, if it has one.
    pub(crate) fn shared(&self) -> Option<usize> {
        self.shared
    }

    /// Where the ρ of its weights lie, if they are Gaussian.
    pub fn gaussian(&self) -> Option<&GaussianPlane> {
        self.gaussian.as_ref()
    }

    /// Names, shapes and places of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All parameters, θ and ϕ, in the order of the layout.
    pub fn params(&self) -> &[F] {
        &self.params
    }

    /// Encoder and decoder, which hold places only, and the parameters, to be changed.
    pub(crate) fn networks_and_params_mut(&mut self) -> (&Mlp, &Mlp, &mut [F]) {
        (&self.encoder, &self.decoder, &mut self.params)
    }

    /// All parameters, to be changed.
    pub fn params_mut(&mut self) -> &mut [F] {
        &mut self.params
    }
}
