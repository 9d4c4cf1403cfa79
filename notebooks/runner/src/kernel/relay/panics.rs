//! Panics on standard error: the message without the fifteen lines of backtrace, held back until it is known whether the
//! panic ended the cell.
use std::mem;

/// What a panic said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panic {
    /// `src/lib.rs:3:5`
    pub location: String,
    /// One or more lines.
    pub message: String,
}

impl Panic {
    /// The place in a source file, unless it is the cell itself, whose line numbers mean nothing to its author.
    pub fn place(&self) -> Option<&str> {
        (!self.location.starts_with("src/lib.rs:") && !self.location.is_empty()).then_some(&self.location)
    }

    /// As text for standard error.
    pub fn text(&self) -> String {
        format!("panicked{}: {}\n", self.place().map_or(String::new(), |p| format!(" at {p}")), self.message)
    }
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Outside,
    /// After an empty line, which may belong to a panic.
    Empty,
    Message(Panic),
    Backtrace,
}

/// Reads standard error line by line.
#[derive(Debug, Default)]
pub struct Panics {
    state: State,
    held: Vec<Panic>,
}

impl Panics {
    /// Takes a line (without its newline); returns the text to pass on now.
    pub fn feed(&mut self, line: &str) -> String {
        if let Some(location) = panic_location(line) {
            self.end_message();
            self.state = State::Message(Panic { location: location.to_owned(), message: String::new() });
            return String::new();
        }
        match mem::take(&mut self.state) {
            State::Message(panic)
                if line == "stack backtrace:" || line.starts_with("note: run with `RUST_BACKTRACE") =>
            {
                self.held.push(panic);
                self.state = State::Backtrace;
                String::new()
            }
            State::Message(mut panic) => {
                if !panic.message.is_empty() {
                    panic.message.push('\n');
                }
                panic.message.push_str(line);
                self.state = State::Message(panic);
                String::new()
            }
            State::Backtrace if belongs_to_backtrace(line) => {
                self.state = State::Backtrace;
                String::new()
            }
            State::Empty if line.is_empty() => {
                self.state = State::Empty;
                "\n".to_owned()
            }
            State::Empty => format!("\n{line}\n"),
            State::Outside | State::Backtrace if line.is_empty() => {
                self.state = State::Empty;
                String::new()
            }
            State::Outside | State::Backtrace => format!("{line}\n"),
        }
    }

    /// Whether anything is held back.
    pub fn holds(&self) -> bool {
        !self.held.is_empty() || matches!(self.state, State::Empty | State::Message(_))
    }

    /// Whether a whole panic has arrived.
    pub fn complete(&self) -> bool {
        !self.held.is_empty()
    }

    /// The last panic, if one ended the cell.
    pub fn take_last(&mut self) -> Option<Panic> {
        self.end_message();
        self.held.pop()
    }

    /// Everything that is held back, as text.
    pub fn release(&mut self) -> String {
        self.end_message();
        let empty = if matches!(self.state, State::Empty) { "\n" } else { "" };
        if !matches!(self.state, State::Backtrace) {
            self.state = State::Outside;
        }
        self.held.drain(..).map(|p| p.text()).collect::<String>() + empty
    }

    fn end_message(&mut self) {
        if matches!(self.state, State::Message(_))
            && let State::Message(panic) = mem::take(&mut self.state)
        {
            self.held.push(panic);
        }
    }
}

/// `thread 'main' (123) panicked at src/lib.rs:1:2:` → `src/lib.rs:1:2`
fn panic_location(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("thread '")?;
    let (_, location) = rest.split_once(" panicked at ")?;
    location.strip_suffix(':')
}

fn belongs_to_backtrace(line: &str) -> bool {
    let text = line.trim_start();
    let frame = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (frame.len() < text.len() && frame.starts_with(": "))
        || text.starts_with("at ")
        || text.starts_with("note: Some details are omitted")
        || text.starts_with("note: run with `RUST_BACKTRACE")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PANIC: &str = "\nthread '<unnamed>' (12591) panicked at src/lib.rs:123:1:\nboom 3\nsecond line\nstack backtrace:\n   \
        0: __rustc::rust_begin_unwind\n             at /rustc/library/std/src/panicking.rs:1:5\n   1: core::panicking::panic_fmt\n\
        note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.";

    fn feed(panics: &mut Panics, text: &str) -> String {
        text.lines().map(|l| panics.feed(l)).collect()
    }

    #[test]
    fn a_panic_is_held_back_without_its_backtrace() {
        let mut panics = Panics::default();
        assert_eq!(feed(&mut panics, PANIC), "");
        assert!(panics.holds() && panics.complete());
        assert_eq!(feed(&mut panics, "after"), "after\n");
        let panic = panics.take_last().unwrap();
        assert_eq!((panic.message.as_str(), panic.place()), ("boom 3\nsecond line", None));
        assert_eq!(panics.release(), "");
        assert!(!panics.holds());
    }

    #[test]
    fn a_panic_that_did_not_end_the_cell_is_text() {
        let mut panics = Panics::default();
        let text = "thread 'worker' (1) panicked at /c/vae_core/src/data.rs:7:9:\nno images\nstack backtrace:\n   0: f";
        assert_eq!(feed(&mut panics, text), "");
        assert_eq!(panics.release(), "panicked at /c/vae_core/src/data.rs:7:9: no images\n");
    }

    #[test]
    fn ordinary_lines_pass_at_once() {
        let mut panics = Panics::default();
        for text in ["a\n", "a\nb\n", "\n\nc\n", "thread 'x' is busy\n", "1: one\n", "at home\n"] {
            assert_eq!(feed(&mut panics, text), text);
        }
        assert_eq!(feed(&mut panics, "\n"), "");
        assert_eq!(panics.release(), "\n");
    }
}
