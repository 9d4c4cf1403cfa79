//! Where figures are written.

use std::path::{Path, PathBuf};

use crate::data::locate::project_root;
use crate::environment;

/// The folder of exported figures: `VAEB_FIGURES` if set; else `notebooks/figures` of the checkout for
/// `VAEB_PROFILE=report`, and `notebooks/out/<profile>/figures` for the other profiles, whose results are not committed.
pub fn figures_dir() -> PathBuf {
    if let Some(folder) = environment::path("VAEB_FIGURES") {
        return folder;
    }
    let profile =
        environment::path("VAEB_PROFILE").map_or_else(|| "quick".into(), |p| p.to_string_lossy().into_owned());
    profile_dir(&project_root(), &profile)
}

fn profile_dir(root: &Path, profile: &str) -> PathBuf {
    let notebooks = root.join("notebooks");
    if profile == "report" { notebooks.join("figures") } else { notebooks.join("out").join(profile).join("figures") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_report_profile_writes_into_the_committed_folder() {
        let root = Path::new("/p");
        assert_eq!(profile_dir(root, "report"), Path::new("/p/notebooks/figures"));
        assert_eq!(profile_dir(root, "smoke"), Path::new("/p/notebooks/out/smoke/figures"));
        assert!(project_root().join("vae_core/Cargo.toml").is_file());
    }
}
