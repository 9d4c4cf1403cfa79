//! Opens JupyterLab.
use std::process::Command;

use anyhow::Context;

use crate::checkout::{Checkout, absolute_paths};
use crate::{kernel, tool};

/// What the file browser beside the notebooks does not show: this program's source and what `rerun` leaves, and what Jupyter
/// hides by itself.
const HIDDEN: [&str; 9] = ["runner", "out", "__pycache__", "*.pyc", "*.pyo", ".DS_Store", "*.so", "*.dylib", "*~"];

/// Runs `jupyter lab` in `notebooks/`, on the loopback interface, with a token, until the user ends it.
pub fn lab(checkout: &Checkout, args: &[String]) -> anyhow::Result<()> {
    let mut lab = Command::new(checkout.venv_bin("jupyter-lab"));
    lab.arg("--ip=127.0.0.1");
    lab.arg(format!("--ServerApp.root_dir={}", checkout.notebooks().display()));
    lab.arg(format!("--MultiKernelManager.default_kernel_name={}", kernel::NAME));
    // Searching for language servers runs npm, which leaves files in the home directory; Rust help comes from the kernel.
    lab.arg("--LanguageServerManager.autodetect=False");
    lab.arg("--KernelSpecManager.ensure_native_kernel=False");
    lab.args(HIDDEN.map(|glob| format!("--ContentsManager.hide_globs={glob}")));
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
    if is_root() && !args.iter().any(|a| a == "--allow-root") {
        println!("Running as root (in a container?): the notebooks have all its rights.");
        lab.arg("--allow-root"); // JupyterLab refuses otherwise
    }
    absolute_paths(&mut lab)?;
    lab.args(args).current_dir(checkout.notebooks());
    println!("Opening JupyterLab; Ctrl-C twice ends it.");
    // Ctrl-C must reach JupyterLab alone.
    tool::become_program(lab).context("JupyterLab does not start; `cargo notebooks clean` and run again")
}

fn is_root() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}
