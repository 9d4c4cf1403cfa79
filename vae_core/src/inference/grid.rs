//! The exact posterior p(z | x) of single images, N_z = 2: p(x, z) on a grid over the plane, whose sum is p(x).
//!
//! The trapezoidal rule is exact to far beyond single precision where the grid's step is below the posterior's standard deviation.

use ndarray::{Array1, Array2};

use super::generate::slice;
use crate::models::Vae;
use crate::nn::dense::Input;
use crate::numeric::LogMeanExp;
use crate::priors::Support;
use crate::rng::{Stream, rng};
use crate::svi::MeanField;
use crate::threads;
use crate::{Error, Result};

/// Codes that are decoded at once.
const BLOCK: usize = 500;
/// Standard deviations beyond which a Gaussian is nothing.
const REACH: f64 = 6.5;

/// log p(x, z) of some images over a square of the plane of z.
#[derive(Clone, Debug)]
pub struct GridPosteriors {
    /// z `[P², 2]`, row by row from below.
    pub codes: Array2<f32>,
    /// log p(x) `[M]`, nats.
    pub log_evidence: Array1<f64>,
    /// log p(z | x) `[M, P²]`.
    pub log_posterior: Array2<f64>,
    /// The distance of neighbours.
    pub(super) step: f64,
}

impl Vae<f32> {
    /// p(z | x) of each x `[M, D]` at P² points of \[−r, r\]² with `points` = P and `reach` = r.
    ///
    /// # Errors
    /// [`Error::Config`] if N_z is not 2, z does not live on the plane, or there are fewer than 3 points a side; [`Error::Shape`] if x is not
    /// `[M, D]`.
    pub fn posteriors_on_grid(&self, x: &Array2<f32>, reach: f64, points: usize) -> Result<GridPosteriors> {
        if self.latent() != 2 || self.prior().get::<f32>().support() != Support::Real {
            let reason =
                format!("is {} with prior {}; a grid is for two real ones", self.latent(), self.prior().name());
            return Err(Error::config("model.latent", reason));
        }
        if points < 3 || !(reach.is_finite() && reach > 0.0) {
            return Err(Error::config("points", format!("are {points} from −{reach} to {reach}; take 3 or more")));
        }
        self.check_pixels(x)?;
        let step = 2.0 * reach / (points - 1) as f64;
        let at = |i: usize| (-reach + step * i as f64) as f32;
        let codes =
            Array2::from_shape_fn((points * points, 2), |(k, j)| at(if j == 0 { k % points } else { k / points }));
        let pixels = self.pixels(1);
        let values = slice(codes.view());
        let mut trace = self.decoder().trace(BLOCK, false);
        let images: Vec<Vec<f32>> = x.outer_iter().map(|x| x.to_vec()).collect();
        let mut log_joint = Array2::zeros((x.nrows(), codes.nrows()));
        for (block, z) in values.chunks(2 * BLOCK).enumerate() {
            let n = z.len() / 2;
            self.decoder().forward(self.params(), Input::dense(z), &mut trace, n)?;
            let mut log_pz = vec![0.0f32; n];
            self.prior().get().log_prob(z, 2, &mut log_pz);
            let heads = &trace.head()[..n * self.decoder().outputs()];
            let rows = threads::in_parallel(images.len(), threads::available()?, |i| {
                let of = |(head, log_pz): (&[f32], &f32)| {
                    let mut log_px = [0.0f32];
                    self.likelihood().get().log_prob(&images[i], head, pixels, &mut log_px);
                    f64::from(log_px[0]) + f64::from(*log_pz)
                };
                Ok(heads.chunks_exact(self.decoder().outputs()).zip(&log_pz).map(of).collect::<Vec<f64>>())
            })?;
            for (i, row) in rows.into_iter().enumerate() {
                log_joint.slice_mut(ndarray::s![i, block * BLOCK..block * BLOCK + n]).assign(&Array1::from(row));
            }
        }
        let area = codes.nrows() as f64 * step * step;
        let log_evidence = Array1::from_iter(log_joint.outer_iter().map(|row| {
            let mut mean = LogMeanExp::default();
            row.iter().for_each(|&v| mean.push(v));
            mean.value() + area.ln()
        }));
        for (mut row, evidence) in log_joint.outer_iter_mut().zip(&log_evidence) {
            row.mapv_inplace(|v| v - evidence);
        }
        Ok(GridPosteriors { codes, log_evidence, log_posterior: log_joint, step })
    }

