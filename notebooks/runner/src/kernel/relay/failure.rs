//! How a cell that panicked or whose `?` met an error is told from a good one.
//!
//! evcxr answers "ok" to both, and prints the error's text on standard error, where it cannot be told from a warning. But the
//! code that it wraps around a cell says it with `eprintln!` and `println!`, and [`MACROS`], which the kernel defines
//! before the first cell, take these two calls (and no others) for themselves: they write a note to the file that the
//! environment variable [`VARIABLE`] names, before evcxr learns that the cell is done. So the rule is exact: a cell fails
//! if and only if the note is there.
use std::{fs, path::Path};

use super::panics::Panic;

/// Names the file of the note.
pub const VARIABLE: &str = "VAEB_FAILURE_NOTE";

/// Defined before the first cell. They survive a restart of the program, unlike a panic hook.
///
/// A failing `?` is recognised by the function that evcxr generates for it, `<EvcxrUserCodeError as From<_>>::from`; a
/// panic by evcxr's own words.
pub const MACROS: &str = r#"
macro_rules! eprintln {
    ($format:literal, $error:ident) => {{
        fn here() {}
        let noted = std::any::type_name_of_val(&here).contains("EvcxrUserCodeError")
            && std::env::var_os("VAEB_FAILURE_NOTE").is_some_and(|note| {
                let kind = std::any::type_name_of_val(&$error);
                std::fs::write(note, std::format!("error\n{kind}\n{}", std::format!($format, $error))).is_ok()
            });
        if !noted {
            std::eprintln!($format, $error);
        }
    }};
    ($($tokens:tt)*) => { std::eprintln!($($tokens)*) };
}
macro_rules! println {
    ("EVCXR_PANIC_NOTIFICATION") => {{
        if let Some(note) = std::env::var_os("VAEB_FAILURE_NOTE") {
            let _ = std::fs::write(note, "panic");
        }
        std::println!("EVCXR_PANIC_NOTIFICATION")
    }};
    ($($tokens:tt)*) => { std::println!($($tokens)*) };
}
"#;

/// The note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A `?` met an error of this type, with this text.
    Error {
        /// The type's name.
        kind: String,
        /// The error's text.
        text: String,
    },
    /// The cell panicked; what it said is on standard error.
    Panic,
}

/// Takes the note, if there is one.
pub fn take(file: &Path) -> Option<Note> {
    let note = fs::read_to_string(file).ok()?;
    fs::remove_file(file).ok();
    match note.split_once('\n') {
        Some(("error", rest)) => {
            let (kind, text) = rest.split_once('\n').unwrap_or(("", rest));
            Some(Note::Error { kind: kind.to_owned(), text: text.to_owned() })
        }
        _ => Some(Note::Panic),
    }
}

/// An error as Jupyter shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub ename: String,
    /// Its message.
    pub evalue: String,
    /// Lines with colours.
    pub traceback: Vec<String>,
}

impl Failure {
    /// Kind and message in red, then further lines.
    pub fn new(ename: &str, evalue: &str, more: &[String]) -> Self {
        let first = format!("\u{1b}[31m{ename}:\u{1b}[0m {evalue}");
        let traceback = first.lines().map(str::to_owned).chain(more.iter().cloned()).collect();
        Self { ename: ename.to_owned(), evalue: evalue.to_owned(), traceback }
    }

    /// From a note and what the last panic said.
    pub fn of(note: Note, panic: Option<Panic>) -> Self {
        match note {
            Note::Error { kind, text } => Self::new(short_name(&kind), &text, &[]),
            Note::Panic => {
                let panic = panic.unwrap_or_default();
                let place: Vec<String> = panic.place().map(|p| format!("  at {p}")).into_iter().collect();
                let message = if panic.message.is_empty() { "the cell panicked" } else { &panic.message };
                Self::new("panic", message, &place)
            }
        }
    }
}

/// `core::num::error::ParseIntError` → `ParseIntError`; what has no short name is an `Error`.
fn short_name(kind: &str) -> &str {
    let name = kind.rsplit("::").next().unwrap_or_default();
    let plain = !kind.contains(['<', '(', '[', '&', ' ']) && name.chars().next().is_some_and(char::is_uppercase);
    if plain && name != "String" { name } else { "Error" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn notes_are_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("note");
        assert_eq!(take(&file), None);
        fs::write(&file, "error\ncore::num::error::ParseIntError\ninvalid digit\nin string").unwrap();
        let note = take(&file).unwrap();
        assert_eq!(take(&file), None);
        let failure = Failure::of(note, None);
        assert_eq!((failure.ename.as_str(), failure.evalue.as_str()), ("ParseIntError", "invalid digit\nin string"));
        assert_eq!(failure.traceback.len(), 2);
        fs::write(&file, "panic").unwrap();
        assert_eq!(take(&file), Some(Note::Panic));
    }

    #[test]
    fn names_are_short() {
        for (kind, name) in [
            ("vae_core::error::Error", "Error"),
            ("core::num::error::ParseIntError", "ParseIntError"),
            ("alloc::boxed::Box<dyn core::error::Error>", "Error"),
            ("alloc::string::String", "Error"),
            ("&str", "Error"),
            ("", "Error"),
        ] {
            assert_eq!(short_name(kind), name, "{kind}");
        }
    }

    #[test]
    fn a_panic_names_its_place_only_outside_the_cell() {
        let of = |location: &str| {
            let panic = Panic { location: location.into(), message: "boom".into() };
            Failure::of(Note::Panic, Some(panic)).traceback.join("\n")
        };
        assert!(of("/c/vae_core/src/data.rs:1:2").contains("at /c/vae_core/src/data.rs:1:2"));
        assert!(!of("src/lib.rs:123:1").contains("lib.rs"));
        assert_eq!(Failure::of(Note::Panic, None).evalue, "the cell panicked");
    }

    #[test]
    fn the_macros_use_the_variable() {
        assert!(MACROS.contains(VARIABLE));
    }
}
