//! Algorithm 1: training, its history, its observers and its checkpoints.

pub mod checkpoint;
mod cost;
mod evaluate;
mod fit;
pub mod history;
mod longer;
pub mod observer;
mod state;
pub mod trainer;
mod update;
pub(crate) mod weights;

pub use cost::step_costs;
pub use evaluate::evaluate;
pub use history::{History, Record};
pub use observer::{Control, Observer, Outcome};
pub use trainer::Trainer;
pub use update::Event;
