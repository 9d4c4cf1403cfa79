//! Did a cell fail? evcxr answers "ok" to a cell that panicked or whose `?` met an error, so its outputs must tell.

/// What a cell left behind, as `execute.py` reports it.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Outputs {
    /// Tracebacks of the `error` outputs: compile errors, an ended process.
    pub errors: Vec<String>,
    /// Everything on standard error.
    pub stderr: String,
    /// Text of the values that the cell evaluated to.
    pub results: Vec<String>,
    /// Execution itself failed: time-out, dead kernel.
    pub failure: Option<String>,
}

/// Why a cell counts as failed: one line, then the kernel's own text (may be empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellError {
    /// One line.
    pub reason: String,
    /// The kernel's text, with its colours.
    pub text: String,
}

/// Looks for a failure.
///
/// - an `error` output: compile error, `std::process::exit`, abort;
/// - `panicked at` on standard error;
/// - any other line on standard error. A failing `?` prints the error's `Display` text there and nothing else, so it
///   cannot be told from an ordinary message: lines that begin with `warning:` or `note:` are let through, the rest fails;
/// - a value whose text begins with `Err(`.
pub fn find(outputs: &Outputs) -> Option<CellError> {
    let some = |reason: &str, text: &str| Some(CellError { reason: reason.to_owned(), text: text.trim().to_owned() });
    if let Some(failure) = &outputs.failure {
        return some(failure, &[outputs.errors.join("\n"), outputs.stderr.clone()].concat());
    }
    if !outputs.errors.is_empty() {
        let mut text = outputs.errors.join("\n");
        if !outputs.stderr.trim().is_empty() {
            text = format!("{text}\n{}", outputs.stderr);
        }
        let ended = outputs.errors.iter().any(|e| e.contains("Subprocess terminated"));
        return some(if ended { "the program ended" } else { "the cell does not compile" }, &text);
    }
    if outputs.stderr.contains("panicked at") {
        return some("the cell panicked", &outputs.stderr);
    }
    if strip_ansi(&outputs.stderr).lines().any(is_error_line) {
        return some("the cell returned an error (or wrote to standard error)", &outputs.stderr);
    }
    let err = outputs.results.iter().find(|r| r.trim_start().starts_with("Err("))?;
    some("the cell's value is an error", err)
}

fn is_error_line(line: &str) -> bool {
    let line = line.trim().to_ascii_lowercase();
    !(line.is_empty() || line.starts_with("warning:") || line.starts_with("note:"))
}

/// Removes terminal colour sequences (`ESC [ … letter`).
pub fn strip_ansi(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
        } else if chars.next_if_eq(&'[').is_some() {
            for c in chars.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stderr(text: &str) -> Option<CellError> {
        find(&Outputs { stderr: text.into(), ..Outputs::default() })
    }

    /// Texts that evcxr 0.22.0 really sends.
    #[test]
    fn what_evcxr_prints_for_failed_cells() {
        let table = [
            // panic!("boom {}", 3)
            (
                "\nthread '<unnamed>' (12591) panicked at src/lib.rs:123:1:\nboom 3\nstack backtrace:\n   0: __rustc::rust_begin_unwind\n",
                "panicked",
            ),
            // vec[3] out of bounds, in a thread
            (
                "\nthread '<unnamed>' (13204) panicked at src/lib.rs:108:31:\nindex out of bounds: the len is 0 but the index is 3\n",
                "panicked",
            ),
            // "x".parse::<i32>()?
            ("invalid digit found in string\n", "returned an error"),
            // read_to_string("/nonexistent")?
            ("No such file or directory (os error 2)\n", "returned an error"),
            // a Box<dyn Error> from a &str
            ("custom message\n", "returned an error"),
            // an error of several lines, after a warning
            ("warning: slow\nplain String error\nsecond line\n", "returned an error"),
        ];
        for (text, reason) in table {
            let found = stderr(text).unwrap();
            assert!(found.reason.contains(reason), "{text:?}: {found:?}");
            assert_eq!(found.text, text.trim());
        }
    }

    #[test]
    fn error_outputs() {
        for (text, reason) in [
            ("Subprocess terminated with status: exit status: 3", "program ended"),
            ("Subprocess terminated with status: signal: 6 (SIGABRT)", "program ended"),
            ("\u{1b}[31m[E0308] Error:\u{1b}[0m mismatched types", "does not compile"),
            ("\u{1b}[31mError:\u{1b}[0m No such file or directory (os error 2): \"../nowhere\"", "does not compile"),
        ] {
            let found = find(&Outputs { errors: vec![text.into()], ..Outputs::default() }).unwrap();
            assert!(found.reason.contains(reason), "{found:?}");
        }
        let dead = Outputs { failure: Some("the kernel stopped answering".into()), ..Outputs::default() };
        assert_eq!(find(&dead).unwrap().reason, "the kernel stopped answering");
    }

    #[test]
    fn an_err_as_value() {
        let value = |v: &str| find(&Outputs { results: vec![v.into()], ..Outputs::default() });
        assert!(value("Err(\"as a value\")").is_some());
        assert!(value("()").is_none());
        assert!(value("Ok(3)").is_none());
        assert!(value("[Err(1)]").is_none());
        assert!(value("Errors: 0").is_none());
    }

    #[test]
    fn harmless_text_passes() {
        for text in
            ["", "\n  \n", "warning: only a warning\n", "\u{1b}[33mwarning:\u{1b}[0m coloured\nnote: and this\n"]
        {
            assert_eq!(stderr(text), None, "{text:?}");
        }
    }

    #[test]
    fn colours_are_stripped() {
        assert_eq!(strip_ansi("\u{1b}[31m[E0308]\u{1b}[38;5;246m x\u{1b}[0m"), "[E0308] x");
    }
}
