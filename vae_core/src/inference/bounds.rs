//! The bound, the marginal likelihood and the divergence of each latent dimension.

use ndarray::{Array1, Array2};

use super::generate::slice;
use super::marginal::log_marginal;
use crate::corruption::CorruptionConfig;
use crate::estimators::{Bound, Estimator};
use crate::models::Vae;
use crate::numeric::LogMeanExp;
use crate::posteriors::closed_kl;
use crate::rng::{Stream, rng};
use crate::step::{Batch, Workspace};
use crate::threads::{self, Pool};
use crate::{Error, Result};

/// Rows of z that are taken at once.
const BLOCK: usize = 500;

impl Vae<f32> {
    /// The lower bound of x `[M, D]`, with L samples per datapoint, nats per datapoint. The encoder sees x corrupted as in training. Gaussian
    /// weights are sampled, several times for all of x; their divergence is not part of it.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`, [`Error::Data`] if it has values that the likelihood does not know; [`Error::Config`] if the
    /// estimator does not fit the posterior and the prior; [`Error::NonFinite`] instead of a bound that is no number.
    pub fn elbo(&self, x: &Array2<f32>, estimator: Estimator, seed: u64) -> Result<Bound> {
        self.check_pixels(x)?;
        let (x, d) = (slice(x.view()), self.data_width());
        let at = (seed, threads::available()?);
        let corruption = self.config().corruption;
        let bound = self.elbo_of_blocks(x.len() / d, (estimator, corruption), at, |first, count| {
            Ok(x[first * d..(first + count) * d].to_vec())
        })?;
        if bound.bound.is_finite() { Ok(bound) } else { Err(self.not_finite("the bound", bound.bound)) }
    }

    /// What is wrong with a model that says this of finite data.
    fn not_finite(&self, quantity: &str, value: f64) -> Error {
        let parameters = self.params().iter().filter(|p| !p.is_finite()).count();
        let quantity = format!("{quantity} of this model, {parameters} of whose parameters are not finite,");
        Error::NonFinite { step: 0, quantity, value }
    }

    /// Whether the likelihood can say something of these pixels.
    pub(super) fn check_pixels(&self, x: &Array2<f32>) -> Result<()> {
        self.check(self.data_width(), x, "x [M, D]")?;
        let outside = |v: &&f32| !(0.0..=1.0).contains(*v);
        match x.iter().find(outside).filter(|_| self.likelihood().get::<f32>().needs_unit_interval()) {
            None => Ok(()),
            Some(value) => {
                let reason = format!("{} needs values in [0, 1], but there is {value}", self.likelihood().name());
                Err(Error::data("x [M, D]", reason))
            }
        }
    }

    /// [`elbo`](Self::elbo) with this corruption of `n` datapoints that `block(first, count)` supplies; block b uses index b of the evaluation stream.
    pub(crate) fn elbo_of_blocks(
        &self,
        n: usize,
        (estimator, corruption): (Estimator, CorruptionConfig),
        (seed, threads): (u64, usize),
        block: impl Fn(usize, usize) -> Result<Vec<f32>> + Sync,
    ) -> Result<Bound> {
        if n == 0 {
            return Err(Error::config("x", "has no rows; a bound needs at least one datapoint"));
        }
        estimator.fits(&self.posterior(), &self.prior())?;
        let size = (BLOCK / estimator.samples).clamp(1, n);
        let is_clean = corruption.get::<f32>().is_none();
        let models = self.realisations(seed);
        let size = size.min(n.div_ceil(models.len()));
        // one workspace for each thread and model, made when it begins
        let workspaces = models.iter().map(|model| {
            Pool::new(move || Ok((model, Workspace::new(model, &estimator, size, false)?.with_packed_decoder(model))))
        });
        let workspaces: Vec<_> = workspaces.collect();
        let parts = threads::in_parallel(n.div_ceil(size), threads, |b| {
            let (first, count) = (b * size, size.min(n - b * size));
            workspaces[b % workspaces.len()].with(|(model, ws)| {
                let mut rng = rng(seed, Stream::Evaluation, b as u64);
                ws.draw_noise(model, count, &mut rng)?;
                let target = block(first, count)?;
                let mut input = if is_clean { Vec::new() } else { target.clone() };
                corruption.get().corrupt(&mut input, &mut rng);
                let input = if is_clean { &target } else { &input };
                Ok((ws.value(model, Batch { input, target: &target })?, count as f64))
            })
        })?;
        let (mut reconstruction, mut kl) = (0.0, 0.0);
        for (part, count) in parts {
            reconstruction += part.reconstruction * count;
            kl += part.kl * count;
        }
        Ok(Bound::new(reconstruction / n as f64, kl / n as f64))
    }

    /// log p(x) `[M]` of each row of x `[M, D]` by importance sampling with `k` samples, nats. Of Gaussian weights that of the mean density over
    /// samples of them, with `k` samples of z for each.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`, [`Error::Data`] if it has values that the likelihood does not know, [`Error::Config`] for
    /// k = 0; [`Error::NonFinite`] instead of a value that is no number.
    pub fn log_marginal(&self, x: &Array2<f32>, k: usize, seed: u64) -> Result<Array1<f64>> {
        self.check_pixels(x)?;
        let (x, at) = (slice(x.view()), (seed, threads::available()?));
        let mut means = vec![LogMeanExp::default(); x.len() / self.data_width()];
        for model in self.realisations(seed) {
            means.iter_mut().zip(log_marginal(&model, &x, k, at)?).for_each(|(mean, log_px)| mean.push(log_px));
        }
        let log_px: Array1<f64> = means.iter().map(LogMeanExp::value).collect();
        match log_px.iter().find(|v| !v.is_finite()) {
            None => Ok(log_px),
            Some(&value) => Err(self.not_finite("log p(x)", value)),
        }
    }

    /// D_KL(q(z_j | x) ‖ p(z_j)) of each latent dimension `[N_z]`, averaged over x `[M, D]`, nats. x is taken without corruption.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not `[M, D]`; [`Error::Config`] if the divergence of this posterior and prior has no closed form.
    pub fn kl_per_dimension(&self, x: &Array2<f32>) -> Result<Array1<f64>> {
        let (q, p) = (self.posterior(), self.prior());
        let none = || {
            let reason = format!(
                "is {}: the KL divergence of {} from it has no closed form here, and none by dimension",
                p.name(),
                q.name()
            );
            Error::config("model.prior", reason)
        };
        let closed = closed_kl::<f32>(&q, &p).ok_or_else(none)?;
        if x.nrows() == 0 {
            return Err(Error::config("x", "has no rows; a divergence needs at least one datapoint"));
        }
        let head = self.run_blocks(self.encoder(), x, "x [M, D]")?;
        let mut sums = vec![0.0; self.latent()];
        closed.add_per_dimension(&slice(head.view()), self.latent(), &mut sums);
        Ok(Array1::from(sums) / x.nrows().max(1) as f64)
    }
}
