//! Estimators of the lower bound's gradient, one a file. Each is a rule from a datapoint's L log weights to three weights a sample:
//!
//! | estimator | model | path | score | |
//! |---|---|---|---|---|
//! | [`A`], eq. 8 | 1/L | 1 | −1/L | log q and log p(z) sampled |
//! | [`B`], eq. 9 | 1/L | 1 | 0 | KL in closed form |
//! | [`StickingTheLanding`] | 1/L | 1 | 0 | log q only along the path |
//! | [`ImportanceWeighted`] | w̃ | 1 | −w̃ | w̃ = softmax of log w over the L samples |
//! | [`DoublyReparameterised`] | w̃ | w̃ | 0 | |
//! | [`ScoreFunction`] | 1/L | 0 | (log w − b)/L | with and without baseline b |
//!
//! *model* weighs ∂ log p(x | z) / ∂head of the decoder and ∂ log p(x, z) / ∂z, *path* the whole of ∂/∂z before it goes back through the
//! reparameterisation, *score* ∂ log q / ∂φ at fixed z. The estimates are averaged over the M datapoints of the minibatch: nats per
//! datapoint. That for the whole data set, as the equations are printed, is N times that; the choice of scale is the trainer's.

mod bound;
mod doubly_reparameterised;
mod importance_weighted;
mod kl_weight;
mod score_function;
mod sgvb_a;
mod sgvb_b;
mod sticking_the_landing;
mod weigh;

pub use bound::Bound;
pub use kl_weight::KlWeight;
pub use score_function::Baseline;
pub use weigh::{Kl, Weigh, Weights};

use serde::{Deserialize, Serialize};

use crate::choices::choices;
use crate::posteriors::{PosteriorConfig, closed_kl};
use crate::priors::PriorConfig;
use crate::{Error, Result};

choices! {
    /// Choice of the rule.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    Form: Weigh {
        sgvb_a::A,
        #[default] sgvb_b::B,
        sticking_the_landing::StickingTheLanding,
        importance_weighted::ImportanceWeighted,
        doubly_reparameterised::DoublyReparameterised,
        score_function::ScoreFunction(ScoreFunction),
    }
}

/// A rule, and the number of samples of z per datapoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimator {
    /// L^A, L^B, ….
    pub form: Form,
    /// L, the number of samples of z per datapoint.
    pub samples: usize,
}

impl Default for Estimator {
    /// L^B with L = 1.
    fn default() -> Self {
        Self { form: Form::B, samples: 1 }
    }
}

/// More samples per datapoint than this would not fit the buffers of a step.
const MAX_SAMPLES: usize = 100_000;

impl Estimator {
    /// A rule with L samples.
    pub fn new(form: impl Into<Form>, samples: usize) -> Self {
        Self { form: form.into(), samples }
    }

    /// Checks L.
    ///
    /// # Errors
    /// [`Error::Config`] if L is 0 or beyond 10⁵, or the rule needs more.
    pub fn validate(&self) -> Result<()> {
        if self.samples == 0 {
            return Err(Error::config("samples", "is 0; L must be at least 1"));
        }
        if self.samples > MAX_SAMPLES {
            return Err(Error::config("samples", format!("is {}; use at most {MAX_SAMPLES}", self.samples)));
        }
        self.form.get().validate(self.samples)
    }

    /// Checks that the rule can be used with such a posterior and prior.
    ///
    /// # Errors
    /// [`Error::Config`] naming what does not fit, and what would; its field is `form` or `samples`.
    pub fn fits(&self, q: &PosteriorConfig, p: &PriorConfig) -> Result<()> {
        self.validate()?;
        let (form, q_name, p_name) = (self.form.name(), q.name(), p.name());
        if self.form.get().kl() == Kl::Closed {
            if closed_kl::<f64>(q, p).is_some() {
                return Ok(());
            }
            let reason = format!(
                "is B, but the KL divergence of {q_name} from {p_name} has no closed form here: use A or another that samples it"
            );
            return Err(Error::config("form", reason));
        }
        if q.get::<f64>().has_density() {
            return Ok(());
        }
        let reason = format!("is {form}, which needs log q(z | x), but {q_name} has no density: use B");
        Err(Error::config("form", reason))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn weights(form: Form, log_w: &[f64]) -> [Vec<f64>; 3] {
        let mut all = [vec![f64::NAN; log_w.len()], vec![f64::NAN; log_w.len()], vec![f64::NAN; log_w.len()]];
        let [model, path, score] = &mut all;
        form.get().weigh(log_w, Weights { model, path, score });
        all
    }

    #[test]
    fn every_rule_spends_a_weight_of_one_on_the_model() {
        for form in Form::all() {
            for log_w in [vec![-100.0], vec![-700.0, -710.0, 3.0], vec![-1e5; 7]] {
                let [model, path, score] = weights(form, &log_w);
                assert!((model.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{form:?}");
                assert!(path.iter().chain(&score).all(|w| w.is_finite()));
                assert!(!form.get().label().is_empty());
            }
        }
    }

    #[test]
    fn baselines_take_a_constant_away() {
        let with = Form::from(ScoreFunction { baseline: Baseline::OtherSamples });
        assert_eq!(weights(with, &[-7.0; 3])[2], [0.0; 3]);
        assert_eq!(weights(ScoreFunction::default().into(), &[-7.0, -3.0])[2], [-3.5, -1.5]);
        assert_eq!(weights(with, &[-7.0, -3.0])[2], [-2.0, 2.0]);
        assert!(Estimator::new(with, 1).validate().unwrap_err().to_string().contains("at least 2"));
        assert!(Estimator::new(with, 2).validate().is_ok());
    }

    /// 1/(M L) as the step computes it, (1/L)/M, is the same number in single precision.
    #[test]
    fn a_mean_over_samples_and_datapoints_is_rounded_once() {
        for m in 1..1500usize {
            for l in (1..100).chain([500, 5000]) {
                assert_eq!((1.0 / l as f64 / m as f64) as f32, (1.0 / (m * l) as f64) as f32, "{m} {l}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let point = PosteriorConfig::all().into_iter().find(|q| !q.get::<f64>().has_density()).unwrap();
        let error = Estimator::new(A, 1).fits(&point, &PriorConfig::default()).unwrap_err().to_string();
        assert!(error.contains("A") && error.contains("Point") && error.contains("use B"), "{error}");
        assert!(Estimator::default().fits(&point, &PriorConfig::default()).is_ok());
    }
}
