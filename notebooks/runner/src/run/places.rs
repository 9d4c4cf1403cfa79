//! How much work a run does, and where it writes.
use std::{path::PathBuf, time::Duration};

use anyhow::Context;

use crate::checkout::Checkout;

/// How much work the notebooks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Embedded data, seconds
    Smoke,
    /// A minute or two each
    Quick,
    /// The published numbers
    Report,
}

impl Profile {
    /// As the notebooks read it.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Smoke => "smoke",
            Profile::Quick => "quick",
            Profile::Report => "report",
        }
    }

    /// How long a cell may take if the user does not say.
    pub fn default_timeout(self) -> Option<Duration> {
        match self {
            Profile::Smoke => Some(Duration::from_secs(900)),
            Profile::Quick => Some(Duration::from_secs(3600)),
            Profile::Report => None,
        }
    }
}

/// What `rerun` was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much work.
    pub profile: Profile,
    /// Longest time for a cell; none is unlimited.
    pub timeout: Option<Duration>,
    /// Where to write instead of the profile's own place.
    pub out: Option<PathBuf>,
}

/// Where a run writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Places {
    /// Finished notebooks.
    pub notebooks: PathBuf,
    /// Figures.
    pub figures: PathBuf,
    /// Notebooks that failed.
    pub partial: PathBuf,
}

impl Places {
    /// Those that the options name.
    pub fn new(checkout: &Checkout, options: &Options) -> anyhow::Result<Self> {
        let scratch = checkout.out().join(options.profile.name());
        Ok(match (&options.out, options.profile) {
            (Some(dir), _) => {
                let dir = std::path::absolute(dir).with_context(|| format!("{} is no folder name", dir.display()))?;
                Self { figures: dir.join("figures"), partial: dir.clone(), notebooks: dir }
            }
            (None, Profile::Report) => Self {
                notebooks: checkout.notebooks(),
                figures: checkout.notebooks().join("figures"),
                partial: scratch,
            },
            (None, _) => Self { figures: scratch.join("figures"), partial: scratch.clone(), notebooks: scratch },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn only_the_report_profile_writes_in_place() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("vae_core")).unwrap();
        fs::write(dir.path().join("vae_core/Cargo.toml"), "").unwrap();
        let checkout = Checkout::above(dir.path()).unwrap();
        let places = |profile, out: Option<&str>| {
            Places::new(&checkout, &Options { profile, timeout: None, out: out.map(PathBuf::from) }).unwrap()
        };
        let notebooks = checkout.notebooks();
        assert_eq!(places(Profile::Report, None).notebooks, notebooks);
        assert_eq!(places(Profile::Report, None).figures, notebooks.join("figures"));
        assert_eq!(places(Profile::Report, None).partial, notebooks.join("out/report"));
        assert_eq!(places(Profile::Smoke, None).notebooks, notebooks.join("out/smoke"));
        assert_eq!(places(Profile::Quick, None).figures, notebooks.join("out/quick/figures"));
        assert_eq!(places(Profile::Report, Some("/o")).figures, PathBuf::from("/o/figures"));
    }
}
