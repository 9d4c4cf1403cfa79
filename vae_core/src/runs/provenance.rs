//! Where a number or a figure comes from.

use std::process::Command;

use serde::{Deserialize, Serialize};

use super::result::{Run, RunResult};

/// What produced a result: data, seeds, configurations, versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the data set, as in every caption ("MNIST", "synthetic digits", …).
    pub dataset: String,
    /// SHA-256 of its pixels.
    pub dataset_sha256: String,
    /// How intensities became x ("grey k/256", …); empty where that is not known.
    pub preprocessing: String,
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

impl Provenance {
    /// What is known of this program and this checkout, with the given data set, seeds and configurations.
    ///
    /// `VAEB_PROFILE` gives the profile ("quick" if it is not set). Without `git` or outside a checkout the commit is
    /// empty; without `rustc` the compiler is "rustc unknown".
    pub fn collect(
        dataset: impl Into<String>,
        dataset_sha256: impl Into<String>,
        seeds: impl Into<Vec<u64>>,
        configs: impl Into<Vec<serde_json::Value>>,
    ) -> Self {
        let compiler = output("rustc", &["--version"]).unwrap_or_default();
        let compiler = compiler.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        let compiler = if compiler.is_empty() { "rustc unknown" } else { &compiler };
        let profile = std::env::var("VAEB_PROFILE").ok().filter(|p| !p.is_empty());
        Self {
            dataset: dataset.into(),
            dataset_sha256: dataset_sha256.into(),
            preprocessing: String::new(),
            seeds: seeds.into(),
            configs: configs.into(),
            vae_core: env!("CARGO_PKG_VERSION").to_owned(),
            toolchain: format!("{compiler}, {}-{}", std::env::consts::ARCH, std::env::consts::OS),
            git_commit: git_commit(),
            profile: profile.unwrap_or_else(|| "quick".to_owned()),
        }
    }

    /// That of a figure which shows these runs. The commit is that at which they were trained; where they differ, all are
    /// named.
    pub fn of_runs(runs: &[impl AsRef<RunResult>]) -> Self {
        let unique = |values: Vec<String>| {
            let mut kept: Vec<String> = Vec::new();
            for value in values {
                if !kept.contains(&value) {
                    kept.push(value);
                }
            }
            kept.join(", ")
        };
        let each = |f: fn(&RunResult) -> String| unique(runs.iter().map(|run| f(run.as_ref())).collect());
        let mut seeds: Vec<u64> = runs.iter().map(|r| r.as_ref().config.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let configs: Vec<_> = runs.iter().map(|r| r.as_ref().config.to_json()).collect();
        let here = Self::collect(each(|r| r.dataset.0.clone()), each(|r| r.dataset.1.clone()), seeds, configs);
        let preprocessing = each(|r| r.config.preprocess.describe());
        Self { git_commit: each(|r| r.git_commit.clone()), preprocessing, ..here }
    }
}

impl Run {
    /// Where it comes from.
    pub fn provenance(&self) -> Provenance {
        Provenance::of_runs(std::slice::from_ref(self))
    }
}

/// The commit that is checked out here. Only changes to the code make it "-dirty": running a notebook changes files too.
pub(crate) fn git_commit() -> String {
    let Some(commit) = output("git", &["rev-parse", "--verify", "HEAD"]) else { return String::new() };
    let code = ["--no-optional-locks", "status", "--porcelain", "--", ":/vae_core", ":/Cargo.toml", ":/Cargo.lock"];
    match output("git", &code) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}-dirty"),
    }
}

/// What a program prints, or nothing if it is missing or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(std::process::Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn collects_versions_and_survives_a_round_trip() {
        let provenance = Provenance::collect("MNIST", "00ff", [1, 2], [serde_json::json!({"n_z": 3})]);
        assert_eq!(provenance.vae_core, env!("CARGO_PKG_VERSION"));
        assert!(provenance.toolchain.starts_with("rustc ") && provenance.toolchain.contains('-'));
        let commit = provenance.git_commit.trim_end_matches("-dirty");
        assert!(commit.is_empty() || (commit.len() >= 40 && commit.bytes().all(|b| b.is_ascii_hexdigit())), "{commit}");
        let json = serde_json::to_string(&provenance).unwrap();
        assert_eq!(serde_json::from_str::<Provenance>(&json).unwrap(), provenance);
    }

    #[test]
    fn a_missing_program_is_no_error() {
        assert_eq!(output("no-such-program-here", &[]), None);
    }
}
