//! Runs: their results, the store that keeps them, sweeps, provenance.

pub mod audience;
pub mod claims;
mod listing;
mod numbers;
pub mod provenance;
pub mod result;
pub mod results;
mod series;
pub mod statistics;
pub mod store;
pub mod summary;
mod sweep;

pub use audience::{Audience, NoAudience, SweepAudience, Watcher};
pub use claims::{Claim, Verdict};
pub use listing::Merged;
pub use numbers::Number;
pub(crate) use numbers::with_decimals;
pub use provenance::Provenance;
pub use result::{Run, RunResult};
pub use results::{Results, claims};
pub use statistics::{Factor, Interval, TwoWay, log_log_slope};
pub use store::RunStore;
pub use summary::Quantity;
