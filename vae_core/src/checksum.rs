//! Checksums of what is stored, beside the content: what was damaged is noticed where it is read.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Where a JSON text holds its own checksum, and what stands there while it is computed.
const KEY: &str = "\"checksum\": \"";
const BLANK: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// SHA-256 of the parts one after the other, in hexadecimal.
pub fn sha256_hex<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An object as JSON text with a last field `checksum`, the SHA-256 of the text with zeros in its place.
///
/// # Errors
/// Those of [`serde_json`].
pub fn sealed(object: &impl Serialize) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(object)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("checksum".into(), Value::from(BLANK));
    }
    let text = serde_json::to_string_pretty(&value)?;
    let (before, after) = text.rsplit_once(BLANK).unwrap_or((&text, ""));
    Ok(format!("{before}{}{after}", sha256_hex([text.as_bytes()])))
}

/// Whether such a text is as it was written. One without a checksum is from before there were any.
pub fn is_intact(text: &str) -> bool {
    let Some(start) = text.rfind(KEY).map(|at| at + KEY.len()) else { return true };
    let parts = text.get(start..start + BLANK.len()).zip(text.get(start + BLANK.len()..));
    parts.is_some_and(|(found, after)| {
        sha256_hex([&text.as_bytes()[..start], BLANK.as_bytes(), after.as_bytes()]) == found
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_changed_byte_of_the_content_is_noticed() {
        let text = sealed(&serde_json::json!({"updates": 37, "bound": -104.25, "name": "a"})).unwrap();
        assert!(is_intact(&text) && serde_json::from_str::<Value>(&text).is_ok());
        let (key, mut unnoticed) = (text.rfind(KEY).unwrap(), 0);
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            // a changed name of the field makes it a text without one, whose content is whole
            unnoticed += usize::from(is_intact(&changed) && !(key..key + KEY.len()).contains(&place));
        }
        assert_eq!(unnoticed, 0);
        assert!(is_intact("{}") && !is_intact(&text[..text.len() - 30]));
    }
}
