//! Removes what set-up and runs have left.
use std::{fs, path::Path};

use anyhow::Context;

use crate::checkout::Checkout;

/// Removes the environment, the results of the smoke and quick profiles and the kernel's builds, and says how much.
pub fn clean(checkout: &Checkout) -> anyhow::Result<()> {
    let mut total = 0;
    for dir in [checkout.venv(), checkout.out(), checkout.kernel_builds()] {
        if !dir.exists() {
            continue;
        }
        let bytes = size(&dir);
        fs::remove_dir_all(&dir).with_context(|| format!("{} cannot be removed", dir.display()))?;
        println!("removed {} ({} MB)", dir.display(), bytes / 1_000_000);
        total += bytes;
    }
    match total {
        0 => println!("There is nothing to remove."),
        _ => println!("{} MB freed. Data, committed notebooks and figures are untouched.", total / 1_000_000),
    }
    Ok(())
}

/// Bytes in all files below `dir`.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cleaning_leaves_data_and_notebooks() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "vae_core/Cargo.toml",
            ".venv/lib/x.py",
            "notebooks/out/quick/00.ipynb",
            "target/evcxr/slot0/l",
            "data/d",
            "notebooks/00.ipynb",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        let checkout = Checkout::above(dir.path()).unwrap();
        assert_eq!(size(&checkout.venv()), 5);
        clean(&checkout).unwrap();
        assert!(dir.path().join("data/d").exists() && dir.path().join("notebooks/00.ipynb").exists());
        for gone in [".venv", "notebooks/out", "target/evcxr"] {
            assert!(!dir.path().join(gone).exists(), "{gone}");
        }
        clean(&checkout).unwrap();
    }
}
