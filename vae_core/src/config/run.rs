//! Everything that determines a run.

use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::budget::Budget;
use super::early_stop::EarlyStop;
use super::objective::{Objective, WeightPrior};
use super::origin::Origin;
use super::record::RecordAt;
use crate::checksum::sha256_hex;
use crate::choices::is_default;
use crate::corruption::{CorruptionConfig, NoiseSchedule};
use crate::data::batches::BatchScheme;
use crate::data::dataset::{DatasetConfig, DatasetKind};
use crate::data::preprocess::{Preprocess, Scale};
use crate::estimators::{Estimator, Form, KlWeight};
use crate::likelihoods::{LikelihoodConfig, PixelMean};
use crate::models::{Learned, ModelConfig};
use crate::numeric::Precision;
use crate::optim::{OptimiserConfig, Schedule};
use crate::posteriors::PosteriorConfig;
use crate::priors::{PriorConfig, Support};
use crate::weights::WeightsConfig;
use crate::{Error, Result};

/// Everything that determines a run. Two runs with equal configurations have equal results, bit for bit, on one CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Which data, how divided, how many.
    pub data: DatasetConfig,
    /// From intensities to x.
    pub preprocess: Preprocess,
    /// The model and its start.
    pub model: ModelConfig,
    /// L^A or L^B, and L.
    pub estimator: Estimator,
    /// M, datapoints in a minibatch.
    pub batch: usize,
    /// How minibatches are chosen.
    pub batches: BatchScheme,
    /// Scale of the objective.
    pub objective: Objective,
    /// Prior on the weights.
    pub weight_prior: WeightPrior,
    /// The optimiser.
    pub optimiser: OptimiserConfig,
    /// Its step-size schedule.
    pub schedule: Schedule,
    /// When to end.
    pub budget: Budget,
    /// When to stop before that.
    pub early_stop: Option<EarlyStop>,
    /// When to write down the bounds.
    pub record: RecordAt,
    /// How validation and test bounds are estimated.
    pub evaluation: Estimator,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The precision of the training steps' products. Not written down where it is the default, so that configurations from
    /// before it was there keep their hashes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// The weight of the KL divergence in what is ascended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kl_weight: KlWeight,
    /// How the level of the model's corruption changes over the budget.
    #[serde(default, skip_serializing_if = "is_default")]
    pub noise_schedule: NoiseSchedule,
    /// How an update is made.
    #[serde(default, skip_serializing_if = "is_default")]
    pub algorithm: Algorithm,
    /// Which networks learn.
    #[serde(default, skip_serializing_if = "is_default")]
    pub learned: Learned,
    /// The weights that it begins with; if `None`, the seed draws them as the model's `init` says. Not written down where it is
    /// the default, as the precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Origin>,
}

/// Part of the hash: raise it when the same configuration gives another result than before.
/// (2: the fast core of `f32` rounds otherwise than the products before it. 3: log p(x | z) of Bernoulli pixels is rounded otherwise.)
const REVISION: u32 = 3;

impl RunConfig {
    /// The report's protocol for this data set: one hidden tanh layer a side (500 units, Frey 200), N_z = 10, L^B with
    /// L = 1, M = 100, AdaGrad 0.01, N(0, 0.01²), minibatches of fixed blocks; Bernoulli pixels on k/256 for digits, and
    /// for faces a Gaussian with sigmoid mean on inverted k/255. One pass over the data.
    ///
    /// For own images the same with 500 units, but shuffled minibatches, and M smaller if there are fewer training images;
    /// Bernoulli pixels on k/255 for bytes, and for real numbers, whatever their range, a Gaussian with linear mean.
    pub fn report(data: DatasetConfig) -> Self {
        let faces = matches!(data.kind, DatasetKind::FreyFace | DatasetKind::SyntheticFaces);
        let own = if let DatasetKind::Own(own) = data.kind { Some(own) } else { None };
        let hidden = if faces { 200 } else { 500 };
        let likelihood = match own {
            Some(own) if own.real => LikelihoodConfig::gaussian(PixelMean::Linear),
            _ if faces => LikelihoodConfig::gaussian(PixelMean::Sigmoid),
            _ => LikelihoodConfig::Bernoulli,
        };
        let scale = match own {
            Some(own) if own.real => Scale::AsIs,
            None if !faces => Scale::K256,
            _ => Scale::K255,
        };
        let train = own.map_or(usize::MAX, |own| own.train.min(data.limit.map_or(usize::MAX, |limit| limit.train)));
        Self {
            data,
            preprocess: Preprocess { scale, invert: faces, ..Preprocess::default() },
            model: ModelConfig { encoder: vec![hidden], decoder: vec![hidden], likelihood, ..ModelConfig::default() },
            estimator: Estimator::default(),
            batch: train.clamp(1, 100),
            batches: if own.is_some() { BatchScheme::Shuffled } else { BatchScheme::FixedBlocks },
            objective: Objective::PerDatapoint,
            weight_prior: WeightPrior::None,
            optimiser: OptimiserConfig::default(),
            schedule: Schedule::Constant,
            budget: Budget::Epochs(1),
            early_stop: None,
            record: RecordAt::LogSpaced,
            evaluation: Estimator::default(),
            seed: 0,
            precision: Precision::F32,
            kl_weight: KlWeight::default(),
            noise_schedule: NoiseSchedule::default(),
            algorithm: Algorithm::default(),
            learned: Learned::default(),
            start: None,
        }
    }

