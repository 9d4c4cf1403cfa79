//! The variables of the environment that the crate reads.

use std::env::VarError;
use std::path::PathBuf;

use crate::{Error, Result};

/// A variable of the environment; `None` if it is unset or empty.
///
/// # Errors
/// [`Error::Config`] naming it if it is not UTF-8.
pub fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(value)) => Err(Error::config(
            name,
            format!("is {value:?} in the environment, which is not UTF-8; set it anew or unset it"),
        )),
    }
}

/// A file or folder that the environment names; `None` if the variable is unset or empty.
pub fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
