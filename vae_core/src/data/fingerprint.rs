//! What tells one set of own images from another.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::images::Images;
use crate::data::values::Values;

/// A SHA-256; 64 hexadecimal digits wherever it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of the number, height, width, type and values of images and of their labels.
    pub(super) fn of(images: &Images, (height, width): (usize, usize)) -> Self {
        let mut hash = Sha256::new();
        let kind = if images.pixels.is_real() { "f32" } else { "u8" };
        let labels = if images.labels.is_some() { "labels" } else { "no labels" };
        hash.update(format!("vae_core own images: {} of {height} x {width} {kind}, {labels}\n", images.len()));
        match &images.pixels {
            Values::Bytes(values) => hash.update(values.as_standard_layout().as_slice().unwrap_or_default()),
            Values::Real(values) => {
                let mut row = Vec::new();
                for values in values.rows() {
                    row.clear();
                    row.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                    hash.update(&row);
                }
            }
        }
        hash.update(images.labels.as_deref().unwrap_or_default());
        Self(hash.finalize().into())
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refused = || format!("`{text}` is not a SHA-256 of 64 hexadecimal digits");
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(refused());
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16).filter(|_| !c.is_ascii_uppercase());
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return Err(refused()) };
            *byte = (16 * high + low) as u8;
        }
        Ok(Self(bytes))
    }
}