    /// The same with another N_z.
    #[must_use]
    pub fn latent(mut self, n_z: usize) -> Self {
        self.model.latent = n_z;
        self
    }

    /// The same with another budget.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The same with another optimiser.
    #[must_use]
    pub fn optimiser(mut self, optimiser: impl Into<OptimiserConfig>) -> Self {
        self.optimiser = optimiser.into();
        self
    }

    /// The same with another p(x | z).
    #[must_use]
    pub fn likelihood(mut self, likelihood: impl Into<LikelihoodConfig>) -> Self {
        self.model.likelihood = likelihood.into();
        self
    }

    /// The same with another p(z).
    #[must_use]
    pub fn prior(mut self, prior: impl Into<PriorConfig>) -> Self {
        self.model.prior = prior.into();
        self
    }

    /// The same with another q(z | x).
    #[must_use]
    pub fn posterior(mut self, posterior: impl Into<PosteriorConfig>) -> Self {
        self.model.posterior = posterior.into();
        self
    }

    /// The same with another q(θ).
    #[must_use]
    pub fn weights(mut self, weights: impl Into<WeightsConfig>) -> Self {
        self.model.weights = weights.into();
        self
    }

    /// The same with another corruption of the encoder's input.
    #[must_use]
    pub fn corruption(mut self, corruption: impl Into<CorruptionConfig>) -> Self {
        self.model.corruption = corruption.into();
        self
    }

    /// The same with another estimator of the gradient, with L samples per datapoint.
    #[must_use]
    pub fn estimator(mut self, form: impl Into<Form>, samples: usize) -> Self {
        self.estimator = Estimator::new(form, samples);
        self
    }

    /// The same with another estimator of the bounds that are reported, with L samples per datapoint.
    #[must_use]
    pub fn evaluation(mut self, form: impl Into<Form>, samples: usize) -> Self {
        self.evaluation = Estimator::new(form, samples);
        self
    }

    /// The same with another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same with another precision of the training steps.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The same by another algorithm.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The same, in which only these networks learn.
    #[must_use]
    pub fn learned(mut self, learned: Learned) -> Self {
        self.learned = learned;
        self
    }

    /// The same, beginning with given weights: `Origin::run(&run)`, `Origin::decoder_of(&run)` or `Origin::file(path)?`.
    #[must_use]
    pub fn warm_start(mut self, origin: Origin) -> Self {
        self.start = Some(origin);
        self
    }

