//! Data sets, their preprocessing and their minibatches.
//!
//! [`DatasetConfig::load`](dataset::DatasetConfig::load) gives a [`Dataset`] of bytes with explicit
//! splits, either found on disk and verified ([`locate`], [`files`]) or drawn here ([`synthetic_digits`],
//! [`synthetic_faces`]). [`preprocess`] turns rows of bytes into network inputs, [`batches`] says which rows come when.
pub mod batches;
pub mod dataset;
pub mod files;
pub mod idx;
pub mod locate;
pub mod mat;
pub mod preprocess;
pub mod synthetic_digits;
pub mod synthetic_faces;

pub use batches::{BatchScheme, Batches};
pub use dataset::{Dataset, DatasetConfig, DatasetKind, Images, Limit, SplitScheme};
pub use files::{DataFile, verify_file};
pub use locate::{data_dir, project_root};
pub use preprocess::{Binarise, Preprocess, Preprocessor, Scale};
