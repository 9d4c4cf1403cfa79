//! The buffers of a step, divided among threads by datapoints.

use rand_distr::{Distribution, StandardNormal};

use super::sgvb::Estimator;
use crate::models::Vae;
use crate::nn::Trace;
use crate::nn::dense::Input;
use crate::numeric::block_sparse::BlockSparse;
use crate::numeric::{Precision, Real};
use crate::rng::Rng;
use crate::threads;
use crate::{Error, Result};

/// The sparse form of x is used where at most this share of its runs has a pixel that is not zero …
const SPARSE: f64 = 0.7;
/// … among the first datapoints of the minibatch. The whole minibatch has one form, because in mixed precision the form decides
/// about bits.
const PROBE: usize = 8;

/// Datapoints of a part come in multiples of this: products in mixed precision take the datapoints two by two.
const EVEN: usize = 2;

/// All buffers of a step, for up to `max_m` datapoints of L samples. Allocated once.
#[derive(Clone, Debug)]
pub struct Workspace<F> {
    pub(super) parts: Vec<Part<F>>,
    /// ∂bound/∂parameters of the last [`Estimator::gradient`], in the model's layout; per datapoint, to be ascended.
    pub gradient: Vec<F>,
    pub(super) max_m: usize,
    pub(super) l: usize,
    pub(super) backward: bool,
}

/// The buffers for some consecutive datapoints of a minibatch: what one thread works on.
#[derive(Clone, Debug)]
pub(super) struct Part<F> {
    /// Datapoints in the present minibatch.
    pub(super) m: usize,
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

/// The sparse form of a part's x, where that pays.
#[derive(Clone, Debug)]
pub(super) struct Sparse {
    x: Option<BlockSparse>,
    used: bool,
}

impl<F: Real> Workspace<F> {
    /// Buffers for up to `max_m` datapoints; without `backward` only [`Estimator::value`] works.
    pub fn new(model: &Vae<F>, estimator: &Estimator, max_m: usize, backward: bool) -> Self {
        Self::divided(model, estimator, max_m, backward, 1)
    }

    /// The same in so many parts, each for a thread of the rayon pool in which the estimator is called.
    pub fn divided(model: &Vae<F>, estimator: &Estimator, max_m: usize, backward: bool, parts: usize) -> Self {
        let parts = parts.clamp(1, max_m.max(1));
        let most = max_m.div_ceil(parts).next_multiple_of(EVEN);
        let part = Part::new(model, estimator.samples, most, backward);
        let parts = vec![part; parts];
        Self { parts, gradient: Vec::new(), max_m, l: estimator.samples, backward }
    }

    /// The same for steps whose dense products are in this precision (at first, `f32`).
    #[must_use]
    pub fn in_precision(mut self, precision: Precision) -> Self {
        for part in &mut self.parts {
            part.encoder.set_precision(precision);
            part.decoder.set_precision(precision);
        }
        self
    }

    /// Divides `m` datapoints among the parts, as evenly as may be in twos, without regard to what they held.
    pub(super) fn divide(&mut self, m: usize) {
        let mut left = m;
        let count = self.parts.len();
        for (i, part) in self.parts.iter_mut().enumerate() {
            part.m = left.div_ceil(count - i).next_multiple_of(EVEN).min(left);
            left -= part.m;
        }
    }

    /// Looks whether a minibatch x of `d` values a datapoint has enough zeros to leave them out.
    pub(super) fn look_at(&mut self, x: &[F], d: usize) {
        let probe = F::as_f32(&x[..x.len().min(PROBE * d)]);
        let used = probe.is_some_and(|x| BlockSparse::share(x) <= SPARSE);
        self.parts.iter_mut().for_each(|part| part.sparse.used = used);
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
        self.divide(m);
        for part in &mut self.parts {
            for e in &mut part.noise[..part.m * self.l * n_z] {
                let normal: f64 = StandardNormal.sample(rng);
                *e = F::of(normal);
            }
        }
        Ok(())
    }

    /// Terms of a sample's importance weight, of the last step: log p(x | z), log p(z), log q(z | x), each `[M·L]`, of all parts.
    pub(crate) fn log_densities(&self) -> impl Iterator<Item = (F, F, F)> {
        self.parts.iter().flat_map(|part| {
            let rows = 0..part.m * self.l;
            rows.map(|row| (part.log_px[row], part.log_pz[row], part.log_qz[row]))
        })
    }
}

impl<F: Real> Part<F> {
    fn new(model: &Vae<F>, l: usize, max_m: usize, backward: bool) -> Self {
        let rows = max_m * l;
        let buffer = |wanted: bool, n: usize| vec![F::zero(); if wanted { n } else { 0 }];
        let latent = rows * model.latent();
        Self {
            m: 0,
            encoder: model.encoder().trace(max_m, backward),
            decoder: model.decoder().trace(rows, backward),
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
}

impl Sparse {
    /// Takes over x `[m, D]`, if zeros are to be left out.
    pub(super) fn take<F: Real>(&mut self, x: &[F]) {
        if let (true, Some(sparse), Some(x)) = (self.used, &mut self.x, F::as_f32(x)) {
            sparse.fill(x);
        }
    }

    /// x as the encoder takes it, after [`take`](Self::take).
    pub(super) fn input<'a, F>(&'a self, x: &'a [F]) -> Input<'a, F> {
        Input { dense: x, sparse: self.x.as_ref().filter(|_| self.used) }
    }
}

/// Does `work` on each part and its rows of x (`d` values a datapoint), in parallel where there are several.
pub(super) fn each_part<F: Real>(
    parts: &mut [Part<F>],
    x: &[F],
    d: usize,
    work: &(impl Fn(&mut Part<F>, &[F]) -> Result<()> + Sync),
) -> Result<()> {
    match parts {
        [] => Ok(()),
        [part] if part.m == 0 => Ok(()),
        [part] => work(part, x),
        _ => {
            let (left, right) = parts.split_at_mut(parts.len() / 2);
            let (x_left, x_right) = x.split_at(left.iter().map(|part| part.m).sum::<usize>() * d);
            let (a, b) = threads::join(|| each_part(left, x_left, d, work), || each_part(right, x_right, d, work));
            a.and(b)
        }
    }
}
