//! Algorithm 1: training, its history, its observers and its checkpoints.

pub mod checkpoint;
pub mod history;
pub mod observer;
pub mod trainer;

pub use history::{History, Record, RecordAt};
pub use observer::{Control, Event, Observer, Progress};
pub use trainer::{Outcome, Trainer};
