//! Images on their way into the model: a minibatch, and the bound on a whole split.

use crate::Result;
use crate::corruption::CorruptionConfig;
use crate::data::dataset::Images;
use crate::data::preprocess::{Preprocess, Preprocessor};
use crate::data::values::Values;
use crate::estimators::{Bound, Estimator};
use crate::models::Vae;
use crate::threads;

/// Fills a minibatch, each thread its share of the rows.
#[derive(Clone, Copy)]
pub(super) struct Gather<'a> {
    pub preprocess: &'a Preprocessor<f32>,
    pub images: &'a Values,
    pub epoch: u64,
}

impl Gather<'_> {
    pub(super) fn rows(self, rows: &[usize], x: &mut [f32], threads: usize) -> Result<()> {
        if threads <= 1 || rows.len() < 2 {
            return self.preprocess.gather(self.images, rows, self.epoch, x);
        }
        let (left, right) = rows.split_at(rows.len() / 2);
        let (x_left, x_right) = x.split_at_mut(left.len() * self.images.ncols());
        let halves = (threads / 2, threads - threads / 2);
        let (a, b) = threads::join(|| self.rows(left, x_left, halves.0), || self.rows(right, x_right, halves.1));
        a.and(b)
    }
}

/// The bound of a model on images, preprocessed and so corrupted, with noise from the evaluation stream of the seed, on so many threads.
/// Dynamic binarisation is drawn as for epoch 0.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the images do not fit the model.
pub fn evaluate(
    model: &Vae<f32>,
    images: &Images,
    pre: &Preprocessor<f32>,
    (estimator, corruption): (Estimator, CorruptionConfig),
    (seed, threads): (u64, usize),
) -> Result<Bound> {
    model.elbo_of_blocks(images.len(), (estimator, corruption), (seed, threads), |first, count| {
        let rows: Vec<usize> = (first..first + count).collect();
        let mut x = vec![0.0; count * images.pixels.ncols()];
        pre.gather(&images.pixels, &rows, 0, &mut x)?;
        Ok(x)
    })
}

/// Images of which log p(x) is estimated where there is no encoder, and samples of each one's posterior.
const FEW: (usize, usize) = (100, 50);

/// In place of the bound where there is no encoder: log p(x) of the first hundred images, by samples of their posteriors.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the images do not fit the model.
pub(super) fn evaluate_without_encoder(
    model: &Vae<f32>,
    images: &Images,
    preprocess: &Preprocess,
    seed: u64,
) -> Result<Bound> {
    let log_px = model.log_marginal_by_hmc(&images.prepared(preprocess, FEW.0)?, FEW.1, seed)?;
    Ok(Bound::new(log_px.mean().unwrap_or(f64::NAN), 0.0))
}
