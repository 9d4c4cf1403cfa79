//! Where a number or a figure comes from.

use serde::{Deserialize, Serialize};

/// What produced a result: data, seeds, configurations, versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the data set, as in every caption ("MNIST", "synthetic digits", …).
    pub dataset: String,
    /// SHA-256 of its pixels.
    pub dataset_sha256: String,
    /// Seeds of the runs shown.
    pub seeds: Vec<u64>,
    /// Configurations of the runs shown.
    pub configs: Vec<serde_json::Value>,
    /// The crate's version.
    pub vae_core: String,
    /// The compiler and the machine, as "rustc 1.95.0, x86_64-linux".
    pub toolchain: String,
    /// Commit of the checkout, with "-dirty" where there are uncommitted changes; empty outside a checkout.
    pub git_commit: String,
    /// `smoke`, `quick` or `report`.
    pub profile: String,
}
