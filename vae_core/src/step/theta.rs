//! The weights that a step computes with: θ itself, or what q(θ) makes of them.

use std::ops::Range;

use super::tuning::PIECE;
use crate::Result;
use crate::models::Vae;
use crate::nn::dense::Input;
use crate::nn::{Mlp, Trace};
use crate::numeric::real::{LOG_2PI, fill_normals};
use crate::numeric::{Real, vmath};
use crate::rng::Rng;
use crate::weights::{Gaussian, Planes, Sampling};

/// Gaussian weights, as a step has realised them. Every plane has the places of the weights' own; it is empty if the sampling has no use for it.
#[derive(Clone, Debug)]
pub(super) struct Realised<F> {
    q: Gaussian,
    weights: Range<usize>,
    layers: Vec<Range<usize>>,
    rho: usize,
    /// θ̃ of one sample a minibatch.
    theta: Vec<F>,
    /// σ² of each weight, for local reparameterisation.
    variance: Vec<F>,
    /// ζ of each weight.
    zeta: Vec<F>,
    /// s² of each layer's prior.
    priors: Vec<Option<f64>>,
    /// D_KL(q(θ) ‖ p(θ)), nats.
    kl: f64,
}

impl<F: Real> Realised<F> {
    pub(super) fn new(model: &Vae<F>) -> Option<Self> {
        let (plane, q) = model.gaussian().zip(model.config().weights.gaussian())?;
        let buffer = |wanted: bool| vec![F::zero(); if wanted { plane.rho } else { 0 }];
        let theta = match q.sampling {
            Sampling::AuthorsNever => plane.drawn.iter().map(|&p| F::of(p)).collect(),
            sampling => buffer(sampling == Sampling::Minibatch),
        };
        Some(Self {
            q,
            weights: plane.weights.clone(),
            layers: plane.layers.clone(),
            rho: plane.rho,
            theta,
            variance: buffer(q.sampling == Sampling::Local),
            zeta: buffer(q.needs_zeta()),
            priors: vec![None; plane.layers.len()],
            kl: 0.0,
        })
    }

    pub(super) fn draw(&mut self, rng: &mut Rng) {
        if let Some(zeta) = self.zeta.get_mut(self.weights.clone()) {
            fill_normals(zeta, rng);
        }
    }

    /// Whether each row has a draw of its own.
    pub(super) fn is_local(&self) -> bool {
        self.q.sampling == Sampling::Local
    }

    /// Whether the encoder's weights are Gaussian, too.
    pub(super) fn has_encoder(&self) -> bool {
        self.weights.start == 0
    }

    pub(super) fn kl(&self) -> f64 {
        self.kl
    }

    /// Takes over the model's present μ and ρ with the noise in here.
    pub(super) fn realise(&mut self, model: &Vae<F>) {
        let (params, form, prior) = (model.params(), self.q.form, self.q.prior);
        let shift = self.rho - self.weights.start;
        if self.q.sampling == Sampling::Minibatch {
            self.theta.copy_from_slice(&params[..self.rho]);
        }
        self.kl = 0.0;
        let mut variances = [F::zero(); PIECE];
        let mut theta = [F::zero(); PIECE];
        for (layer, place) in self.layers.iter().zip(&mut self.priors) {
            let (mut second_moment, mut log_variance, mut log_p, n) = (0.0, 0.0, 0.0, layer.len() as f64);
            for first in layer.clone().step_by(PIECE) {
                let range = first..(first + PIECE).min(layer.end);
                let (mu, rho) = (&params[range.clone()], &params[range.start + shift..range.end + shift]);
                let variances = &mut variances[..range.len()];
                form.zip(
                    variances,
                    rho,
                    #[inline(always)]
                    |_, sd, _| sd * sd,
                );
                second_moment += vmath::sum2(mu, variances, |mu, v| mu * mu + v).f64();
                log_variance += sum_of_logs(variances);
                if let Some(plane) = self.variance.get_mut(range.clone()) {
                    plane.copy_from_slice(variances);
                }
                let Some(zeta) = self.zeta.get(range.clone()) else { continue };
                let theta = &mut theta[..range.len()];
                theta.copy_from_slice(mu);
                vmath::zip2(theta, variances, zeta, |mu, v, zeta| (mu + v.sqrt_v() * zeta, v));
                if let Some(plane) = self.theta.get_mut(range.clone()) {
                    plane.copy_from_slice(theta);
                }
                if !prior.get::<F>().is_gaussian() {
                    log_p += prior.get().log_prob(theta) + vmath::sum2(zeta, zeta, |a, b| F::of(0.5) * a * b).f64();
                }
            }
            *place = prior.get::<F>().variance(second_moment / n);
            self.kl += match *place {
                Some(s2) => 0.5 * (n * (s2.ln() - 1.0) - log_variance + second_moment / s2),
                None => -0.5 * (n * LOG_2PI + log_variance) - log_p,
            };
        }
    }

