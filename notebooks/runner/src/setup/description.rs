//! The kernel's description, by which Jupyter finds and starts it.
use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::{Value, json};

use super::{evcxr::cargo, stamps::Stamps};
use crate::{
    checkout::Checkout,
    kernel::{DISPLAY_NAME, NAME, PROFILE},
    tool,
};

/// Describes the kernel that runs `program`, and switches off what JupyterLab would ask the network.
pub fn ensure(checkout: &Checkout, stamps: &Stamps, program: &Path) -> anyhow::Result<()> {
    let launcher = install_launcher(checkout, stamps)?;
    write_spec(checkout, &launcher, program)?;
    write_lab_settings(checkout)
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
    let mut environment = json!({
        // Jupyter may be started where cargo is not on PATH. The usual folders are named because not every front end fills
        // in ${PATH}.
        "PATH": format!("{}:${{PATH}}:/usr/local/bin:/usr/bin:/bin", cargo_dir.display()),
        // On start evcxr rewrites an older kernel `rust` that it finds in the user's Jupyter folder: look in one of ours.
        "JUPYTER_PATH": private.join("jupyter"),
    });
    for (variable, value) in PROFILE {
        environment[variable] = value.into();
    }
    json!({
        "argv": [launcher, "kernel", "run", "--checkout", root, "--evcxr", program, "{connection_file}"],
        "display_name": DISPLAY_NAME,
        "language": "rust",
        "interrupt_mode": "message",
        "env": environment,
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
}
