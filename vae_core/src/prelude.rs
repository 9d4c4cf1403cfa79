//! All that a notebook needs: `use vae_core::prelude::*;`.

pub use crate::config::{
    Algorithm, Budget, EarlyStop, Grid, MonteCarloEm, Objective, Origin, Profile, RecordAt, RunConfig, WeightPrior,
    param,
};
pub use crate::corruption::NoiseSchedule;
pub use crate::data::batches::BatchScheme;
pub use crate::data::dataset::{Dataset, DatasetConfig, DatasetKind, Images, Limit, SplitScheme};
pub use crate::data::kind::OwnData;
pub use crate::data::npy::labels_from_npy;
pub use crate::data::own::Split;
pub use crate::data::preprocess::{Binarise, Preprocess, Scale};
pub use crate::data::readers::{MatImages, labels_from_idx};
pub use crate::data::values::Values;
pub use crate::estimators::{Bound, Estimator, Form, KlWeight};
pub use crate::figures::{
    Bars, Curve, Figure, GraphicalModel, Heatmap, ImageGrid, LearningCurves, Manifold, Panels, Scatter, Table,
    Variable, interval_curve, manifold_latents, manifold_latents_of, mean_curve,
};
pub use crate::inference::latent::{chance_in_plane, class_at_origin, direction_in_plane, left_right_asymmetry};
pub use crate::inference::{
    Alignment, Decode, GradientMoments, GridPosteriors, WEIGHT_SAMPLES, align, bits, coders, constant_pixels_bound,
    spectral_centroid,
};
pub use crate::likelihoods::{LikelihoodConfig, PixelMean, Variance};
pub use crate::live::{Display, Progress, Screen, Training, results, run, run_all};
pub use crate::models::{Learned, ModelConfig, Vae, pca};
pub use crate::nn::{Activation, Init};
pub use crate::numeric::Precision;
pub use crate::optim::{EpsilonPlace, OptimiserConfig, Schedule};
pub use crate::posteriors::{Code, PosteriorConfig};
pub use crate::priors::PriorConfig;
pub use crate::reference::{Source, authors_curve, batch_and_samples, lower_bound_curves, paper_curve, reconstruction};
pub use crate::rng::{Stream, rng};
pub use crate::runs::summary::{mean_sd, means, values};
pub use crate::runs::{
    Claim, Factor, Interval, NoAudience, Provenance, Quantity, Results, Run, RunResult, RunStore, TwoWay, Verdict,
    claims, log_log_slope,
};
pub use crate::train::observer::{Checkpointer, StopFlag};
pub use crate::train::{Control, Event, History, Observer, Outcome, Record, Trainer, step_costs};
// The choices, to be named with their folder: `likelihoods::Gaussian`, `priors::Laplace`, `optim::Adam`, ….
pub use crate::{Error, Result, corruption, estimators, likelihoods, optim, posteriors, priors, weights};
// Section 2, whose names are short where they are read: `svi::GaussianLinear`, `svi::ascend`, ….
pub use crate::svi;
pub use ndarray::{Array1, Array2, Axis, array, concatenate, s};
