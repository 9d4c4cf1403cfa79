//! Where things are in the checkout.
use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The repository that the program works in.
#[derive(Clone, Debug)]
pub struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// Finds the checkout by walking up from the current directory to `vae_core/Cargo.toml`.
    pub fn find() -> anyhow::Result<Self> {
        let start = env::current_dir().context("the current directory cannot be read")?;
        Self::above(&start)
    }

    /// The checkout that contains `start`.
    pub fn above(start: &Path) -> anyhow::Result<Self> {
        for dir in start.ancestors() {
            if dir.join("vae_core/Cargo.toml").is_file() {
                return Ok(Self { root: dir.to_owned() });
            }
        }
        bail!("{} is not inside a checkout of this repository (no vae_core/Cargo.toml above it)", start.display())
    }

    /// The top directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The versions of all crates.
    pub fn lockfile(&self) -> PathBuf {
        self.root.join("Cargo.lock")
    }

    /// Copies it into a folder, so that the versions there are the workspace's, not whatever is newest today.
    pub fn copy_lockfile(&self, to: &Path) -> io::Result<()> {
        let lockfile = self.lockfile();
        if lockfile.is_file() { fs::copy(&lockfile, to.join("Cargo.lock")).map(|_| ()) } else { Ok(()) }
    }

    /// The notebooks, and the kernel's working directory.
    pub fn notebooks(&self) -> PathBuf {
        self.root.join("notebooks")
    }

    /// Results of the smoke and quick profiles.
    pub fn out(&self) -> PathBuf {
        self.root.join("notebooks/out")
    }

    /// The private Python environment; everything that set-up installs is in here.
    pub fn venv(&self) -> PathBuf {
        self.root.join(".venv")
    }

    /// A program of the Python environment.
    pub fn venv_bin(&self, name: &str) -> PathBuf {
        self.venv().join("bin").join(name)
    }

    /// The kernel that set-up compiles (kept when the Python environment is made anew).
    pub fn kernel_home(&self) -> PathBuf {
        self.venv().join("evcxr")
    }

    /// Jupyter's directory of kernel descriptions.
    pub fn kernel_specs(&self) -> PathBuf {
        self.venv().join("share/jupyter/kernels")
    }

    /// What kernels compile, kept from kernel to kernel.
    pub fn kernel_builds(&self) -> PathBuf {
        self.root.join("target/evcxr")
    }

    /// Where data sets are looked for: `VAEB_DATA`, else `data/`.
    pub fn data(&self) -> PathBuf {
        match env::var_os("VAEB_DATA") {
            Some(dir) if !dir.is_empty() => PathBuf::from(dir),
            _ => self.root.join("data"),
        }
    }
}

/// Makes the folders and files that the environment names absolute for a program that works elsewhere: a relative path is meant
/// from the current folder, and the kernel works in `notebooks/`.
pub fn absolute_paths(command: &mut Command) -> io::Result<()> {
    absolute_among(env::vars_os(), command)
}

fn absolute_among(variables: impl Iterator<Item = (OsString, OsString)>, command: &mut Command) -> io::Result<()> {
    for (variable, path) in variables {
        let switch = variable == "VAEB_KERNEL_LOG" && (path == "0" || path == "1");
        let named = ["VAEB_DATA", "VAEB_RUNS", "VAEB_FIGURES", "VAEB_LIST", "VAEB_KERNEL_LOG"].map(OsString::from);
        if named.contains(&variable) && !path.is_empty() && !switch {
            command.env(variable, std::path::absolute(path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn found_from_below_and_refused_outside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/vae_core")).unwrap();
        std::fs::create_dir_all(dir.path().join("a/notebooks/runner")).unwrap();
        std::fs::write(dir.path().join("a/vae_core/Cargo.toml"), "").unwrap();
        let found = Checkout::above(&dir.path().join("a/notebooks/runner")).unwrap();
        assert_eq!(found.root(), dir.path().join("a"));
        assert!(Checkout::above(dir.path()).is_err());
    }

    #[test]
    fn relative_paths_are_meant_from_here() {
        let here = env::current_dir().unwrap().join("x");
        for (variable, value, absolute) in [
            ("VAEB_KERNEL_LOG", "x", true),
            ("VAEB_DATA", "x", true),
            ("VAEB_KERNEL_LOG", "1", false),
            ("VAEB_DATA", "", false),
            ("VAEB_PROFILE", "x", false),
        ] {
            let mut command = Command::new("true");
            absolute_among([(variable.into(), value.into())].into_iter(), &mut command).unwrap();
            let set: Vec<_> = command.get_envs().collect();
            let expected = [(variable.as_ref(), Some(here.as_os_str()))];
            assert_eq!(set, &expected[..usize::from(absolute)], "{variable}={value}");
        }
    }
}
