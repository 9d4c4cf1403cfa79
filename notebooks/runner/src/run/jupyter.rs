//! Programs of Jupyter's, apart from the user's own Jupyter.
use std::process::Command;

use crate::{checkout::Checkout, tool};

/// Keeps a program of Jupyter's away from the user's settings, and from cargo's.
pub fn private_jupyter(checkout: &Checkout, python: &mut Command) {
    let private = checkout.venv().join("share/headless");
    // The user's Jupyter settings have no say in a reproducible run, and nothing is left in the home directory.
    for (variable, dir) in [
        ("JUPYTER_CONFIG_DIR", "config"),
        ("JUPYTER_DATA_DIR", "data"),
        ("JUPYTER_RUNTIME_DIR", "run"),
        ("IPYTHONDIR", "ipython"),
    ] {
        python.env(variable, private.join(dir));
    }
    python.env_remove("JUPYTER_PATH").env_remove("JUPYTER_CONFIG_PATH");
    tool::forget_cargo_run(python);
}