    /// Checks everything that can be checked without the data, for datapoints of width `d`.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self, d: usize) -> Result<()> {
        self.model.validate(d)?;
        self.preprocess.validate(self.data.kind.is_real())?;
        for (place, estimator) in [("estimator", self.estimator), ("evaluation", self.evaluation)] {
            estimator.fits(&self.model.posterior, &self.model.prior).map_err(|error| error.within(place))?;
        }
        self.optimiser.get::<f32>().validate()?;
        self.kl_weight.validate()?;
        self.schedule.validate()?;
        self.noise_schedule.validate()?;
        self.record.validate()?;
        self.budget.validate()?;
        if let (Budget::UntilInterrupted, Some(reason)) = (self.budget, self.bound_to_budget()) {
            return Err(Error::config("budget", format!("has no end, but {reason}; write a number of samples")));
        }
        if let Some(rule) = &self.early_stop {
            rule.validate()?;
        }
        self.weight_prior.validate()?;
        if self.model.weights.gaussian().is_some() && self.weight_prior != WeightPrior::None {
            let reason = "is a prior of weights that are a point; that of Gaussian weights is model.weights.prior";
            return Err(Error::config("weight_prior", reason));
        }
        self.validate_algorithm()?;
        if let Some(origin) = &self.start {
            origin.validate()?;
        }
        let head = self
            .model
            .latent
            .max(2 * d)
            .max(self.model.encoder.iter().chain(&self.model.decoder).copied().max().unwrap_or(0));
        let encoded = self.model.posterior.get::<f32>().head(self.model.latent).rows(self.estimator.samples);
        let rows = self.batch.checked_mul(self.estimator.samples.max(encoded));
        let values = rows.and_then(|rows| rows.checked_mul(head));
        if values.is_none_or(|v| v > 1 << 31) {
            return Err(Error::config(
                "batch",
                "times L times the widest layer is beyond 2³¹ values; take a smaller M or L",
            ));
        }
        Ok(())
    }

    /// What only a bound can be made of is refused where nothing climbs one.
    fn validate_algorithm(&self) -> Result<()> {
        self.algorithm.validate()?;
        let name = match self.algorithm {
            Algorithm::Aevb => return Ok(()),
            Algorithm::WakeSleep => "wake-sleep",
            Algorithm::MonteCarloEm(_) => "Monte Carlo EM",
        };
        let refuse =
            |field: &str, reason: &str| Err(Error::config(field, format!("{reason}, which {name} does not know")));
        let (posterior, prior) = (self.model.posterior, self.model.prior);
        let one_sample = self.estimator.samples == 1 && self.evaluation.samples == 1;
        match self.algorithm {
            Algorithm::WakeSleep if !posterior.get::<f32>().has_inverse() => {
                return refuse("model.posterior", &format!("is {}: the noise behind a given z", posterior.name()));
            }
            Algorithm::MonteCarloEm(_) if prior.get::<f32>().support() != Support::Real => {
                return refuse("model.prior", &format!("is {}: a z that lives on less than all numbers", prior.name()));
            }
            Algorithm::MonteCarloEm(_) if !(one_sample && posterior == PosteriorConfig::default()) => {
                let reason = "takes several samples, or the posterior is not the default: a choice of q(z | x)";
                return refuse("estimator", reason);
            }
            _ => {}
        }
        if self.model.weights.gaussian().is_some() {
            return refuse("model.weights", "are Gaussian");
        }
        if !self.model.corruption.get::<f32>().is_none() {
            return refuse("model.corruption", "is a corruption of data");
        }
        let weighted = self.estimator.form.get().is_importance_weighted();
        if weighted || self.kl_weight != KlWeight::default() || self.learned != Learned::Both {
            return refuse("estimator", "weighs samples or the KL divergence, or only one network learns");
        }
        Ok(())
    }

    /// The configuration as canonical JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The name of the run in the store: SHA-256 of the canonical JSON, shortened to 16 hexadecimal digits. Where a file of
    /// weights lies is no part of it.
    pub fn hash(&self) -> String {
        hash_of(&self.determining())
    }

    /// The same but for the budget: runs that agree in it are one run, followed for more or less long.
    pub fn hash_but_budget(&self) -> String {
        let mut json = self.determining();
        if let Some(fields) = json.as_object_mut() {
            fields.shift_remove("budget");
        }
        hash_of(&json)
    }

    /// Why a run of this configuration is not the beginning of that with a larger budget, if it is not. (Its records and
    /// early stopping are another matter: they leave the parameters alone.)
    pub fn bound_to_budget(&self) -> Option<&'static str> {
        if self.noise_schedule != NoiseSchedule::Constant {
            return Some("the schedule of its corruption spans the whole budget");
        }
        match self.schedule {
            Schedule::Constant | Schedule::Stages(_) => None,
            Schedule::Cosine { .. } => Some("the cosine of its step sizes spans the whole budget"),
        }
    }

    /// The JSON without what does not determine the result.
    fn determining(&self) -> serde_json::Value {
        let mut json = self.to_json();
        if let Some(file) = json.pointer_mut("/start/file").and_then(|file| file.as_object_mut()) {
            file.shift_remove("path");
        }
        json
    }
}

fn hash_of(json: &serde_json::Value) -> String {
    sha256_hex([format!("{REVISION}:{json}").as_bytes()])[..16].to_owned()
}
