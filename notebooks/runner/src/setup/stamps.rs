//! A finished step leaves a stamp that names what it was made from, so that it is not repeated, and is repeated when that
//! changes or when it was interrupted.
use std::{fs, path::PathBuf};

use anyhow::Context;

/// Which steps are done, and from what.
pub struct Stamps {
    dir: PathBuf,
}

impl Stamps {
    /// Those in `dir`.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Whether `step` was finished from `source`.
    pub fn done(&self, step: &str, source: &str) -> bool {
        fs::read_to_string(self.dir.join(step)).is_ok_and(|s| s == source)
    }

    /// Before a step is done anew: from now on it is not finished.
    pub fn begin(&self, step: &str) -> anyhow::Result<()> {
        match fs::remove_file(self.dir.join(step)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).with_context(|| self.cannot(step)),
            _ => Ok(()),
        }
    }

    /// `step` is finished.
    pub fn finish(&self, step: &str, source: &str) -> anyhow::Result<()> {
        fs::create_dir_all(&self.dir)
            .and_then(|()| fs::write(self.dir.join(step), source))
            .with_context(|| self.cannot(step))
    }

    fn cannot(&self, step: &str) -> String {
        format!("{} cannot be changed", self.dir.join(step).display())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_step_is_done_only_from_the_same_source_and_once_finished() {
        let dir = tempfile::tempdir().unwrap();
        let stamps = Stamps::at(dir.path().join("stamps"));
        assert!(!stamps.done("pip", "a"));
        stamps.begin("pip").unwrap();
        stamps.finish("pip", "a").unwrap();
        assert!(stamps.done("pip", "a"));
        assert!(!stamps.done("pip", "b"), "the pinned versions changed");
        assert!(!stamps.done("kernel", "a"));
        stamps.begin("pip").unwrap();
        assert!(!stamps.done("pip", "a"), "interrupted");
    }
}
