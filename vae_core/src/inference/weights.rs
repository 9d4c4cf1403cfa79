//! Models whose weights are Gaussian (section 6), and what of them is a prediction: a mean over samples of the weights.
//!
//! Three bounds are told apart: with the weights at their means, [`Vae::at_mean`]; with samples of them, [`Vae::elbo`]; and the full one, which
//! has their divergence from the prior as a cost, D_KL(q(θ) ‖ p(θ)) / N of [`Vae::weights_divergence`].

use std::borrow::Cow;

use ndarray::Array1;

use crate::Result;
use crate::models::Vae;
use crate::numeric::real::fill_normals;
use crate::numeric::{Real, vmath};
use crate::rng::{Stream, rng};
use crate::step::weights_divergence;
use crate::weights::Sampling;

/// Samples of the weights over which a prediction is averaged.
pub const WEIGHT_SAMPLES: u64 = 10;

/// Samples have indices of their own, beyond those of updates.
const FIRST: u64 = 1 << 35;

impl<F: Real> Vae<F> {
    /// The model whose weights are the means of q(θ); a point model is itself.
    #[must_use]
    pub fn at_mean(&self) -> Self {
        self.gaussian().map_or_else(|| self.clone(), |plane| self.at_point(self.params()[..plane.rho].to_vec()))
    }

    /// The model whose weights are sample number `index` of q(θ); a point model is itself. If the sampling is
    /// [`AuthorsNever`](Sampling::AuthorsNever), the weights that the seed drew.
    #[must_use]
    pub fn with_sampled_weights(&self, seed: u64, index: u64) -> Self {
        let Some((plane, q)) = self.gaussian().zip(self.config().weights.gaussian()) else { return self.clone() };
        let (means, rho) = self.params().split_at(plane.rho);
        let mut theta = means.to_vec();
        if q.sampling == Sampling::AuthorsNever {
            let drawn = &plane.drawn[plane.weights.clone()];
            theta[plane.weights.clone()].iter_mut().zip(drawn).for_each(|(theta, &drawn)| *theta = F::of(drawn));
            return self.at_point(theta);
        }
        let mut offset = vec![F::zero(); plane.weights.len()];
        fill_normals(&mut offset, &mut rng(seed, Stream::Weights, FIRST + index));
        q.form.zip(
            &mut offset,
            rho,
            #[inline(always)]
            |zeta, sd, _| sd * zeta,
        );
        vmath::zip(&mut theta[plane.weights.clone()], &offset, |mu, offset| mu + offset);
        self.at_point(theta)
    }

    /// D_KL(q(θ) ‖ p_α(θ)) in nats, for all N datapoints together; 0 of a point. Where the prior has no closed form it is estimated with one sample
    /// of the weights.
    pub fn weights_divergence(&self, seed: u64) -> f64 {
        weights_divergence(self, &mut rng(seed, Stream::Weights, FIRST - 1))
    }

    /// |μ|/σ of each Gaussian weight, in the order of the layout; empty of a point.
    pub fn signal_to_noise(&self) -> Array1<f64> {
        let Some((plane, q)) = self.gaussian().zip(self.config().weights.gaussian()) else { return Array1::default(0) };
        let (means, rho) = (&self.params()[plane.weights.clone()], &self.params()[plane.rho..]);
        means.iter().zip(rho).map(|(mu, rho)| mu.f64().abs() / q.form.sd(*rho).0.f64()).collect()
    }

    /// The model at the means of q(θ) with this share of the Gaussian weights, those of the least |μ|/σ, set to 0.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the share is not in \[0, 1\], or the weights are a point.
    pub fn pruned(&self, share: f64) -> Result<Self> {
        let Some(plane) = self.gaussian().filter(|_| (0.0..=1.0).contains(&share)) else {
            let reason = format!("is {share}; it must be between 0 and 1, and the weights Gaussian");
            return Err(crate::Error::config("share", reason));
        };
        let signal = self.signal_to_noise();
        let mut order: Vec<usize> = (0..signal.len()).collect();
        order.sort_by(|&a, &b| signal[a].total_cmp(&signal[b]));
        let mut theta = self.params()[..plane.rho].to_vec();
        for &k in &order[..(share * order.len() as f64).round() as usize] {
            theta[plane.weights.start + k] = F::zero();
        }
        Ok(self.at_point(theta))
    }

    /// The models over which a prediction is averaged: itself, or samples of its weights.
    pub(super) fn realisations(&self, seed: u64) -> Vec<Cow<'_, Self>> {
        if self.gaussian().is_none() {
            return vec![Cow::Borrowed(self)];
        }
        (0..WEIGHT_SAMPLES).map(|k| Cow::Owned(self.with_sampled_weights(seed, k))).collect()
    }
}
