//! The live protocol, version 1: marked lines on a cell's standard output become displays, progress lines and the like.
use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::{Value, json};

/// What a marked line begins with.
pub use vae_core::live::PREFIX as MARK;

/// A marked line.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Op {
    /// Show something that can be replaced later.
    Display {
        /// Names it, within the cell.
        id: String,
        /// MIME type → body.
        data: BTreeMap<String, Value>,
    },
    /// Replace it.
    Update {
        /// Its name.
        id: String,
        /// MIME type → body.
        data: BTreeMap<String, Value>,
    },
    /// One line, which replaces the previous one of the same name.
    Text {
        /// Its name.
        id: String,
        /// The line.
        text: String,
    },
    /// Remove the cell's output.
    Clear {
        /// Only when the next output comes.
        #[serde(default)]
        wait: bool,
    },
    /// A computation that stops softly begins or ends.
    Training {
        /// Which of the two.
        state: State,
    },
}

/// Of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It begins.
    Begin,
    /// It ends.
    End,
}

/// A line of output, taken apart.
#[derive(Debug, PartialEq)]
pub enum Line<'a> {
    /// Ordinary text.
    Text(&'a str),
    /// A mark, with the text that stood before it (printed without a newline).
    Marked(&'a str, Op),
}

/// Looks for a mark. An unknown operation is ordinary text.
pub fn parse(line: &str) -> Line<'_> {
    let found = line.find(MARK).and_then(|at| {
        let op = serde_json::from_str(line[at + MARK.len()..].trim_end()).ok()?;
        Some(Line::Marked(&line[..at], op))
    });
    found.unwrap_or(Line::Text(line))
}

/// What has been shown in one cell.
#[derive(Debug, Default)]
pub struct Live {
    shown: HashSet<String>,
    /// The progress line that has no newline yet: its name and its width.
    open: Option<(String, usize)>,
    training: usize,
}

impl Live {
    /// Whether a computation that stops softly is running.
    pub fn training(&self) -> bool {
        self.training > 0
    }

    /// The messages (type and content) that an operation becomes. `cell` makes display names unique in the notebook.
    pub fn apply(&mut self, op: Op, cell: &str) -> Vec<(&'static str, Value)> {
        match op {
            Op::Display { id, data } => {
                self.shown.insert(id.clone());
                vec![("display_data", display(data, cell, &id))]
            }
            Op::Update { id, data } => {
                let first = self.shown.insert(id.clone());
                vec![(if first { "display_data" } else { "update_display_data" }, display(data, cell, &id))]
            }
            Op::Text { id, text } => vec![("stream", stdout(&self.progress(id, &text)))],
            Op::Clear { wait } => {
                *self = Self { training: self.training, ..Self::default() };
                vec![("clear_output", json!({"wait": wait}))]
            }
            Op::Training { state: State::Begin } => {
                self.training += 1;
                Vec::new()
            }
            Op::Training { state: State::End } => {
                self.training = self.training.saturating_sub(1);
                Vec::new()
            }
        }
    }

    /// The line over the last one of the same name; blanks cover what would stick out of a longer one.
    fn progress(&mut self, id: String, text: &str) -> String {
        let text = text.replace(['\n', '\r'], " ");
        let width = text.chars().count();
        let line = match &self.open {
            Some((open, old)) if *open == id => format!("\r{text}{}", " ".repeat(old.saturating_sub(width))),
            Some(_) => format!("\n{text}"),
            None => text,
        };
        self.open = Some((id, width));
        line
    }

    /// Ends an open progress line, before other text and at the cell's end: the newline, if one is due.
    pub fn close_line(&mut self) -> Option<&'static str> {
        self.open.take().map(|_| "\n")
    }
}

fn display(data: BTreeMap<String, Value>, cell: &str, id: &str) -> Value {
    json!({"data": data, "metadata": {}, "transient": {"display_id": format!("{cell}-{id}")}})
}

/// The content of a `stream` message.
pub fn stdout(text: &str) -> Value {
    json!({"name": "stdout", "text": text})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn op(json: &str) -> Op {
        match parse(&format!("{MARK}{json}\n")) {
            Line::Marked("", op) => op,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn displays_are_updated_in_place_and_named_after_their_cell() {
        let mut live = Live::default();
        let sent = live.apply(op(r#"{"op":"display","id":"curve","data":{"image/svg+xml":"<svg/>"}}"#), "c1");
        assert_eq!(sent[0].0, "display_data");
        assert_eq!(sent[0].1["data"]["image/svg+xml"], "<svg/>");
        assert_eq!(sent[0].1["transient"]["display_id"], "c1-curve");
        let update = r#"{"op":"update","id":"curve","data":{"text/plain":"2"}}"#;
        assert_eq!(live.apply(op(update), "c1")[0].0, "update_display_data");
        assert_eq!(Live::default().apply(op(update), "c2")[0].0, "display_data", "nothing there to update");
        assert_eq!(live.apply(op(r#"{"op":"clear","wait":true}"#), "c1")[0], ("clear_output", json!({"wait": true})));
        assert_eq!(live.apply(op(update), "c1")[0].0, "display_data", "cleared");
    }

    #[test]
    fn progress_lines_replace_themselves() {
        let mut live = Live::default();
        let say = |live: &mut Live, id: &str, text: &str| {
            let op = Op::Text { id: id.into(), text: text.into() };
            live.apply(op, "c")[0].1["text"].as_str().unwrap().to_owned()
        };
        assert_eq!(say(&mut live, "a", "10 %"), "10 %");
        assert_eq!(say(&mut live, "a", "9 %"), "\r9 % ");
        assert_eq!(say(&mut live, "b", "two\nlines"), "\ntwo lines");
        assert_eq!(live.close_line(), Some("\n"));
        assert_eq!(live.close_line(), None);
        assert_eq!(say(&mut live, "b", "x"), "x");
    }

    #[test]
    fn training_sections_are_counted() {
        let mut live = Live::default();
        for (state, open) in [("begin", true), ("begin", true), ("end", true), ("end", false), ("end", false)] {
            assert!(live.apply(op(&format!(r#"{{"op":"training","state":"{state}"}}"#)), "c").is_empty());
            assert_eq!(live.training(), open);
        }
    }

    #[test]
    fn other_lines_are_text() {
        for line in
            ["plain\n", "\u{1e}vaeb-live/2 {}\n", "\u{1e}vaeb-live/1 {\"op\":\"dance\"}\n", "\u{1e}vaeb-live/1 {\n", ""]
        {
            assert_eq!(parse(line), Line::Text(line));
        }
        let after_text = format!("50 %{MARK}{}\n", r#"{"op":"clear"}"#);
        assert_eq!(parse(&after_text), Line::Marked("50 %", Op::Clear { wait: false }));
    }
}
