//! Set-up in steps. A finished step leaves a stamp that names what it was made from, so that it is not repeated, and is
//! repeated when that changes or when it was interrupted.
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::{checkout::Checkout, kernel, python};

/// Makes sure that Python, JupyterLab and the kernel are ready; quick if they are.
pub fn ensure(checkout: &Checkout) -> anyhow::Result<()> {
    let venv = checkout.venv();
    fs::create_dir_all(&venv).with_context(|| format!("{} cannot be made", venv.display()))?;
    let _lock = lock(&venv.join("setup.lock"))?;
    let stamps = Stamps { dir: venv.join("stamps") };
    python::ensure(checkout, &stamps)?;
    kernel::ensure(checkout, &stamps)
}

/// Two set-ups must not work on the same files.
fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    if file.try_lock().is_err() {
        println!("Another set-up is running in this checkout; waiting for it to finish.");
        file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
    }
    Ok(file)
}

/// Which steps are done, and from what.
pub struct Stamps {
    dir: PathBuf,
}

impl Stamps {
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

/// A short name for a text.
pub fn fingerprint(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_step_is_done_only_from_the_same_source_and_once_finished() {
        let dir = tempfile::tempdir().unwrap();
        let stamps = Stamps { dir: dir.path().join("stamps") };
        assert!(!stamps.done("pip", "a"));
        stamps.begin("pip").unwrap();
        stamps.finish("pip", "a").unwrap();
        assert!(stamps.done("pip", "a"));
        assert!(!stamps.done("pip", "b"), "the pinned versions changed");
        assert!(!stamps.done("kernel", "a"));
        stamps.begin("pip").unwrap();
        assert!(!stamps.done("pip", "a"), "interrupted");
    }

    #[test]
    fn the_lock_excludes_a_second_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(File::create(&path).unwrap().try_lock().is_err());
        drop(held);
        lock(&path).unwrap();
    }

    #[test]
    fn fingerprints_differ() {
        assert_eq!(fingerprint("a"), fingerprint("a"));
        assert_ne!(fingerprint("a"), fingerprint("b"));
        assert_eq!(fingerprint("a").len(), 16);
    }
}