    /// log q(z | x) of one image x `[1, D]` at the codes of a grid: of a posterior that is fed with noise, the mean density over `draws` of it. A
    /// component counts as far as it reaches; where none does, −∞.
    ///
    /// # Errors
    /// [`Error::Shape`] if x is not one image or N_z not 2; [`Error::Config`] if the posterior is not made of Gaussians or there are no draws.
    pub fn log_posterior_on(
        &self,
        grid: &GridPosteriors,
        x: &Array2<f32>,
        draws: usize,
        seed: u64,
    ) -> Result<Vec<f64>> {
        if self.posterior().get::<f32>().log_variance_places(self.latent()).is_none() || draws == 0 {
            let reason =
                format!("is {}, with {draws} draws; a density here is one of Gaussians", self.posterior().name());
            return Err(Error::config("model.posterior", reason));
        }
        self.check_pixels(x)?;
        if x.nrows() != 1 || self.latent() != 2 {
            let found = format!("{} rows, N_z = {}", x.nrows(), self.latent());
            return Err(Error::Shape { what: "x [1, D]", expected: "one image, N_z = 2".into(), found });
        }
        let rows = if self.head().injected > 0 { draws } else { 1 };
        let mut trace = self.encoder().injected(self.encoder().trace(rows, false), 1);
        self.encoder().draw_injection(&mut trace, rows, &mut rng(seed, Stream::Evaluation, 0));
        let x = slice(x.view());
        self.encoder().forward_injected(self.params(), Input::dense(&x), &mut trace, (1, rows))?;
        let mut density = vec![0.0; grid.codes.nrows()];
        for head in trace.head()[..rows * self.head().width].chunks_exact(4) {
            let [m0, m1, v0, v1] = [0, 1, 2, 3].map(|k| f64::from(head[k]));
            let q = MeanField { phi: vec![m0, m1, v0, v1] };
            grid.within_reach(&q, |k, log_q| density[k] += log_q.exp() / rows as f64);
        }
        Ok(density.into_iter().map(f64::ln).collect())
    }
}

impl GridPosteriors {
    /// D_KL(q ‖ p(z | x)) of image `i`, with log q at the grid's codes, nats.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one value a code.
    pub fn divergence(&self, i: usize, log_q: &[f64]) -> Result<f64> {
        let log_p = self.of(i)?;
        if log_q.len() != log_p.len() {
            let (expected, found) = (format!("{} values", log_p.len()), format!("{}", log_q.len()));
            return Err(Error::Shape { what: "log q", expected, found });
        }
        let sum: f64 = log_q.iter().zip(log_p).filter(|(q, _)| **q > -80.0).map(|(q, p)| q.exp() * (q - p)).sum();
        Ok(sum * self.step * self.step)
    }

    /// Calls `f(k, log q)` at each code k that a Gaussian reaches.
    pub(super) fn within_reach(&self, q: &MeanField, mut f: impl FnMut(usize, f64)) {
        let (mean, sd, side) = (q.mean(), q.sd(), self.side());
        let low = f64::from(self.codes[[0, 0]]);
        let [columns, rows] = [0, 1].map(|j| {
            let place = |z: f64| ((z - low) / self.step).clamp(0.0, (side - 1) as f64);
            place(mean[j] - REACH * sd[j]).floor() as usize..=place(mean[j] + REACH * sd[j]).ceil() as usize
        });
        for row in rows {
            for k in columns.clone().map(|column| row * side + column) {
                f(k, q.log_prob(&[f64::from(self.codes[[k, 0]]), f64::from(self.codes[[k, 1]])]));
            }
        }
    }

    /// P.
    fn side(&self) -> usize {
        (self.codes.nrows() as f64).sqrt().round() as usize
    }

