//! Everything that determines a run.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::batches::BatchScheme;
use crate::data::dataset::{DatasetConfig, DatasetKind};
use crate::data::preprocess::{Preprocess, Scale};
use crate::estimators::Estimator;
use crate::likelihoods::{GaussianMean, LikelihoodConfig};
use crate::models::ModelConfig;
use crate::numeric::Precision;
use crate::optim::{OptimiserConfig, Schedule};
use crate::train::{History, RecordAt};
use crate::{Error, Result};

/// When a run ends. Whole updates: what is left of a minibatch is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// After so many training samples (the x axis of the report's figures).
    Samples(u64),
    /// After so many passes over the data.
    Epochs(u64),
    /// After so many updates.
    Updates(u64),
}

impl Budget {
    /// In samples, for minibatches of `m` and so many of them in an epoch.
    pub fn samples(self, m: usize, per_epoch: u64) -> u64 {
        let m = m as u64;
        match self {
            Self::Samples(samples) => samples / m * m,
            Self::Epochs(epochs) => epochs.saturating_mul(per_epoch).saturating_mul(m),
            Self::Updates(updates) => updates.saturating_mul(m),
        }
    }
}

/// The scale of what is ascended. It matters where the optimiser has an ε.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Mean over the minibatch: the bound per datapoint (the authors' V0).
    #[default]
    PerDatapoint,
    /// Sum over the minibatch (the authors' V1).
    Minibatch,
    /// Eqs. 8–9 as printed: N/M times the sum, the estimate for the whole data set.
    Dataset,
}

impl Objective {
    /// The factor on the gradient of the bound per datapoint.
    pub fn scale(self, n: usize, m: usize) -> f64 {
        match self {
            Self::PerDatapoint => 1.0,
            Self::Minibatch => m as f64,
            Self::Dataset => n as f64,
        }
    }
}

/// A Gaussian prior on all weights and biases θ, added to the objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightPrior {
    /// None.
    #[default]
    None,
    /// θ ~ N(0, 1/λ), at its right weight: −λ‖θ‖² / (2N) per datapoint.
    Gaussian {
        /// λ.
        precision: f64,
    },
    /// What the authors' later code (V1) did: −½‖θ‖² against the sum over one minibatch, so −‖θ‖² / (2M) per datapoint:
    /// N/M times too strong (500 times on MNIST, 15 times on Frey Face).
    AuthorsMisscaled,
}

impl WeightPrior {
    /// c in −c‖θ‖²/2 per datapoint.
    pub fn per_datapoint(self, n: usize, m: usize) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Gaussian { precision } => precision / n as f64,
            Self::AuthorsMisscaled => 1.0 / m as f64,
        }
    }
}

/// Stops a run when the validation bound has not risen for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStop {
    /// Records without a rise.
    pub patience: u64,
    /// What counts as a rise, nats per datapoint.
    pub min_delta: f64,
}

impl EarlyStop {
    /// Why a run with this history should stop, if it should.
    pub fn reason(&self, history: &History) -> Option<String> {
        let (mut best, mut waited) = (f64::NEG_INFINITY, 0);
        for record in &history.records {
            if record.valid.bound > best + self.min_delta || best == f64::NEG_INFINITY {
                (best, waited) = (record.valid.bound, 0);
            } else {
                waited += 1;
            }
        }
        (waited >= self.patience).then(|| format!("the validation bound has not risen for {waited} records"))
    }

    fn validate(&self) -> Result<()> {
        if self.patience > 0 && self.min_delta.is_finite() {
            return Ok(());
        }
        Err(Error::config("early_stop", format!("needs patience ≥ 1 and a finite min_delta, not {self:?}")))
    }
}

/// Everything that determines a run. Two runs with equal configurations have equal results, bit for bit, on one CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
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
            Some(own) if own.real => LikelihoodConfig::Gaussian { mean: GaussianMean::Linear },
            _ if faces => LikelihoodConfig::Gaussian { mean: GaussianMean::Sigmoid },
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
    pub fn optimiser(mut self, optimiser: OptimiserConfig) -> Self {
        self.optimiser = optimiser;
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

    /// Checks everything that can be checked without the data, for datapoints of width `d`.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self, d: usize) -> Result<()> {
        self.model.validate(d)?;
        self.preprocess.validate(self.data.kind.is_real())?;
        self.estimator.validate()?;
        self.evaluation.validate()?;
        self.optimiser.validate()?;
        self.schedule.validate()?;
        self.record.validate()?;
        if let Some(rule) = &self.early_stop {
            rule.validate()?;
        }
        if let WeightPrior::Gaussian { precision } = self.weight_prior
            && !(precision.is_finite() && precision >= 0.0)
        {
            return Err(Error::config("weight_prior.precision", format!("must be ≥ 0, not {precision}")));
        }
        let head = self
            .model
            .latent
            .max(2 * d)
            .max(self.model.encoder.iter().chain(&self.model.decoder).copied().max().unwrap_or(0));
        let values = self.batch.checked_mul(self.estimator.samples).and_then(|rows| rows.checked_mul(head));
        if values.is_none_or(|v| v > 1 << 31) {
            return Err(Error::config(
                "batch",
                "times L times the widest layer is beyond 2³¹ values; take a smaller M or L",
            ));
        }
        Ok(())
    }

    /// The configuration as canonical JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The name of the run in the store: SHA-256 of the canonical JSON, shortened to 16 hexadecimal digits.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(format!("{REVISION}:{}", self.to_json()));
        digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
    }
}
