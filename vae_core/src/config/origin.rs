//! The weights that a run begins with, where it does not draw them.

use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checksum::sha256_hex;
use crate::files::open;
use crate::{Error, Result};

/// Whose weights a run begins with. The optimiser begins anew, and the history too.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The final weights of the run with this [hash](super::RunConfig::hash), in the same store.
    Run(String),
    /// Only the decoder's, of the run with this hash, and its likelihood's; the encoder, which may be another, is drawn by the seed.
    Decoder(String),
    /// Those of a safetensors file with the names, shapes and `f32` values of
    /// [`Run::export_parameters`](crate::runs::Run::export_parameters).
    File {
        /// The file; a relative path is seen from where the program runs. It is no part of the hash: a file may move.
        path: String,
        /// Its SHA-256, so that another content is another run.
        sha256: String,
    },
}

impl PartialEq for Origin {
    /// Whether the weights are the same, wherever their file lies.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Run(a), Self::Run(b)) | (Self::Decoder(a), Self::Decoder(b)) => a == b,
            (Self::File { sha256: a, .. }, Self::File { sha256: b, .. }) => a == b,
            _ => false,
        }
    }
}

impl Origin {
    /// The weights of this file as it is at present.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Data`] if it is no regular file, [`Error::Config`] if its path is not UTF-8.
    pub fn file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        open(path)?.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        let text =
            path.to_str().ok_or_else(|| Error::config("start", "needs a file whose path is UTF-8; rename it"))?;
        Ok(Self::File { path: text.to_owned(), sha256: sha256_hex([bytes.as_slice()]) })
    }

    /// The hash of the run whose weights they are, if it is one.
    pub fn run_hash(&self) -> Option<&str> {
        match self {
            Self::Run(hash) | Self::Decoder(hash) => Some(hash),
            Self::File { .. } => None,
        }
    }

    /// Checks the hash.
    ///
    /// # Errors
    /// [`Error::Config`] if it is none.
    pub fn validate(&self) -> Result<()> {
        let (hash, digits) = match self {
            Self::Run(hash) | Self::Decoder(hash) => (hash, 16),
            Self::File { sha256, .. } => (sha256, 64),
        };
        if hash.len() == digits && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(());
        }
        Err(Error::config("start", format!("needs a hash of {digits} hexadecimal digits in lower case, not {hash:?}")))
    }
}
