//! The denoising bound of Im et al. (2017): with corrupted inputs q(z | x) is the mixture q̃(z | x) = E q(z | x̃) over corruptions, and the bound
//! L^C = E_{q̃}[log p(x, z) − log q̃(z | x)]; what is trained has log q(z | x̃) in the place of log q̃(z | x) and is below it.

use ndarray::Array2;

use super::generate::{array, slice};
use crate::models::Vae;
use crate::numeric::real::fill_normals;
use crate::posteriors::{Drawn, Posterior, PosteriorConfig, SemiImplicit};
use crate::rng::{Stream, rng};
use crate::{Error, Result};

impl Vae<f32> {
    /// L^C of x `[M, D]`, nats per datapoint, with one z for each and its mixture estimated by `draws` corruptions, the one that z comes from
    /// among them: a bound for any number, which rises with it; with one it is the bound that is trained.
    ///
    /// # Errors
    /// [`Error::Config`] for no draws or a posterior that is not Gaussian; [`Error::Shape`] if x is not `[M, D]`.
    pub fn denoising_bound(&self, x: &Array2<f32>, draws: u64, seed: u64) -> Result<f64> {
        if self.posterior() != PosteriorConfig::DiagonalGaussian || draws == 0 {
            let reason =
                format!("is {}, with {draws} draws; give a Gaussian and at least one", self.posterior().name());
            return Err(Error::config("model.posterior", reason));
        }
        self.check_pixels(x)?;
        let (m, n_z, corruption) = (x.nrows(), self.latent(), self.config().corruption);
        let heads = (0..draws).map(|k| {
            let mut corrupted = x.clone();
            if let Some(values) = corrupted.as_slice_mut() {
                corruption.get().corrupt(values, &mut rng(seed, Stream::Corruption, k));
            }
            self.run_blocks(self.encoder(), &corrupted, "x [M, D]")
        });
        let heads = heads.collect::<Result<Vec<_>>>()?;
        let (mut noise, mut z) = (vec![0.0f32; m * n_z], vec![0.0f32; m * n_z]);
        fill_normals(&mut noise, &mut rng(seed, Stream::Evaluation, 0));
        self.posterior().get().sample(&slice(heads[0].view()), self.shape(m, 1), &noise, &mut z);
        let mut log_pz = vec![0.0; m];
        self.prior().get().log_prob(&z, n_z, &mut log_pz);
        let mut codes = z.clone();
        self.to_codes(&mut codes);
        let log_px = self.log_likelihood(x, &array(m, n_z, codes)?)?;
        // the heads of a datapoint, adjacent, are a mixture as of a semi-implicit posterior: the first has drawn z, all share it
        let each: Vec<f32> = (0..m).flat_map(|i| heads.iter().flat_map(move |head| head.row(i).to_vec())).collect();
        let mixture = SemiImplicit { noise: 1, inner: draws as usize - 1 };
        let mut log_q = vec![0.0; m];
        mixture.log_prob(&each, self.shape(m, 1), Drawn { noise: &noise, z: &z }, &mut log_q);
        let terms = log_px.iter().zip(&log_pz).zip(&log_q);
        let sum: f64 = terms.map(|((px, pz), q)| px + f64::from(*pz) - f64::from(*q)).sum();
        Ok(sum / m as f64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::corruption::{Masking, NoCorruption};
    use crate::estimators::{Estimator, Form};
    use crate::models::ModelConfig;
    use crate::nn::Init;

    #[test]
    fn the_bound_rises_with_the_corruptions_that_estimate_the_mixture() {
        let config = ModelConfig {
            latent: 2,
            encoder: vec![8],
            decoder: vec![8],
            init: Init::Normal { std: 1.0 },
            corruption: Masking { level: 0.5 }.into(),
            ..ModelConfig::default()
        };
        let model = Vae::<f32>::new(&config, 12, 3).unwrap();
        let x = Array2::from_shape_fn((300, 12), |(i, j)| ((i * 12 + j) as f32 * 0.37).sin().abs());
        let of = |draws| (0..20).map(|seed| model.denoising_bound(&x, draws, seed).unwrap()).sum::<f64>() / 20.0;
        let (one, ten, many) = (of(1), of(10), of(100));
        assert!(one < ten && ten < many, "{one} {ten} {many}");
        let trained =
            (0..20).map(|seed| model.elbo(&x, Estimator::new(Form::A, 1), seed).unwrap().bound).sum::<f64>() / 20.0;
        assert!((one - trained).abs() < 0.05 * (many - one).max(1.0), "{one} {trained}");
        // without corruption the mixture is the posterior
        let clean = model.with_corruption(NoCorruption);
        assert!((clean.denoising_bound(&x, 1, 0).unwrap() - clean.denoising_bound(&x, 7, 0).unwrap()).abs() < 1e-4);
        assert!(clean.denoising_bound(&x, 0, 0).is_err());
    }
}
