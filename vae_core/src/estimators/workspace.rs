//! The buffers of a step.

use rand_distr::{Distribution, StandardNormal};

use super::sgvb::Estimator;
use crate::models::Vae;
use crate::nn::Trace;
use crate::nn::dense::{Exec, Input};
use crate::numeric::block_sparse::BlockSparse;
use crate::numeric::{Precision, Real};
use crate::rng::Rng;
use crate::{Error, Result};

/// Datapoints of the minibatch that tell whether the sparse form of x pays.
const PROBE: usize = 8;
/// Samples that are decoded at once where only the value is wanted: what the decoder says of them is scored before it leaves the cache.
pub(super) const DECODED: usize = 192;

/// All buffers of a step, for up to `max_m` datapoints of L samples. Allocated once.
#[derive(Clone, Debug)]
pub struct Workspace<F> {
    /// ∂bound/∂parameters of the last [`Estimator::gradient`], in the model's layout; per datapoint, to be ascended.
    pub gradient: Vec<F>,
    /// Datapoints of the present minibatch.
    pub(super) m: usize,
    pub(super) max_m: usize,
    pub(super) l: usize,
    pub(super) backward: bool,
    pub(super) encoder: Trace<F>,
    pub(super) decoder: Trace<F>,
    /// ε `[M·L, N_z]`.
    pub(super) noise: Vec<F>,
    pub(super) z: Vec<F>,
    pub(super) dz: Vec<F>,
    pub(super) log_px: Vec<F>,
    pub(super) kl: Vec<F>,
    pub(super) log_pz: Vec<F>,
    pub(super) log_qz: Vec<F>,
    pub(super) sparse: Sparse,
}

/// The sparse form of x, where that pays.
#[derive(Clone, Debug)]
pub(super) struct Sparse {
    x: Option<BlockSparse>,
    used: bool,
}

impl<F: Real> Workspace<F> {
    /// Buffers for up to `max_m` datapoints; without `backward` only [`Estimator::value`] works.
    pub fn new(model: &Vae<F>, estimator: &Estimator, max_m: usize, backward: bool) -> Self {
        let (l, rows) = (estimator.samples, max_m * estimator.samples);
        let buffer = |wanted: bool, n: usize| vec![F::zero(); if wanted { n } else { 0 }];
        let latent = rows * model.latent();
        Self {
            gradient: Vec::new(),
            m: 0,
            max_m,
            l,
            backward,
            encoder: model.encoder().trace(max_m, backward),
            decoder: model.decoder().trace(if backward { rows } else { rows.min(DECODED) }, backward).in_place(),
            noise: buffer(true, latent),
            z: buffer(true, latent),
            dz: buffer(backward, latent),
            log_px: buffer(true, rows),
            kl: buffer(true, max_m),
            log_pz: buffer(true, rows),
            log_qz: buffer(true, rows),
            sparse: Sparse { x: F::as_f32(&[]).map(|_| BlockSparse::new(max_m, model.data_width())), used: false },
        }
    }

    /// The same for steps on so many threads of the rayon pool in which the estimator is called (at first, one).
    #[must_use]
    pub fn on_threads(mut self, threads: usize) -> Self {
        let threads = threads.max(1);
        (self.encoder.exec.threads, self.decoder.exec.threads) = (threads, threads);
        self
    }

    /// The same for steps whose dense products are in this precision (at first, `f32`).
    #[must_use]
    pub fn in_precision(mut self, precision: Precision) -> Self {
        (self.encoder.exec.precision, self.decoder.exec.precision) = (precision, precision);
        self
    }

    /// The same for many values of this model with the parameters that it has now: the decoder's weights are packed once.
    #[must_use]
    pub fn for_values_of(mut self, model: &Vae<F>) -> Self {
        model.decoder().pack(model.params(), &mut self.decoder);
        self
    }

    /// ε ~ N(0, I) for the next step's `m` datapoints.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no room for so many.
    pub fn draw_noise(&mut self, m: usize, n_z: usize, rng: &mut Rng) -> Result<()> {
        if m > self.max_m {
            let (expected, found) = (format!("at most {}", self.max_m), m.to_string());
            return Err(Error::Shape { what: "datapoints of a minibatch", expected, found });
        }
        for e in &mut self.noise[..m * self.l * n_z] {
            let normal: f64 = StandardNormal.sample(rng);
            *e = F::of(normal);
        }
        Ok(())
    }

    /// Terms of a sample's importance weight, of the last step: log p(x | z), log p(z), log q(z | x), each `[M·L]`.
    pub(crate) fn log_densities(&self) -> impl Iterator<Item = (F, F, F)> {
        let rows = 0..self.m * self.l;
        rows.map(|row| (self.log_px[row], self.log_pz[row], self.log_qz[row]))
    }
}

impl Sparse {
    /// Takes over x `[m, D]`, if it has enough zeros to leave them out.
    pub(super) fn take<F: Real>(&mut self, x: &[F], d: usize, Exec { precision, threads }: Exec) {
        self.used = false;
        if let (Some(sparse), Some(x)) = (&mut self.x, F::as_f32(x)) {
            self.used = BlockSparse::pays(&x[..x.len().min(PROBE * d)], precision);
            if self.used {
                sparse.fill(x, threads);
            }
        }
    }

    /// x as the encoder takes it, after [`take`](Self::take).
    pub(super) fn input<'a, F>(&'a self, x: &'a [F]) -> Input<'a, F> {
        Input { dense: x, sparse: self.x.as_ref().filter(|_| self.used) }
    }
}
