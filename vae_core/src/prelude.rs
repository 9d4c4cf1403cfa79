//! All that a notebook needs: `use vae_core::prelude::*;`.

pub use crate::data::batches::BatchScheme;
pub use crate::data::dataset::{Dataset, DatasetConfig, DatasetKind, Images, Limit, SplitScheme};
pub use crate::data::npy::labels_from_npy;
pub use crate::data::own::{OwnData, Split};
pub use crate::data::preprocess::{Binarise, Preprocess, Scale};
pub use crate::data::readers::{MatImages, labels_from_idx};
pub use crate::data::values::Values;
pub use crate::estimators::{Bound, Estimator, Form};
pub use crate::figures::{
    Bars, Curve, Figure, Heatmap, ImageGrid, LearningCurves, Manifold, Panels, Table, manifold_latents, mean_sd,
};
pub use crate::likelihoods::{GaussianMean, LikelihoodConfig};
pub use crate::live::{Display, Training};
pub use crate::models::latent::{class_at_origin, direction_in_plane, left_right_asymmetry};
pub use crate::models::{Decode, ModelConfig, Vae};
pub use crate::nn::{Activation, Init};
pub use crate::numeric::Precision;
pub use crate::optim::{EpsilonPlace, OptimiserConfig, Schedule};
pub use crate::reference::{Source, lower_bound_curves};
pub use crate::rng::{Stream, rng};
pub use crate::runs::store::{run, run_all};
pub use crate::runs::summary::{mean_curve, means, values};
pub use crate::runs::{
    Budget, EarlyStop, Objective, Profile, Provenance, Quantity, Run, RunConfig, RunResult, RunStore, WeightPrior,
    param,
};
pub use crate::train::observer::{Checkpointer, Progress, StopFlag};
pub use crate::train::{Control, Event, History, Observer, Outcome, Record, RecordAt, Trainer};
pub use crate::{Error, Result};
pub use ndarray::{Array1, Array2, Axis, concatenate, s};