    /// What is believed of the weights.
    pub(super) fn posterior(&self) -> Gaussian {
        self.q
    }

    /// What the planes hold of some weights of one layer, beginning with that of this place.
    pub(super) fn planes<'a>(&'a self, centre: &'a [F], rho: &'a [F], first: usize) -> Planes<'a, F> {
        let zeta = self.zeta.get(first..first + centre.len()).unwrap_or_default();
        let layer = self.layers.iter().position(|layer| layer.contains(&first));
        Planes { centre, rho, zeta, prior: layer.and_then(|k| self.priors[k]) }
    }
}

/// D_KL(q(θ) ‖ p_α(θ)) of a model's weights, nats; 0 of a point. Where it has no closed form it is estimated with one sample of the weights.
pub fn weights_divergence<F: Real>(model: &Vae<F>, rng: &mut Rng) -> f64 {
    Realised::new(model).map_or(0.0, |mut realised| {
        realised.draw(rng);
        realised.realise(model);
        realised.kl()
    })
}

/// Σ log v, as the logarithms of products that a double holds: v > 0 is below 10⁴ and above the smallest `f32`.
fn sum_of_logs<F: Real>(values: &[F]) -> f64 {
    values.chunks(6).map(|v| v.iter().map(|v| v.f64()).product::<f64>().ln()).sum()
}

/// The weights of one network in a step.
#[derive(Clone, Copy)]
pub(super) enum Theta<'a, F> {
    /// θ or θ̃.
    Point(&'a [F]),
    /// μ and σ².
    Local([&'a [F]; 2]),
}

impl<'a, F: Real> Theta<'a, F> {
    /// Of the encoder, or of the decoder.
    pub(super) fn of(model: &'a Vae<F>, realised: Option<&'a Realised<F>>, encoder: bool) -> Self {
        match realised {
            Some(here) if !encoder || here.has_encoder() => match here.q.sampling {
                Sampling::Local => Self::Local([model.params(), &here.variance]),
                Sampling::Minibatch | Sampling::AuthorsNever => Self::Point(&here.theta),
            },
            _ => Self::Point(model.params()),
        }
    }

    pub(super) fn forward(
        self,
        mlp: &Mlp,
        x: Input<'_, F>,
        squares: Input<'_, F>,
        trace: &mut Trace<F>,
        (rows, each): (usize, usize),
    ) -> Result<()> {
        match self {
            Self::Point(theta) => mlp.forward_injected(theta, x, trace, (rows, each)),
            Self::Local(planes) => mlp.forward_local(planes, [x, squares], trace, rows),
        }
    }

    pub(super) fn backward(
        self,
        mlp: &Mlp,
        trace: &mut Trace<F>,
        x: &[F],
        dx: Option<&mut [F]>,
        rows: usize,
    ) -> Result<()> {
        match self {
            Self::Point(theta) => mlp.backward(theta, trace, dx, rows),
            Self::Local(planes) => mlp.backward_local(planes, trace, x, dx, rows),
        }
    }
}
