//! `cargo notebooks kernel install`: makes the kernel known to a Jupyter outside the checkout.
use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::{checkout::Checkout, kernel};

/// Where to install to.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// For this user only: in Jupyter's data folder (the default)
    #[arg(long, conflicts_with = "prefix")]
    user: bool,
    /// In DIR/share/jupyter, for example the folder of a conda or virtual environment
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

impl Place {
    /// The folder of our kernel.
    fn folder(&self) -> anyhow::Result<PathBuf> {
        let data = match &self.prefix {
            Some(prefix) => std::path::absolute(prefix).context("the prefix is no folder name")?.join("share/jupyter"),
            None => user_data(|name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from))?,
        };
        Ok(data.join("kernels").join(kernel::NAME))
    }
}

/// Jupyter's data folder of this user, by Jupyter's rules.
fn user_data(variable: impl Fn(&str) -> Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(dir) = variable("JUPYTER_DATA_DIR") {
        return Ok(dir);
    }
    let home = || variable("HOME").context("HOME is not set; give the place with --prefix");
    if cfg!(target_os = "macos") {
        return Ok(home()?.join("Library/Jupyter"));
    }
    match variable("XDG_DATA_HOME") {
        Some(dir) => Ok(dir.join("jupyter")),
        None => Ok(home()?.join(".local/share/jupyter")),
    }
}

/// Copies the description of the checkout's kernel there.
pub fn install(checkout: &Checkout, place: &Place) -> anyhow::Result<()> {
    let folder = place.folder()?;
    let description = checkout.kernel_specs().join(kernel::NAME).join("kernel.json");
    let file = folder.join("kernel.json");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::copy(&description, &file))
        .with_context(|| format!("{} cannot be written", file.display()))?;
    println!("Installed {} in {}.", kernel::DISPLAY_NAME, folder.display());
    println!(
        "It runs from {}: keep that folder. `kernel uninstall` with the same option removes it.",
        checkout.root().display()
    );
    Ok(())
}

/// Removes it.
pub fn uninstall(place: &Place) -> anyhow::Result<()> {
    remove(&place.folder()?)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    let file = folder.join("kernel.json");
    if !file.exists() {
        bail!("{} is not installed in {}", kernel::DISPLAY_NAME, folder.display());
    }
    // Only what `install` has made: a folder with other files in it stays.
    fs::remove_file(&file)
        .and_then(|()| fs::remove_dir(folder))
        .with_context(|| format!("{} cannot be removed", folder.display()))?;
    println!("Removed {}.", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn jupyters_folders() {
        let of = |set: &[(&str, &str)]| {
            user_data(|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| PathBuf::from(v)))
        };
        assert_eq!(of(&[("JUPYTER_DATA_DIR", "/j"), ("HOME", "/h")]).unwrap(), Path::new("/j"));
        assert!(of(&[("HOME", "/h")]).unwrap().starts_with("/h"));
        if cfg!(target_os = "linux") {
            assert_eq!(of(&[("HOME", "/h")]).unwrap(), Path::new("/h/.local/share/jupyter"));
            assert_eq!(of(&[("XDG_DATA_HOME", "/x"), ("HOME", "/h")]).unwrap(), Path::new("/x/jupyter"));
        }
        assert!(of(&[]).is_err());
    }

    #[test]
    fn what_is_installed_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("c/vae_core")).unwrap();
        fs::write(dir.path().join("c/vae_core/Cargo.toml"), "").unwrap();
        let checkout = Checkout::above(&dir.path().join("c")).unwrap();
        let own = checkout.kernel_specs().join(kernel::NAME);
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("kernel.json"), "{}").unwrap();
        let place = Place { user: false, prefix: Some(dir.path().join("prefix")) };
        assert!(uninstall(&place).is_err());
        install(&checkout, &place).unwrap();
        assert!(dir.path().join("prefix/share/jupyter/kernels/vae_core/kernel.json").is_file());
        uninstall(&place).unwrap();
        assert!(!dir.path().join("prefix/share/jupyter/kernels/vae_core").exists());
    }
}
