//! The gradient of a minibatch's bound as a random variable: how large it is, and how far it scatters with the posterior's noise.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::generate::slice;
use crate::estimators::Estimator;
use crate::models::Vae;
use crate::nn::Tensor;
use crate::numeric::RunningMoments;
use crate::rng::{Stream, rng};
use crate::step::Workspace;
use crate::{Error, Result};

/// Moments of the gradient of the bound of one minibatch, nats per datapoint and unit of a parameter, over draws of ε.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradientMoments {
    /// One a tensor of the parameters, in the order of the layout.
    pub tensors: Vec<TensorMoments>,
}

/// Those of one tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorMoments {
    /// Its name in the layout.
    pub name: String,
    /// Number of its parameters.
    pub size: usize,
    /// ‖E g‖², its squared length.
    pub squared_mean: f64,
    /// Σ Var g over its parameters.
    pub variance: f64,
}

impl GradientMoments {
    /// Σ Var g over the tensors whose names begin with one of these: `&["encoder", "posterior"]` for the encoder with its head,
    /// `&["decoder", "likelihood"]` for the decoder, `&[""]` for all.
    pub fn variance(&self, names: &[&str]) -> f64 {
        self.of(names).map(|t| t.variance).sum()
    }

    /// The root of the mean square of single parameters' gradients in one draw, over the tensors whose names begin with one of these;
    /// NaN if there are none.
    pub fn rms(&self, names: &[&str]) -> f64 {
        let squares: f64 = self.of(names).map(|t| t.squared_mean + t.variance).sum();
        (squares / self.of(names).map(|t| t.size as f64).sum::<f64>()).sqrt()
    }

    /// ‖E g‖ / √(Σ Var g) over the tensors whose names begin with one of these, of moments over so many draws, whose own noise is subtracted (Rainforth et al.
    /// 2018 ask how that of the encoder falls with L in an importance-weighted bound).
    pub fn signal_to_noise(&self, names: &[&str], draws: u64) -> f64 {
        let squares: f64 = self.of(names).map(|t| t.squared_mean).sum();
        let variance = self.variance(names);
        ((squares - variance / draws as f64).max(0.0) / variance).sqrt()
    }

    fn of<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a TensorMoments> {
        self.tensors.iter().filter(move |t| names.iter().any(|name| t.name.starts_with(name)))
    }
}

impl Vae<f32> {
    /// Moments of the gradient of the bound of x `[M, D]` over so many draws of ε `[M·L, N_z]`. The variance falls as 1/M for rows that
    /// are alike in kind, unless Gaussian weights have one sample for all rows: then to a floor. Two estimators with the same seed get the same
    /// ε. The divergence of Gaussian weights, which has no noise, is left out.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two draws, or an estimator that does not fit; [`Error::Shape`] if x is not `[M, D]`.
    pub fn gradient_moments(
        &self,
        x: &Array2<f32>,
        estimator: Estimator,
        draws: u64,
        seed: u64,
    ) -> Result<GradientMoments> {
        if draws < 2 {
            return Err(Error::config("draws", format!("is {draws}; a variance needs at least 2")));
        }
        self.check_pixels(x)?;
        let (x, m) = (slice(x.view()), x.nrows());
        let mut ws = Workspace::new(self, &estimator, m, true)?;
        let mut moments = RunningMoments::new(self.params().len());
        for draw in 0..draws {
            let mut rng = rng(seed, Stream::Gradient, draw);
            ws.draw_noise(self, m, &mut rng)?;
            ws.draw_weights(self, m, &mut rng);
            ws.gradient(self, &*x)?;
            moments.push(ws.gradient.iter().map(|&g| f64::from(g)));
        }
        let (mean, variance) = (moments.mean(), moments.variance());
        let tensor = |tensor: &Tensor| TensorMoments {
            name: tensor.name.clone(),
            size: tensor.len(),
            squared_mean: mean[tensor.range()].iter().map(|g| g * g).sum(),
            variance: variance[tensor.range()].iter().sum(),
        };
        Ok(GradientMoments { tensors: self.layout().tensors().iter().map(tensor).collect() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::estimators::Form;
    use crate::models::ModelConfig;
    use crate::weights::{Gaussian, Sampling};

    /// L^A and L^B have one mean, and L^B's decoder gradient is that of L^A draw by draw; a minibatch of twice the same rows halves
    /// nothing but the noise.
    #[test]
    fn estimators_share_the_mean_and_rows_share_the_variance() {
        let config = ModelConfig { encoder: vec![5], decoder: vec![4], latent: 2, ..ModelConfig::default() };
        let model = Vae::<f32>::new(&config, 6, 3).unwrap();
        let x = Array2::from_shape_fn((4, 6), |(i, j)| ((i * 6 + j) as f32 * 0.37).sin().abs());
        let of = |x: &Array2<f32>, form: Form| model.gradient_moments(x, Estimator::new(form, 1), 4000, 1).unwrap();
        let (a, b, stl) = (of(&x, Form::A), of(&x, Form::B), of(&x, Form::StickingTheLanding));
        let decoder = ["decoder", "likelihood"];
        assert!((a.variance(&decoder) / b.variance(&decoder) - 1.0).abs() < 1e-3);
        for other in [&a, &stl] {
            for (one, two) in b.tensors.iter().zip(&other.tensors) {
                let noise = 6.0 * ((one.variance + two.variance) / 4000.0).sqrt();
                assert!((one.squared_mean.sqrt() - two.squared_mean.sqrt()).abs() < noise, "{one:?} {two:?}");
            }
        }
        let twice = ndarray::concatenate![ndarray::Axis(0), x, x];
        let ratio = of(&twice, Form::B).variance(&[""]) / b.variance(&[""]);
        assert!((ratio - 0.5).abs() < 0.05, "{ratio}");
        // with Gaussian weights: by rows, halved; of one sample for all rows, not
        let of_weights = |sampling: Sampling| {
            let weights = Gaussian { sampling, start: 0.5, ..Gaussian::default() }.into();
            let model = Vae::<f32>::new(&ModelConfig { weights, ..config.clone() }, 6, 3).unwrap();
            let of =
                |x: &Array2<f32>| model.gradient_moments(x, Estimator::default(), 4000, 1).unwrap().variance(&[""]);
            of(&twice) / of(&x)
        };
        let [local, shared] = [Sampling::Local, Sampling::Minibatch].map(of_weights);
        assert!((local - 0.5).abs() < 0.05 && shared > 0.7, "{local} {shared}");
        // the signal of twice as many rows stays, their noise is halved
        let rows = of(&twice, Form::B).signal_to_noise(&[""], 4000) / b.signal_to_noise(&[""], 4000);
        assert!((rows - 2f64.sqrt()).abs() < 0.1, "{rows}");
        assert!(b.rms(&["encoder"]) > 0.0 && b.rms(&["nothing"]).is_nan());
        assert!(model.gradient_moments(&x, Estimator::default(), 1, 0).is_err());
    }
}