    pub(super) fn of(&self, i: usize) -> Result<&[f64]> {
        let n = self.log_posterior.nrows();
        let row = self.log_posterior.as_slice().map(|all| all.chunks_exact(self.codes.nrows()));
        row.and_then(|mut rows| rows.nth(i)).ok_or_else(|| Error::Shape {
            what: "image",
            expected: format!("0 to {}", n.saturating_sub(1)),
            found: format!("{i}"),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::estimators::{B, Estimator};
    use crate::likelihoods::{Gaussian, PixelMean, Variance};
    use crate::models::ModelConfig;
    use crate::nn::{Activation, Init};
    use crate::posteriors::{PosteriorConfig, SemiImplicit};

    /// x ~ N(W z + b, ½² I): a linear decoder, whose posterior and evidence are Gaussian.
    pub(in super::super) fn linear(posterior: impl Into<PosteriorConfig>) -> Vae<f32> {
        let likelihood = Gaussian { mean: PixelMean::Linear, variance: Variance::Fixed { sd: 0.5 } };
        let config = ModelConfig {
            latent: 2,
            encoder: vec![4],
            decoder: vec![3],
            activation: Activation::Identity,
            likelihood: likelihood.into(),
            init: Init::Normal { std: 0.4 },
            posterior: posterior.into(),
            posterior_sd: Some(0.5),
            ..ModelConfig::default()
        };
        Vae::new(&config, 3, 1).unwrap()
    }

    pub(in super::super) fn x() -> Array2<f32> {
        ndarray::array![[0.4, -0.3, 0.2], [-0.5, 0.1, 0.6]]
    }

    /// p(x) = N(b, W Wᵀ + ¼ I) by its definition.
    fn exact(model: &Vae<f32>, x: &[f32]) -> f64 {
        let at = |z: [f32; 2]| model.decode(&Array2::from_shape_vec((1, 2), z.to_vec()).unwrap()).unwrap();
        let b = at([0.0, 0.0]);
        let (u, v) = (at([1.0, 0.0]) - &b, at([0.0, 1.0]) - &b);
        let c = |i: usize, j: usize| {
            f64::from(u[[0, i]] * u[[0, j]] + v[[0, i]] * v[[0, j]]) + if i == j { 0.25 } else { 0.0 }
        };
        let minor = |i: usize, j: usize| {
            let (r, s) = ((i + 1) % 3, (i + 2) % 3);
            let (p, q) = ((j + 1) % 3, (j + 2) % 3);
            c(r, p) * c(s, q) - c(r, q) * c(s, p)
        };
        let det: f64 = (0..3).map(|j| c(0, j) * minor(0, j)).sum();
        let d: Vec<f64> = (0..3).map(|j| f64::from(x[j] - b[[0, j]])).collect();
        let square: f64 =
            (0..3).flat_map(|i| (0..3).map(move |j| (i, j))).map(|(i, j)| d[i] * minor(j, i) * d[j]).sum();
        -0.5 * (3.0 * crate::numeric::real::LOG_2PI + det.ln() + square / det)
    }

    #[test]
    fn the_evidence_of_a_linear_model() {
        let model = linear(PosteriorConfig::DiagonalGaussian);
        let grid = model.posteriors_on_grid(&x(), 6.0, 121).unwrap();
        for i in 0..2 {
            let exact = exact(&model, x().row(i).as_slice().unwrap());
            assert!((grid.log_evidence[i] - exact).abs() < 1e-4, "{} {exact}", grid.log_evidence[i]);
        }
    }

    /// The gap of the bound is the divergence, and the best Gaussian has a smaller one.
    #[test]
    fn the_gap_of_the_bound_is_the_divergence() {
        let model = linear(PosteriorConfig::DiagonalGaussian);
        let (x, grid) = (x(), model.posteriors_on_grid(&x(), 6.0, 121).unwrap());
        let mut gap = 0.0;
        for i in 0..2 {
            let one = x.slice(ndarray::s![i..=i, ..]).to_owned();
            let divergence = grid.divergence(i, &model.log_posterior_on(&grid, &one, 1, 0).unwrap()).unwrap();
            assert!(divergence > 0.0);
            gap += 0.5 * divergence;
        }
        let bound = model.elbo(&x, Estimator::new(B, 20_000), 0).unwrap().bound;
        let expected = grid.log_evidence.mean().unwrap() - gap;
        assert!((bound - expected).abs() < 0.05, "{bound} {expected}");
    }

    #[test]
    fn a_mixture_over_noise_has_unit_mass() {
        let model = linear(SemiImplicit { noise: 2, inner: 1 });
        let (x, grid) = (x(), model.posteriors_on_grid(&x(), 9.0, 121).unwrap());
        let one = x.slice(ndarray::s![0..1, ..]).to_owned();
        let log_q = model.log_posterior_on(&grid, &one, 30, 0).unwrap();
        let mass: f64 = log_q.iter().map(|q| q.exp()).sum::<f64>() * (18.0f64 / 120.0).powi(2);
        assert!((mass - 1.0).abs() < 1e-3, "{mass}");
        assert!(model.posteriors_on_grid(&x, 6.0, 2).is_err() && grid.divergence(7, &log_q).is_err());
    }
}
