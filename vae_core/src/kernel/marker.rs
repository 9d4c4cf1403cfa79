//! The marker protocol: one line of standard output for each thing to show.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde::Serialize;

/// What begins a marker.
pub const PREFIX: &str = "\u{1e}vaeb-live/1 ";

/// Representations of one thing to show: MIME type → body (base64 for binary ones).
pub(crate) type Bundle = BTreeMap<&'static str, String>;

/// A marker; see the [module](super) for their meaning.
#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Marker<'a> {
    Display { id: &'a str, data: &'a Bundle },
    Update { id: &'a str, data: &'a Bundle },
    Text { id: &'a str, text: &'a str },
    Clear { wait: bool },
    Training { state: State },
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Begin,
    End,
}

impl Marker<'_> {
    /// The line, its end included.
    fn line(&self) -> Option<String> {
        serde_json::to_string(self).ok().map(|json| format!("{PREFIX}{json}\n"))
    }

    /// Prints the marker if someone reads markers: whole, whatever other threads print.
    pub(crate) fn emit(&self) {
        if !enabled() {
            return;
        }
        if let Some(line) = self.line() {
            print(&line);
        }
    }
}

/// Writes to standard output, whole, whatever other threads print. That nobody listens (a closed pipe, a full disk) is no reason
/// for a training to fail, as it is for `println!`.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// One representation of a cell's value, in the Rust kernel's display protocol.
pub(crate) fn content_block(mime: &str, body: &str) -> String {
    // A line of the body that begins as the protocol does is moved: it ends no block, and begins none.
    let body = format!("\n{body}\n").replace("\nEVCXR_", "\n EVCXR_");
    format!("EVCXR_BEGIN_CONTENT {mime}{body}EVCXR_END_CONTENT\n")
}

/// Whether the program runs under a kernel that reads markers (`VAEB_LIVE=1`).
pub fn enabled() -> bool {
    std::env::var_os("VAEB_LIVE").is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn parsed(marker: &Marker) -> Value {
        let line = marker.line().unwrap();
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        serde_json::from_str(line.strip_prefix("\u{1e}vaeb-live/1 ").unwrap()).unwrap()
    }

    #[test]
    fn a_marker_is_one_line_of_json() {
        let body = "<svg>\r\n\u{1e}\"σ²\"\n</svg>";
        let data = Bundle::from([("image/svg+xml", body.to_owned()), ("text/plain", "50 %".to_owned())]);
        let expected = json!({"op": "display", "id": "a", "data": {"image/svg+xml": body, "text/plain": "50 %"}});
        assert_eq!(parsed(&Marker::Display { id: "a", data: &data }), expected);
        assert_eq!(parsed(&Marker::Update { id: "a", data: &data })["op"], "update");
        assert_eq!(parsed(&Marker::Text { id: "t", text: "1\n2" }), json!({"op": "text", "id": "t", "text": "1\n2"}));
        assert_eq!(parsed(&Marker::Clear { wait: true }), json!({"op": "clear", "wait": true}));
        let [begin, end] = [State::Begin, State::End].map(|state| parsed(&Marker::Training { state }));
        assert_eq!(begin, json!({"op": "training", "state": "begin"}));
        assert_eq!(end, json!({"op": "training", "state": "end"}));
    }
}
