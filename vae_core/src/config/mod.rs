//! What determines a run, and how much a notebook does.

pub mod algorithm;
pub mod budget;
pub mod early_stop;
pub mod grid;
pub mod objective;
pub mod origin;
pub mod profile;
pub mod record;
pub mod run;

pub use algorithm::{Algorithm, MonteCarloEm};
pub use budget::Budget;
pub use early_stop::EarlyStop;
pub use grid::Grid;
pub use objective::{Objective, WeightPrior};
pub use origin::Origin;
pub use profile::{Profile, param};
pub use record::RecordAt;
pub use run::RunConfig;
