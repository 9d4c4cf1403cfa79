//! The program evcxr_jupyter and the standard library's source that it needs.
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use super::stamps::Stamps;
use crate::{checkout::Checkout, kernel::VERSION, tool};

/// How it is compiled.
const PROFILE: &str = include_str!("evcxr.toml");

/// The program, if there is one already: the user's own, or the one compiled into the checkout.
pub fn present(checkout: &Checkout) -> anyhow::Result<Option<PathBuf>> {
    if let Some(program) = chosen()? {
        return Ok(Some(program));
    }
    let home = checkout.kernel_home();
    let program = home.join("bin/evcxr_jupyter");
    let done = fs::read_to_string(home.join(".crates.toml")).is_ok_and(|record| records_version(&record));
    Ok((done && tool::is_executable(&program)).then_some(program))
}

/// A kernel that is there already: named in `VAEB_EVCXR`, or the right version on `PATH`.
fn chosen() -> anyhow::Result<Option<PathBuf>> {
    if let Some(named) = env::var_os("VAEB_EVCXR").filter(|v| !v.is_empty()) {
        let named = PathBuf::from(named);
        let path = std::path::absolute(&named).unwrap_or(named);
        if !tool::is_executable(&path) {
            bail!("VAEB_EVCXR names {}, which is not a program", path.display());
        }
        return Ok(Some(path));
    }
    Ok(tool::on_path("evcxr_jupyter").filter(|path| {
        let record = path.parent().and_then(Path::parent).map(|home| home.join(".crates.toml"));
        record.and_then(|r| fs::read_to_string(r).ok()).is_some_and(|text| records_version(&text))
    }))
}

/// Whether cargo's record of installed programs (`.crates.toml`) lists the version wanted. The program itself cannot be asked.
fn records_version(record: &str) -> bool {
    record.contains(&format!("\"evcxr_jupyter {VERSION} ("))
}

/// What compilation needs and cargo does not bring.
pub fn require_linker() -> anyhow::Result<()> {
    if !["cc", "gcc", "clang"].iter().any(|name| tool::on_path(name).is_some()) {
        bail!(
            "there is no C compiler, which Rust needs to link programs: `apt install build-essential` (Debian, Ubuntu) or \
             `xcode-select --install` (macOS)"
        );
    }
    Ok(())
}

/// Compiles it into the checkout.
pub fn compile(checkout: &Checkout, stamps: &Stamps) -> anyhow::Result<PathBuf> {
    tool::tell(&format!("Compiling the Rust kernel evcxr {VERSION} (once; about 7 minutes on two cores)"));
    stamps.begin("kernel")?;
    let home = checkout.kernel_home();
    let (build, profile) = (home.join("build"), home.join("profile.toml"));
    fs::create_dir_all(&home)
        .and_then(|()| fs::write(&profile, PROFILE))
        .with_context(|| format!("{} cannot be written", profile.display()))?;
    let mut install = Command::new(cargo()?);
    install.args(["install", "evcxr_jupyter", "--locked", "--version", VERSION, "--root"]).arg(&home);
    install.arg("--config").arg(&profile);
    // The build directory is ours, so an interrupted build goes on where it stopped, and /tmp need not be large.
    install.env("CARGO_TARGET_DIR", &build).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    tool::run("compiling the kernel", install.current_dir(checkout.root()))?;
    fs::remove_dir_all(&build).ok(); // 1 GB that nothing needs any more; `clean` removes it otherwise
    Ok(home.join("bin/evcxr_jupyter"))
}

/// The kernel's rust-analyzer reads the standard library's source to find the types of variables.
pub fn rust_src(checkout: &Checkout) {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).current_dir(checkout.root()).output();
    let Some(sysroot) = sysroot.ok().filter(|o| o.status.success()) else { return };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib/src/rust/library").is_dir() {
        return;
    }
    const LOSS: &str =
        "Without it the kernel cannot find the types of variables: `let v = vec![1];` fails in a notebook.";
    if tool::on_path("rustup").is_none() {
        eprintln!(
            "warning: Rust's standard library source is missing in {} and there is no rustup to add it; install your \
             distribution's rust-src package. {LOSS}",
            sysroot.display()
        );
        return;
    }
    println!("Adding the component rust-src to the Rust toolchain");
    let mut add = Command::new("rustup");
    add.args(["component", "add", "rust-src"]).current_dir(checkout.root());
    if let Err(error) = tool::run("adding rust-src", &mut add) {
        eprintln!("warning: {error:#}\n{LOSS} `rustup component add rust-src` adds it.");
    }
}

/// The cargo to compile with.
pub fn cargo() -> anyhow::Result<PathBuf> {
    let beside = env::var_os("CARGO").map(PathBuf::from).filter(|c| tool::is_executable(c));
    tool::on_path("cargo").or(beside).context("cargo is not on PATH; install Rust from https://rustup.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wanted_version_on_path_is_used() {
        assert!(records_version(
            "[v1]\n\"evcxr_jupyter 0.22.0 (registry+https://example.org/index)\" = [\"evcxr_jupyter\"]\n"
        ));
        assert!(!records_version(
            "[v1]\n\"evcxr_jupyter 0.21.1 (registry+https://example.org/index)\" = [\"evcxr_jupyter\"]\n"
        ));
        assert!(!records_version("[v1]\n\"evcxr_jupyter 0.22.01 (registry)\" = []\n"));
    }
}
