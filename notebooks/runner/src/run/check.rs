//! `cargo notebooks check-kernel`: tests of the real kernel, from Jupyter's side.
use std::{path::Path, process::Command};

use anyhow::{Context, bail};

use super::jupyter::private_jupyter;
use crate::{checkout::Checkout, kernel, tool};

/// What drives the browser; not part of the environment otherwise (50 MB).
const DRIVER: [&str; 2] = ["playwright==1.65.2", "greenlet==3.5.6"];

/// Runs `check_kernel.py`, and `check_lab.py` if a browser is given.
pub fn check(checkout: &Checkout, browser: Option<&Path>, only: &[String]) -> anyhow::Result<()> {
    let scripts = checkout.root().join("notebooks/runner/src/run");
    if browser.is_some() {
        let mut pip = Command::new(checkout.venv_bin("python"));
        pip.args(["-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--no-input"]).args(DRIVER);
        tool::run("installing the browser's driver", &mut pip)?;
    }
    let mut python = Command::new(checkout.venv_bin("python"));
    python.args(["-B", "-u"]); // the scripts are in the source: nothing is left beside them
    match browser {
        None => python.arg(scripts.join("check_kernel.py")).args(only.iter().flat_map(|word| ["-k", word])),
        Some(browser) => python.arg(scripts.join("check_lab.py")).arg(browser),
    };
    private_jupyter(checkout, &mut python);
    python.env("VAEB_CHECKOUT", checkout.root()).env("VAEB_KERNEL_SPECS", checkout.kernel_specs());
    python.env("VAEB_RUNNER", std::env::current_exe()?);
    python.env("VAEB_KERNEL", kernel::NAME).current_dir(checkout.notebooks());
    let status =
        python.status().context("the Python environment does not start; `cargo notebooks clean` and run again")?;
    if !status.success() {
        bail!("the kernel's tests failed ({status})");
    }
    Ok(())
}
