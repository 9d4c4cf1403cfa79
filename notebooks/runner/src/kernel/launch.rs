//! The folder that one kernel works in, and the command that starts evcxr there.
//!
//! evcxr compiles into `EVCXR_TMPDIR`, and two kernels must never share one. So each kernel has a folder of its own,
//! filled from the seed (see [`super::seed`]) and removed when the kernel ends. A lock says that it is in use; folders without a
//! holder, of kernels whose machine went down, are removed by the next kernel.
use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::{analyser::Analyser, relay::failure};
use crate::{checkout::Checkout, tool::quoted};

/// A folder for one kernel; in use as long as this lives.
pub struct Work {
    dir: PathBuf,
    _lock: File,
}

impl Work {
    /// Makes one in `base`, and removes those that nobody uses.
    pub fn reserve(base: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("{} cannot be used", base.display());
        fs::create_dir_all(base).with_context(cannot)?;
        let all = File::create(base.join("lock")).with_context(cannot)?;
        all.lock().with_context(cannot)?;
        remove_unused(base);
        let dir = base.join(format!("kernel-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(cannot)?;
        let lock = File::create(dir.join("lock")).with_context(cannot)?;
        lock.lock().with_context(cannot)?;
        Ok(Self { dir, _lock: lock })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Removes the folders of ended kernels (and those of earlier versions of this program).
fn remove_unused(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|n| n.starts_with("kernel-") || n.starts_with("slot"));
        let free = || match File::open(entry.path().join("lock")) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => true, // killed before it made the lock, which it does under the common one
        };
        if ours && free() {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Writes evcxr's start-up file: the macros that tell failures apart, and, if `preload`, the crate and a variable, which makes
/// the analyser read the crate before the first cell needs it. All in one, because each cell costs a compilation.
fn write_config(checkout: &Checkout, work: &Work, analyser: &Analyser, preload: bool) -> anyhow::Result<()> {
    let config = work.dir().join("config");
    let mut prelude = format!(":linker system\n{}", analyser.commands());
    if preload {
        // Only now: evcxr has compiled `42` without the crate, upon which cargo forgets every version that a lockfile names.
        let [from, to] = [checkout.lockfile(), work.dir().join("Cargo.lock")].map(|file| quoted(&file));
        prelude += &format!("![ ! -f {from} ] || cp {from} {to}\n:dep vae_core = {}\n", dependency(checkout));
    }
    prelude += failure::MACROS;
    if preload {
        prelude += "use vae_core::prelude::*;\nlet _warm = Array2::<f64>::zeros((1, 1));\n";
    }
    fs::create_dir_all(&config)
        .and_then(|()| fs::write(config.join("prelude.rs"), prelude))
        .with_context(|| format!("{} cannot be written", config.display()))
}

/// How a manifest names the crate.
pub fn dependency(checkout: &Checkout) -> String {
    let path = checkout.root().join("vae_core").display().to_string();
    format!("{{ path = \"{}\" }}", path.replace('\\', "\\\\").replace('"', "\\\""))
}

/// evcxr, in its folder and with its environment; with the crate loaded if `preload`.
pub fn command(checkout: &Checkout, evcxr: &Path, work: &Work, preload: bool) -> anyhow::Result<Command> {
    let libraries = libraries(checkout);
    let analyser = Analyser::prepare(work.dir(), libraries.as_deref());
    write_config(checkout, work, &analyser, preload)?;
    let mut command = Command::new(evcxr);
    command.env("EVCXR_TMPDIR", work.dir()).env("EVCXR_CONFIG_DIR", work.dir().join("config"));
    command.envs(libraries.and_then(library_path)).envs(analyser.at_start(preload));
    Ok(command)
}

/// Where the toolchain keeps Rust's standard library.
fn libraries(checkout: &Checkout) -> Option<PathBuf> {
    let answer =
        Command::new("rustc").args(["--print", "target-libdir"]).current_dir(checkout.notebooks()).output().ok()?;
    let libraries = PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim());
    (answer.status.success() && libraries.is_dir()).then_some(libraries)
}

/// Where compiled cells find it.
///
/// evcxr moves each compiled cell one folder up, which bends the relative path to the toolchain that is written into it. In
/// /tmp, evcxr's usual place, nobody notices; in a checkout in the same home directory as the toolchain, `dlopen` fails.
fn library_path(libraries: PathBuf) -> Option<(&'static str, OsString)> {
    let variable = if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
    let present = env::var_os(variable).unwrap_or_default();
    let others = env::split_paths(&present).filter(|p| !p.as_os_str().is_empty());
    Some((variable, env::join_paths(std::iter::once(libraries).chain(others)).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_in_use_stay_and_others_go() {
        let base = tempfile::tempdir().unwrap();
        for dead in ["kernel-1", "slot0", "kernel-2"] {
            fs::create_dir(base.path().join(dead)).unwrap();
        }
        fs::write(base.path().join("kernel-1/lock"), "").unwrap();
        fs::create_dir(base.path().join("seed")).unwrap();
        fs::create_dir(base.path().join("kernel-3")).unwrap();
        let held = File::create(base.path().join("kernel-3/lock")).unwrap();
        held.lock().unwrap();
        let work = Work::reserve(base.path()).unwrap();
        for (name, there) in
            [("kernel-1", false), ("slot0", false), ("kernel-2", false), ("kernel-3", true), ("seed", true)]
        {
            assert_eq!(base.path().join(name).exists(), there, "{name}");
        }
        remove_unused(base.path());
        assert!(work.dir().is_dir());
        let dir = work.dir().to_owned();
        drop(work);
        remove_unused(base.path());
        assert!(!dir.exists());
    }
}
