//! Numbers for the report's text: each notebook records those that it measured, and the text names them.

use serde::{Deserialize, Serialize};

/// A number as it is to be printed, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Its name in the notebook: the report calls it "03.gap_of_digits".
    pub name: String,
    /// "−105.3 ± 0.2 (3)".
    pub text: String,
    /// "nats per datapoint"; empty if it has none.
    pub unit: String,
    /// Hashes of the runs that it is of; none for what needs no run.
    pub runs: Vec<String>,
    /// Commit of the checkout that computed it, with "-dirty" where there were uncommitted changes.
    pub commit: String,
}

/// A number with so many decimals, but at most 300: it has no more that mean anything, and formatting panics beyond 65,535.
pub(crate) fn with_decimals(value: f64, decimals: usize) -> String {
    format!("{value:.*}", decimals.min(300))
}
