//! Data sets, their preprocessing and their minibatches.
//!
//! [`DatasetConfig::load`](dataset::DatasetConfig::load) gives a [`Dataset`] with explicit splits, either found on disk
//! and verified ([`locate`], [`files`]) or drawn here ([`synthetic_digits`], [`synthetic_faces`]). [`Dataset::own`] makes
//! one of the user's images: arrays, or files that [`readers`] reads. [`preprocess`] turns their rows into network inputs,
//! [`batches`] says which rows come when.
pub mod batches;
pub mod dataset;
pub mod files;
pub mod fingerprint;
mod glyphs;
pub mod idx;
pub mod images;
pub mod kind;
pub mod locate;
pub mod mat;
pub mod npy;
pub mod own;
mod own_copy;
pub mod png_folder;
pub mod preprocess;
pub mod readers;
pub mod synthetic_digits;
pub mod synthetic_faces;
pub mod values;

pub use batches::{BatchScheme, Batches};
pub use dataset::{Dataset, DatasetConfig};
pub use files::{DataFile, verify_file};
pub use fingerprint::Fingerprint;
pub use images::Images;
pub use kind::OwnData;
pub use kind::{DatasetKind, Limit, SplitScheme};
pub use locate::{data_dir, project_root};
pub use npy::labels_from_npy;
pub use own::Split;
pub use preprocess::{Binarise, Preprocess, Preprocessor, Scale};
pub use readers::{MatImages, labels_from_idx};
pub use values::Values;
