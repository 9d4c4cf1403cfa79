//! What the notebooks need, put into `.venv/` inside the checkout; in steps, of which only those missing are done.
pub mod clean;
pub mod description;
mod evcxr;
pub mod install;
mod python;
mod stamps;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
};

use anyhow::Context;

use self::stamps::Stamps;
use crate::{checkout::Checkout, kernel::seed};

/// Makes sure that Python, JupyterLab and the kernel are ready; quick if they are.
pub fn ensure(checkout: &Checkout) -> anyhow::Result<()> {
    let venv = checkout.venv();
    fs::create_dir_all(&venv).with_context(|| format!("{} cannot be made", venv.display()))?;
    let _lock = lock(&venv.join("setup.lock"))?;
    let stamps = Stamps::at(venv.join("stamps"));
    python::ensure_environment(checkout, &stamps)?;
    let program = match evcxr::present(checkout)? {
        Some(program) => {
            python::ensure_packages(checkout, &stamps)?;
            program
        }
        None => compile_and_install(checkout, &stamps)?,
    };
    evcxr::rust_src(checkout);
    description::ensure(checkout, &stamps, &program)
}

/// Compiles the kernel, which takes minutes. What else there is to fetch and to compile goes on beside it: a core that waits for
/// the last of a crate's dependencies has work.
fn compile_and_install(checkout: &Checkout, stamps: &Stamps) -> anyhow::Result<PathBuf> {
    evcxr::require_linker()?;
    thread::scope(|scope| {
        let packages = scope.spawn(|| python::ensure_packages(checkout, stamps));
        let seed = scope.spawn(|| seed::prepare(checkout));
        let program = evcxr::compile(checkout, stamps);
        let (packages, seed) = (joined(packages), joined(seed));
        if let Err(error) = seed {
            eprintln!(
                "warning: vae_core is not compiled for the notebooks yet; the first kernel tries again.\n{error:#}"
            );
        }
        packages.and(program)
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
