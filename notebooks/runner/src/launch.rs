//! What Jupyter starts as the kernel: gives evcxr a build directory of its own, then becomes evcxr.
//!
//! evcxr compiles the notebook's dependencies into `EVCXR_TMPDIR`. Kept from kernel to kernel, the first cell takes
//! seconds instead of a minute or two; but two kernels must never share one. So there is a row of directories, and each
//! kernel holds the first free one by a lock that ends with its process.
use std::{
    env,
    ffi::OsString,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::{checkout::Checkout, tool};

/// More kernels than this never run at once.
const MOST: usize = 64;

/// Starts evcxr for a connection file of Jupyter's; returns only if that fails.
pub fn launch(checkout: &Checkout, evcxr: &Path, connection_file: &Path) -> anyhow::Result<()> {
    let (dir, lock) = reserve(&checkout.kernel_builds())?;
    // The workspace's own dependency versions, not whatever is newest today.
    let lockfile = checkout.root().join("Cargo.lock");
    if lockfile.is_file() {
        fs::copy(&lockfile, dir.join("Cargo.lock")).with_context(|| format!("{} cannot be filled", dir.display()))?;
    }
    let mut kernel = Command::new(evcxr);
    kernel.arg("--control_file").arg(connection_file).env("EVCXR_TMPDIR", &dir);
    if let Some((variable, value)) = library_path(checkout) {
        kernel.env(variable, value);
    }
    // evcxr does not read its standard input; there, the lock stays open as long as evcxr lives.
    kernel.stdin(Stdio::from(lock));
    tool::become_program(kernel)
}

/// Where compiled cells find Rust's standard library.
///
/// evcxr moves each compiled cell one folder up, which bends the relative path to the toolchain that is written into it. In
/// /tmp, evcxr's usual place, nobody notices; in a checkout in the same home directory as the toolchain, `dlopen` fails.
fn library_path(checkout: &Checkout) -> Option<(&'static str, OsString)> {
    let answer =
        Command::new("rustc").args(["--print", "target-libdir"]).current_dir(checkout.notebooks()).output().ok()?;
    let libraries = PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim());
    if !answer.status.success() || !libraries.is_dir() {
        return None;
    }
    let variable = if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
    let present = env::var_os(variable).unwrap_or_default();
    let others = env::split_paths(&present).filter(|p| !p.as_os_str().is_empty());
    Some((variable, env::join_paths(std::iter::once(libraries).chain(others)).ok()?))
}

/// The first directory of `base` that no kernel holds, and the lock on it.
fn reserve(base: &Path) -> anyhow::Result<(PathBuf, File)> {
    for slot in 0..MOST {
        let dir = base.join(format!("slot{slot}"));
        let cannot = || format!("{} cannot be used", dir.display());
        fs::create_dir_all(&dir).with_context(cannot)?;
        let lock = File::create(dir.join("lock")).with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => return Ok((dir, lock)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
    }
    bail!("{MOST} kernels are running already")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_two_kernels_share_a_directory_and_freed_ones_are_used_again() {
        let base = tempfile::tempdir().unwrap();
        let (first, lock) = reserve(base.path()).unwrap();
        let (second, _held) = reserve(base.path()).unwrap();
        assert_ne!(first, second);
        drop(lock);
        assert_eq!(reserve(base.path()).unwrap().0, first);
    }

    #[cfg(unix)]
    #[test]
    fn the_lock_lives_with_the_child() {
        let base = tempfile::tempdir().unwrap();
        let (first, lock) = reserve(base.path()).unwrap();
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::from(lock)).spawn().unwrap();
        assert_ne!(reserve(base.path()).unwrap().0, first);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(reserve(base.path()).unwrap().0, first);
    }
}
