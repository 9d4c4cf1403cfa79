//! Opens JupyterLab.
use std::process::Command;

use anyhow::bail;

use crate::{checkout::Checkout, kernel};

/// Runs `jupyter lab` in `notebooks/`, on the loopback interface, with a token, until the user ends it.
pub fn lab(checkout: &Checkout, args: &[String]) -> anyhow::Result<()> {
    let mut lab = Command::new(checkout.venv_bin("jupyter-lab"));
    lab.arg("--ip=127.0.0.1");
    lab.arg(format!("--ServerApp.root_dir={}", checkout.notebooks().display()));
    lab.arg(format!("--MultiKernelManager.default_kernel_name={}", kernel::NAME));
    lab.arg("--KernelSpecManager.ensure_native_kernel=False");
    if std::env::var_os("JUPYTER_TOKEN").is_some_and(|t| t.is_empty()) {
        lab.env_remove("JUPYTER_TOKEN"); // an empty one would switch the protection off
    }
    // Settings, open tabs and the like stay in the checkout, unless the user points to his own.
    let private = checkout.venv().join("share/lab");
    for (variable, dir) in [
        ("JUPYTER_CONFIG_DIR", "config"),
        ("JUPYTER_DATA_DIR", "data"),
        ("JUPYTER_RUNTIME_DIR", "run"),
        ("IPYTHONDIR", "ipython"),
    ] {
        if std::env::var_os(variable).is_none_or(|v| v.is_empty()) {
            lab.env(variable, private.join(dir));
        }
    }
    lab.args(args).current_dir(checkout.notebooks());
    println!("Opening JupyterLab; Ctrl-C twice ends it.");
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // Replaces this process, so that Ctrl-C reaches JupyterLab alone.
        let error = lab.exec();
        bail!("JupyterLab does not start ({error}); `cargo notebooks clean` and run again")
    }
    #[cfg(not(unix))]
    {
        use anyhow::Context;
        let status = lab.status().context("JupyterLab does not start; `cargo notebooks clean` and run again")?;
        if !status.success() {
            bail!("JupyterLab ended with {status}")
        }
        Ok(())
    }
}
