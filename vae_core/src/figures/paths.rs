//! Where figures are written, and how.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::scene::drawing_error;
use crate::{Error, Result};

/// The folder of exported figures: `VAEB_FIGURES` if set; else `notebooks/figures` of the checkout for
/// `VAEB_PROFILE=report`, and `notebooks/out/<profile>/figures` for the other profiles, whose results are not committed.
///
/// # Errors
/// If neither `VAEB_FIGURES` is set nor the current folder inside a checkout.
pub fn figures_dir() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = set("VAEB_FIGURES") {
        return Ok(folder.into());
    }
    let profile = set("VAEB_PROFILE").map_or_else(|| "quick".into(), |p| p.to_string_lossy().into_owned());
    Ok(profile_dir(&project_root()?, &profile))
}

fn profile_dir(root: &Path, profile: &str) -> PathBuf {
    let notebooks = root.join("notebooks");
    if profile == "report" { notebooks.join("figures") } else { notebooks.join("out").join(profile).join("figures") }
}

/// The nearest folder upwards of the current one that holds `vae_core/Cargo.toml`.
pub(crate) fn project_root() -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(Error::io("read", "."))?;
    here.ancestors().find(|folder| folder.join("vae_core/Cargo.toml").is_file()).map(Path::to_owned).ok_or_else(|| {
        drawing_error(format!(
            "{} is not inside a checkout of this project; set VAEB_FIGURES to the folder for figures",
            here.display()
        ))
    })
}

/// Writes a whole file or, on failure, nothing: readers never see a part of it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.prefix(".figure-").tempfile_in(folder).map_err(Error::io("create a file in", folder))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.as_file().sync_all().map_err(Error::io("write", path))?;
    file.persist(path).map_err(|e| e.error).map_err(Error::io("write", path))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_report_profile_writes_into_the_committed_folder() {
        let root = Path::new("/p");
        assert_eq!(profile_dir(root, "report"), Path::new("/p/notebooks/figures"));
        assert_eq!(profile_dir(root, "smoke"), Path::new("/p/notebooks/out/smoke/figures"));
        assert!(project_root().unwrap().join("vae_core/Cargo.toml").is_file());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_scraps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.txt");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let blocked = folder.path().join("new/a.txt/b.txt");
        assert!(matches!(write_atomically(&blocked, b"x"), Err(Error::Io { .. })));
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }
}
