//! Follows `execute.py` through a notebook: what it tells, what the kernel says, what is shown of that.
use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::ProgressBar;
use serde::Deserialize;

use super::cell_error::{self, CellError, Outputs, strip_ansi};
use crate::tool::{clock, spinner};

/// What `execute.py` tells.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Starting {
        cells: usize,
    },
    Cell {
        number: usize,
        source: String,
    },
    Printed {
        line: String,
    },
    Done {
        tolerated: bool,
        #[serde(flatten)]
        outputs: Outputs,
    },
    Saved {
        path: PathBuf,
    },
}

/// A line of either stream.
pub enum Line {
    /// Of `execute.py`.
    Event(String),
    /// Of the kernel.
    Kernel(String),
}

/// Both streams of `execute.py`.
pub fn listen(child: &mut Child) -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || each_line(stdout, |line| sender.send(Line::Event(line)).is_ok()));
    }
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || each_line(stderr, |line| sender.send(Line::Kernel(line)).is_ok()));
    }
    lines
}

fn each_line(stream: impl std::io::Read, mut take: impl FnMut(String) -> bool) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
        if !take(String::from_utf8_lossy(&bytes).trim_end().to_owned()) {
            return;
        }
        bytes.clear();
    }
}

/// The progress of one notebook.
pub struct Run {
    label: String,
    /// The line on the terminal.
    pub bar: ProgressBar,
    started: Instant,
    last_shown: Instant,
    /// How many cells there are, once that is known.
    pub cells: Option<usize>,
    /// The cell that runs.
    pub cell: usize,
    source: String,
    /// What the kernel itself has said.
    pub kernel_lines: Vec<String>,
    /// Where the notebook is, once it is saved.
    pub saved: Option<PathBuf>,
}

impl Run {
    /// Before the kernel starts.
    pub fn new(label: &str) -> Self {
        let bar = spinner();
        bar.set_prefix(format!("{label} starting the kernel"));
        let (started, last_shown) = (Instant::now(), Instant::now());
        if bar.is_hidden() {
            println!("{label} starting the kernel");
        }
        Self {
            label: label.to_owned(),
            bar,
            started,
            last_shown,
            cells: None,
            cell: 0,
            source: String::new(),
            kernel_lines: Vec::new(),
            saved: None,
        }
    }

    /// Follows the execution to its end; the failed cell's number, source and error.
    pub fn follow(
        &mut self,
        lines: &mpsc::Receiver<Line>,
        answers: &mut ChildStdin,
    ) -> anyhow::Result<Option<(usize, String, CellError)>> {
        let mut failure = None;
        for line in lines {
            match line {
                Line::Kernel(line) => {
                    self.note(&line);
                    self.kernel_lines.push(line);
                }
                Line::Event(line) => match serde_json::from_str(&line) {
                    Err(_) => self.kernel_lines.push(line),
                    Ok(Event::Starting { cells }) => self.cells = Some(cells),
                    Ok(Event::Cell { number, source }) => self.begin(number, source),
                    Ok(Event::Printed { line }) => self.note(&line),
                    Ok(Event::Saved { path }) => self.saved = Some(path),
                    Ok(Event::Done { tolerated, outputs }) => {
                        let broken = outputs.failure.is_some();
                        let error = cell_error::find(&outputs).filter(|_| broken || !tolerated);
                        failure = error.map(|e| (self.cell, self.source.clone(), e));
                        let answer = if failure.is_some() { "stop" } else { "continue" };
                        writeln!(answers, "{answer}").context("execute.py does not listen any more")?;
                    }
                },
            }
        }
        Ok(failure)
    }

    fn begin(&mut self, number: usize, source: String) {
        self.cell = number;
        let head = source.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with("//")).unwrap_or_default();
        let head: String = head.chars().take(60).collect();
        let place = format!("{} cell {number}/{}", self.label, self.cells.unwrap_or(number));
        if self.bar.is_hidden() {
            println!("{place} · {} elapsed · {head}", clock(self.started.elapsed()));
            self.last_shown = Instant::now();
        }
        self.bar.set_prefix(place);
        self.bar.set_message(head);
        self.source = source;
    }

    /// Something that the kernel compiles or the cell prints: always on a terminal, now and then in a log.
    fn note(&mut self, line: &str) {
        let line = strip_ansi(line.trim());
        if line.is_empty() {
            return;
        }
        if self.bar.is_hidden() && self.last_shown.elapsed() >= Duration::from_secs(20) {
            println!("{} cell {} · {} elapsed · {line}", self.label, self.cell, clock(self.started.elapsed()));
            self.last_shown = Instant::now();
        }
        self.bar.set_message(line);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn events_are_understood() {
        let event = r#"{"event": "done", "number": 3, "failure": null, "tolerated": false, "errors": [], "stderr": "x", "results": ["()"]}"#;
        match serde_json::from_str(event).unwrap() {
            Event::Done { tolerated: false, outputs } => assert_eq!(outputs.stderr, "x"),
            _ => panic!("not understood"),
        }
    }
}
