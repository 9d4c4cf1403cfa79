//! The private Python environment with JupyterLab and nbclient.
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use super::stamps::Stamps;
use crate::{checkout::Checkout, fingerprint::fingerprint, tool};

const REQUIREMENTS: &str = include_str!("../../requirements.txt");
const MINIMUM: (u32, u32) = (3, 10);
/// What belongs to the other steps and outlives a new Python environment.
const KEPT: [&str; 2] = ["evcxr", "setup.lock"];

/// Makes the environment, if that is not done.
pub fn ensure_environment(checkout: &Checkout, stamps: &Stamps) -> anyhow::Result<()> {
    let venv = checkout.venv();
    // An environment has its own path written into its programs: a moved checkout needs a new one.
    let source = format!("venv 1 {}", venv.display());
    let interpreter = checkout.venv_bin("python");
    if !stamps.done("venv", &source) || !interpreter.exists() {
        let python = find_python()?;
        println!("Making a Python environment in {} ({})", venv.display(), python.display());
        empty(&venv)?;
        tool::run("making the Python environment", Command::new(&python).args(["-m", "venv"]).arg(&venv))?;
        stamps.finish("venv", &source)?;
    }
    Ok(())
}

/// Installs the pinned packages there, if that is not done.
pub fn ensure_packages(checkout: &Checkout, stamps: &Stamps) -> anyhow::Result<()> {
    let source = fingerprint(REQUIREMENTS);
    if !stamps.done("packages", &source) {
        tool::tell("Installing JupyterLab and nbclient there (about 150 MB, pinned versions)");
        stamps.begin("packages")?;
        let list = checkout.venv().join("requirements.txt");
        fs::write(&list, REQUIREMENTS).with_context(|| format!("{} cannot be written", list.display()))?;
        let mut pip = Command::new(checkout.venv_bin("python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--no-deps",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar=off",
        ]);
        // Into this environment, whatever the user's pip is configured to do.
        pip.env_remove("PIP_USER").env_remove("PIP_TARGET").env_remove("PIP_PREFIX").env_remove("PYTHONPATH");
        tool::run("installing the Python packages", pip.arg("-r").arg(&list))?;
        stamps.finish("packages", &source)?;
    }
    Ok(())
}

/// Removes what an interrupted or outdated attempt left.
fn empty(venv: &Path) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be emptied", venv.display());
    for entry in fs::read_dir(venv).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if KEPT.iter().any(|k| path.ends_with(k)) {
            continue;
        }
        let removed =
            if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(cannot)?;
    }
    Ok(())
}

/// The first of `VAEB_PYTHON`, `python3`, `python3.14` … `python3.10` that is new enough.
fn find_python() -> anyhow::Result<PathBuf> {
    let named = env::var_os("VAEB_PYTHON").filter(|v| !v.is_empty());
    let candidates: Vec<PathBuf> = match &named {
        Some(path) => vec![PathBuf::from(path)],
        None => std::iter::once("python3".to_owned())
            .chain((MINIMUM.1..=14).rev().map(|minor| format!("python3.{minor}")))
            .filter_map(|name| tool::on_path(&name))
            .collect(),
    };
    let mut seen = Vec::new();
    for candidate in candidates {
        let answer = Command::new(&candidate).args(["-c", "import sys; print(*sys.version_info[:2])"]).output();
        let version = answer.ok().and_then(|o| parse_version(&String::from_utf8_lossy(&o.stdout)));
        match version {
            Some(version) if version >= MINIMUM => return Ok(candidate),
            Some((major, minor)) => seen.push(format!("{} is Python {major}.{minor}", candidate.display())),
            None => seen.push(format!("{} does not run", candidate.display())),
        }
    }
    let found = if seen.is_empty() { "none was found on PATH".to_owned() } else { seen.join(", ") };
    bail!(
        "JupyterLab needs Python {}.{} or newer, but {found}. Install one (`apt install python3 python3-venv`), or name it \
         in VAEB_PYTHON.",
        MINIMUM.0,
        MINIMUM.1
    )
}

fn parse_version(printed: &str) -> Option<(u32, u32)> {
    let mut parts = printed.split_whitespace().map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse_version("3 10\n"), Some((3, 10)));
        assert!(parse_version("3 9\n").unwrap() < MINIMUM);
        assert!(parse_version("4 0\n").unwrap() >= MINIMUM);
        assert_eq!(parse_version("pyenv: python3.12: command not found"), None);
    }

    #[test]
    fn every_package_is_pinned() {
        let packages: Vec<&str> =
            REQUIREMENTS.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).collect();
        assert!(packages.len() > 50);
        for package in packages {
            assert!(package.contains("=="), "{package}");
            assert!(!package.starts_with("ipykernel"), "{package}");
        }
    }

    #[test]
    fn the_kernel_outlives_a_new_environment() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["evcxr/bin", "lib", "stamps"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("setup.lock"), "").unwrap();
        fs::write(dir.path().join("pyvenv.cfg"), "").unwrap();
        empty(dir.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["evcxr", "setup.lock"]);
    }
}
