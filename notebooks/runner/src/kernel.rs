//! The Rust kernel evcxr: its program, the standard library's source that it needs, and its description for Jupyter.
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{checkout::Checkout, setup::Stamps, tool};

/// The kernel's version.
pub const VERSION: &str = "0.22.0";
/// Its name for Jupyter. Never `rust`: evcxr rewrites a kernel of that name on every start.
pub const NAME: &str = "vae_core";
/// Its name for people.
pub const DISPLAY_NAME: &str = "Rust (vae_core)";

/// Installs the kernel, rust-src and the kernel's description, as far as they are missing.
pub fn ensure(checkout: &Checkout, stamps: &Stamps) -> anyhow::Result<()> {
    let program = match chosen()? {
        Some(program) => program,
        None => built(checkout, stamps)?,
    };
    rust_src(checkout);
    let launcher = install_launcher(checkout, stamps)?;
    write_spec(checkout, &launcher, &program)?;
    write_lab_settings(checkout)
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

/// The kernel compiled into the checkout; compiled now if need be.
fn built(checkout: &Checkout, stamps: &Stamps) -> anyhow::Result<PathBuf> {
    let home = checkout.kernel_home();
    let program = home.join("bin/evcxr_jupyter");
    let done = fs::read_to_string(home.join(".crates.toml")).is_ok_and(|record| records_version(&record));
    if done && tool::is_executable(&program) {
        return Ok(program);
    }
    if !["cc", "gcc", "clang"].iter().any(|name| tool::on_path(name).is_some()) {
        bail!(
            "there is no C compiler, which Rust needs to link programs: `apt install build-essential` (Debian, Ubuntu) or \
             `xcode-select --install` (macOS)"
        );
    }
    println!("Compiling the Rust kernel evcxr {VERSION} (once; about 7 minutes on two cores)");
    stamps.begin("kernel")?;
    let build = home.join("build");
    let mut install = Command::new(cargo()?);
    // The build directory is ours, so an interrupted build goes on where it stopped, and /tmp need not be large.
    install.args(["install", "evcxr_jupyter", "--locked", "--version", VERSION, "--root"]).arg(&home);
    install.env("CARGO_TARGET_DIR", &build).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    tool::run("compiling the kernel", install.current_dir(checkout.root()))?;
    fs::remove_dir_all(&build).ok(); // 1 GB that nothing needs any more; `clean` removes it otherwise
    Ok(program)
}

/// The kernel's rust-analyzer reads the standard library's source to find the types of variables.
fn rust_src(checkout: &Checkout) {
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

fn cargo() -> anyhow::Result<PathBuf> {
    let beside = env::var_os("CARGO").map(PathBuf::from).filter(|c| tool::is_executable(c));
    tool::on_path("cargo").or(beside).context("cargo is not on PATH; install Rust from https://rustup.rs")
}

/// Puts a copy of this program beside the kernel: Jupyter starts it also after a `cargo clean`.
fn install_launcher(checkout: &Checkout, stamps: &Stamps) -> anyhow::Result<PathBuf> {
    let own = env::current_exe().context("this program's own file is not known")?;
    let data = own.metadata().with_context(|| format!("{} cannot be read", own.display()))?;
    let source = format!("{} {:?} {}", data.len(), data.modified().ok(), own.display());
    let launcher = checkout.venv_bin("notebooks");
    if own != launcher && !(stamps.done("launcher", &source) && tool::is_executable(&launcher)) {
        let fresh = checkout.venv_bin("notebooks.new");
        // Renamed, because a running program's file cannot be written.
        fs::copy(&own, &fresh)
            .and_then(|_| fs::rename(&fresh, &launcher))
            .with_context(|| format!("{} cannot be written", launcher.display()))?;
        stamps.finish("launcher", &source)?;
    }
    Ok(launcher)
}

fn write_spec(checkout: &Checkout, launcher: &Path, program: &Path) -> anyhow::Result<()> {
    let dir = checkout.kernel_specs().join(NAME);
    let file = dir.join("kernel.json");
    let cargo = cargo()?;
    let text = format!(
        "{:#}\n",
        spec(
            launcher,
            checkout.root(),
            program,
            cargo.parent().unwrap_or(Path::new("/usr/bin")),
            &checkout.venv().join("share/evcxr")
        )
    );
    if fs::read_to_string(&file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(&file, text))
        .with_context(|| format!("{} cannot be written", file.display()))
}

/// JupyterLab would ask about news and look for updates; the versions are pinned.
fn write_lab_settings(checkout: &Checkout) -> anyhow::Result<()> {
    let dir = checkout.venv().join("share/jupyter/lab/settings");
    let file = dir.join("overrides.json");
    if file.is_file() {
        return Ok(());
    }
    let settings =
        json!({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}});
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(&file, format!("{settings:#}\n")))
        .with_context(|| format!("{} cannot be written", file.display()))
}

/// The kernel's description.
fn spec(launcher: &Path, root: &Path, program: &Path, cargo_dir: &Path, private: &Path) -> Value {
    json!({
        "argv": [launcher, "kernel", "run", "--checkout", root, "--evcxr", program, "{connection_file}"],
        "display_name": DISPLAY_NAME,
        "language": "rust",
        "interrupt_mode": "message",
        "env": {
            // Jupyter may be started where cargo is not on PATH. The usual folders are named because not every front
            // end fills in ${PATH}.
            "PATH": format!("{}:${{PATH}}:/usr/local/bin:/usr/bin:/bin", cargo_dir.display()),
            // evcxr compiles in profile dev with checks on; without them numerical loops are twice as fast.
            "CARGO_PROFILE_DEV_OPT_LEVEL": "3",
            "CARGO_PROFILE_DEV_DEBUG_ASSERTIONS": "false",
            "CARGO_PROFILE_DEV_OVERFLOW_CHECKS": "false",
            // On start evcxr rewrites an older kernel `rust` that it finds in the user's Jupyter folder: look in one of ours.
            "JUPYTER_PATH": private.join("jupyter"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_has_what_makes_the_kernel_fast_and_private() {
        let spec = spec(
            Path::new("/c/.venv/bin/notebooks"),
            Path::new("/c"),
            Path::new("/c/.venv/evcxr/bin/evcxr_jupyter"),
            Path::new("/home/u/.cargo/bin"),
            Path::new("/c/.venv/share/evcxr"),
        );
        let argv = json!([
            "/c/.venv/bin/notebooks",
            "kernel",
            "run",
            "--checkout",
            "/c",
            "--evcxr",
            "/c/.venv/evcxr/bin/evcxr_jupyter",
            "{connection_file}"
        ]);
        assert_eq!(spec["argv"], argv);
        assert_eq!(spec["language"], "rust");
        assert_eq!(spec["display_name"], "Rust (vae_core)");
        let env = &spec["env"];
        assert_eq!(env["CARGO_PROFILE_DEV_OPT_LEVEL"], "3");
        assert_eq!(env["CARGO_PROFILE_DEV_DEBUG_ASSERTIONS"], "false");
        assert_eq!(env["CARGO_PROFILE_DEV_OVERFLOW_CHECKS"], "false");
        assert_eq!(env["PATH"], "/home/u/.cargo/bin:${PATH}:/usr/local/bin:/usr/bin:/bin");
        assert_eq!(env["JUPYTER_PATH"], "/c/.venv/share/evcxr/jupyter");
        assert_ne!(NAME, "rust");
    }

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
