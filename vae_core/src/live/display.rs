//! One display that is replaced in place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::figures::{Figure, Table};
use crate::kernel::{Bundle, Marker};

/// A place in a cell's output that is shown once and then replaced. Without a kernel that reads markers it shows nothing.
#[derive(Clone, Debug)]
pub struct Display {
    id: String,
    shown: bool,
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

impl Display {
    /// Not shown yet.
    pub fn new() -> Self {
        Self { id: unique_id(), shown: false }
    }

    /// Shows a figure here.
    pub fn figure(&mut self, figure: &Figure) {
        self.show(&figure_bundle(figure));
    }

    /// Shows a table here.
    pub fn table(&mut self, table: &Table) {
        self.show(&table_bundle(table, ""));
    }

    pub(super) fn show(&mut self, data: &Bundle) {
        let id = &self.id;
        let marker = if self.shown { Marker::Update { id, data } } else { Marker::Display { id, data } };
        marker.emit();
        self.shown = true;
    }

    pub(super) fn is_shown(&self) -> bool {
        self.shown
    }
}

/// A figure with all that it has for notebooks.
pub(super) fn figure_bundle(figure: &Figure) -> Bundle {
    Bundle::from([
        ("image/svg+xml", figure.svg.trim_end().to_owned()),
        ("image/png", BASE64_STANDARD.encode(&figure.inline_png)),
        ("text/plain", format!("{}\n{}", figure.title, figure.caption).trim().to_owned()),
    ])
}

/// A table, with a line below it.
pub(super) fn table_bundle(table: &Table, note: &str) -> Bundle {
    let text = format!("{}\n{note}", table.to_markdown());
    let text = text.trim_end().to_owned();
    Bundle::from([("text/markdown", text.clone()), ("text/plain", text)])
}

/// Shows a line of text that replaces the line before it with the same id.
pub fn text(id: &str, text: &str) {
    Marker::Text { id, text }.emit();
}

/// Clears the output of the cell when its next output comes.
pub fn clear_output() {
    Marker::Clear { wait: true }.emit();
}

/// An update reaches all displays of a notebook with its id, those of earlier runs of a cell too; and a static counter
/// begins anew in each cell. So time and process are part of it.
fn unique_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    format!("vaeb-{:x}-{now:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_differ_in_their_ids() {
        assert_ne!(Display::new().id, Display::new().id);
    }

    #[test]
    fn a_table_is_markdown_and_text() {
        let bundle = table_bundle(&Table::new(["run", "bound"]).row(["1", "−99"]), "1 of 2 finished");
        assert!(bundle["text/markdown"].ends_with("|\n\n1 of 2 finished"), "{bundle:?}");
        assert_eq!(bundle["text/markdown"], bundle["text/plain"]);
    }
}
