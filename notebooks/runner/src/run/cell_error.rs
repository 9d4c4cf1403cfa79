//! Did a cell fail? The kernel's relay makes errors of panics and of failed `?`; a value `Err(…)` is the cell's own affair for
//! Jupyter, but not in a notebook that shall hold.

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
/// - an `error` output: compile error, panic, an error returned through `?`, an ended program;
/// - a panic on standard error that did not end the cell: one of another thread, whose work is missing;
/// - a value whose text begins with `Err(`.
///
/// Other text on standard error is a message.
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
        let plain = strip_ansi(&outputs.errors.join("\n"));
        let reason = if plain.contains("Subprocess terminated") || plain.starts_with("KernelEnded:") {
            "the program ended"
        } else if plain.starts_with("panic:") {
            "the cell panicked"
        } else if plain.starts_with("[E") || plain.contains("command_") {
            "the cell does not compile"
        } else {
            "the cell failed"
        };
        return some(reason, &text);
    }
    if outputs.stderr.lines().any(|line| line.starts_with("panicked")) {
        return some("a thread of the cell panicked", &outputs.stderr);
    }
    let err = outputs.results.iter().find(|r| r.trim_start().starts_with("Err("))?;
    some("the cell's value is an error", err)
}

/// Without the terminal's colours.
pub fn strip_ansi(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stderr(text: &str) -> Option<CellError> {
        find(&Outputs { stderr: text.into(), ..Outputs::default() })
    }

    #[test]
    fn error_outputs() {
        for (text, reason) in [
            ("\u{1b}[31mEnded:\u{1b}[0m Subprocess terminated with status: exit status: 3", "program ended"),
            ("Subprocess terminated with status: signal: 6 (SIGABRT)", "program ended"),
            ("\u{1b}[31mKernelEnded:\u{1b}[0m the Rust kernel evcxr has ended", "program ended"),
            ("\u{1b}[31m[E0308] Error:\u{1b}[0m mismatched types", "does not compile"),
            ("\u{1b}[31mpanic:\u{1b}[0m boom 3", "panicked"),
            ("\u{1b}[31mParseIntError:\u{1b}[0m invalid digit found in string", "failed"),
        ] {
            let found = find(&Outputs { errors: vec![text.into()], ..Outputs::default() }).unwrap();
            assert!(found.reason.contains(reason), "{found:?}");
        }
        let dead = Outputs { failure: Some("the kernel stopped answering".into()), ..Outputs::default() };
        assert_eq!(find(&dead).unwrap().reason, "the kernel stopped answering");
    }

    #[test]
    fn a_panic_of_another_thread() {
        assert!(
            stderr("working\npanicked at /c/vae_core/src/x.rs:1:2: no images\n").unwrap().reason.contains("thread")
        );
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
    fn messages_pass() {
        for text in ["", "\n  \n", "warning: only a warning\n", "loading, 3 of 5\n"] {
            assert_eq!(stderr(text), None, "{text:?}");
        }
    }

    #[test]
    fn colours_are_stripped() {
        assert_eq!(strip_ansi("\u{1b}[31m[E0308]\u{1b}[38;5;246m x\u{1b}[0m"), "[E0308] x");
    }
}
