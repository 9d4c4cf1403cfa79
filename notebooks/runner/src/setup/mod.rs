//! What the notebooks need, put into `.venv/` inside the checkout; in steps, of which only those missing are done.
pub mod clean;
pub mod description;
mod evcxr;
pub mod install;
mod python;
mod stamps;

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::Context;

use self::stamps::Stamps;
use crate::checkout::Checkout;

/// Makes sure that Python, JupyterLab and the kernel are ready; quick if they are.
pub fn ensure(checkout: &Checkout) -> anyhow::Result<()> {
    let venv = checkout.venv();
    fs::create_dir_all(&venv).with_context(|| format!("{} cannot be made", venv.display()))?;
    let _lock = lock(&venv.join("setup.lock"))?;
    let stamps = Stamps::at(venv.join("stamps"));
    python::ensure(checkout, &stamps)?;
    let program = evcxr::ensure(checkout, &stamps)?;
    description::ensure(checkout, &stamps, &program)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_lock_excludes_a_second_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(File::create(&path).unwrap().try_lock().is_err());
        drop(held);
        lock(&path).unwrap();
    }
}
