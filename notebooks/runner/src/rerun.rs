//! Executes notebooks headless: starts `execute.py`, shows progress, judges every cell, checks the promised figures.
use std::{
    env, fs,
    io::{BufRead, BufReader, IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::{
    cell_error::{self, CellError, Outputs, strip_ansi},
    checkout::{Checkout, absolute_folders},
    kernel,
    names::Notebook,
    tool::{clock, explain, spinner},
};

const EXECUTE: &str = include_str!("execute.py");

/// How much work the notebooks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Embedded data, seconds
    Smoke,
    /// A minute or two each
    Quick,
    /// The published numbers
    Report,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Profile::Smoke => "smoke",
            Profile::Quick => "quick",
            Profile::Report => "report",
        }
    }

    /// How long a cell may take if the user does not say.
    pub fn default_timeout(self) -> Option<Duration> {
        match self {
            Profile::Smoke => Some(Duration::from_secs(900)),
            Profile::Quick => Some(Duration::from_secs(3600)),
            Profile::Report => None,
        }
    }
}

/// What `rerun` was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much work.
    pub profile: Profile,
    /// Longest time for a cell; none is unlimited.
    pub timeout: Option<Duration>,
    /// Where to write instead of the profile's own place.
    pub out: Option<PathBuf>,
}

/// Where a run writes.
#[derive(Debug, PartialEq, Eq)]
struct Places {
    notebooks: PathBuf,
    figures: PathBuf,
    partial: PathBuf,
}

impl Places {
    fn new(checkout: &Checkout, options: &Options) -> anyhow::Result<Self> {
        let scratch = checkout.out().join(options.profile.name());
        Ok(match (&options.out, options.profile) {
            (Some(dir), _) => {
                let dir = std::path::absolute(dir).with_context(|| format!("{} is no folder name", dir.display()))?;
                Self { figures: dir.join("figures"), partial: dir.clone(), notebooks: dir }
            }
            (None, Profile::Report) => Self {
                notebooks: checkout.notebooks(),
                figures: checkout.notebooks().join("figures"),
                partial: scratch,
            },
            (None, _) => Self { figures: scratch.join("figures"), partial: scratch.clone(), notebooks: scratch },
        })
    }
}

/// What `execute.py` is told.
#[derive(Serialize)]
struct Job<'a> {
    input: &'a Path,
    output: PathBuf,
    partial: PathBuf,
    cwd: PathBuf,
    kernel: &'a str,
    display_name: &'a str,
    kernel_dir: PathBuf,
    timeout: Option<u64>,
}

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

enum Line {
    Event(String),
    Kernel(String),
}

/// Executes the notebooks one after the other; false if any failed.
pub fn rerun(checkout: &Checkout, notebooks: &[Notebook], options: &Options) -> anyhow::Result<bool> {
    let places = Places::new(checkout, options)?;
    for dir in [&places.notebooks, &places.figures] {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    }
    let profile = options.profile.name();
    println!("Executing {} notebook(s) on the {profile} profile, into {}", notebooks.len(), places.notebooks.display());
    if !checkout.kernel_builds().exists() {
        println!("The first run compiles vae_core for the kernel; expect a minute at the first cell.");
    }
    let mut failed = Vec::new();
    for (i, notebook) in notebooks.iter().enumerate() {
        let label = format!("[{} {}/{}]", notebook.number(), i + 1, notebooks.len());
        let started = Instant::now();
        let outcome = promised_figures(&notebook.path).and_then(|figures| {
            let before = Snapshot::take(&places.figures, &figures);
            execute(checkout, notebook, &label, options, &places)?;
            before.check()?;
            Ok(figures.len())
        });
        let took = clock(started.elapsed());
        match outcome {
            Ok(0) => println!("{label} {} done in {took}", notebook.name),
            Ok(figures) => println!("{label} {} done in {took}, {figures} figure(s) written", notebook.name),
            Err(error) => {
                println!("{label} {} FAILED after {took}", notebook.name);
                eprintln!("{error:#}\n");
                failed.push(notebook.name.as_str());
            }
        }
    }
    if failed.is_empty() {
        println!("All well. Notebooks: {}; figures: {}", places.notebooks.display(), places.figures.display());
    } else {
        eprintln!("{} of {} notebooks failed: {}", failed.len(), notebooks.len(), failed.join(", "));
    }
    Ok(failed.is_empty())
}

/// Executes one notebook and saves it.
fn execute(
    checkout: &Checkout,
    notebook: &Notebook,
    label: &str,
    options: &Options,
    places: &Places,
) -> anyhow::Result<()> {
    let job = Job {
        input: &notebook.path,
        output: places.notebooks.join(format!("{}.ipynb", notebook.name)),
        partial: places.partial.join(format!("{}.failed.ipynb", notebook.name)),
        cwd: checkout.notebooks(),
        kernel: kernel::NAME,
        display_name: kernel::DISPLAY_NAME,
        kernel_dir: checkout.kernel_specs(),
        timeout: options.timeout.map(|t| t.as_secs()),
    };
    fs::remove_file(&job.partial).ok(); // of an earlier run
    let mut child = start(checkout, &job, options.profile, &places.figures)?;
    // Kept until the end: execute.py takes its closing for our death.
    let mut answers = child.stdin.take().context("execute.py has no input")?;
    let lines = listen(&mut child);
    let mut run = Run::new(label);
    let failure = run.follow(&lines, &mut answers);
    run.bar.finish_and_clear();
    if failure.is_err() {
        drop(answers);
        child.wait().ok();
        return failure.map(|_| ());
    }
    let status = child.wait().context("execute.py cannot be waited for")?;
    let kernel_said = || strip_ansi(&run.kernel_lines.join("\n"));
    match failure? {
        Some((cell, source, error)) => {
            let saved =
                run.saved.map_or(String::new(), |p| format!("\nThe notebook as far as it got: {}", p.display()));
            let text = if std::io::stderr().is_terminal() { error.text } else { strip_ansi(&error.text) };
            let hint = explain(&text).map_or(String::new(), |h| format!("\n{h}"));
            bail!(
                "{} cell {cell}: {}\n{}\n{}{hint}{saved}",
                notebook.name,
                error.reason,
                indent(&source, "  | ", 12),
                indent(&text, "  ", 60)
            )
        }
        None if status.success() && run.saved.is_some() => Ok(()),
        None if run.cells.is_none() || run.cell == 0 => {
            bail!("the Rust kernel did not start ({status}); it said:\n{}", indent(&kernel_said(), "  ", 40))
        }
        None => {
            let said = kernel_said();
            let hint = explain(&said).map_or(String::new(), |h| format!("{h}\n"));
            bail!("execution broke off ({status}) at cell {}: {hint}\n{}", run.cell, indent(&said, "  ", 40))
        }
    }
}

fn start(checkout: &Checkout, job: &Job, profile: Profile, figures: &Path) -> anyhow::Result<Child> {
    let mut python = Command::new(checkout.venv_bin("python"));
    python.args(["-I", "-u", "-c", EXECUTE]).arg(serde_json::to_string(job)?);
    absolute_folders(&mut python)?;
    python.env("VAEB_PROFILE", profile.name()).env("VAEB_FIGURES", figures);
    private_jupyter(checkout, &mut python);
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    python.spawn().context("the Python environment does not start; `cargo notebooks clean` and run again")
}

/// Keeps a program of Jupyter's away from the user's settings, and from cargo's.
pub fn private_jupyter(checkout: &Checkout, python: &mut Command) {
    let private = checkout.venv().join("share/headless");
    // The user's Jupyter settings have no say in a reproducible run, and nothing is left in the home directory.
    for (variable, dir) in [
        ("JUPYTER_CONFIG_DIR", "config"),
        ("JUPYTER_DATA_DIR", "data"),
        ("JUPYTER_RUNTIME_DIR", "run"),
        ("IPYTHONDIR", "ipython"),
    ] {
        python.env(variable, private.join(dir));
    }
    python.env_remove("JUPYTER_PATH").env_remove("JUPYTER_CONFIG_PATH");
    // `cargo run` describes this program to its children, and the kernel's own cargo must not believe it.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|n| ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|p| n.starts_with(p)))
        {
            python.env_remove(name);
        }
    }
}

fn listen(child: &mut Child) -> mpsc::Receiver<Line> {
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
struct Run {
    label: String,
    bar: ProgressBar,
    started: Instant,
    last_shown: Instant,
    cells: Option<usize>,
    cell: usize,
    source: String,
    kernel_lines: Vec<String>,
    saved: Option<PathBuf>,
}

impl Run {
    fn new(label: &str) -> Self {
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
    fn follow(
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

fn indent(text: &str, margin: &str, most: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let mut out: Vec<String> = lines.iter().take(most).map(|l| format!("{margin}{l}")).collect();
    if lines.len() > most {
        out.push(format!("{margin}… {} more lines", lines.len() - most));
    }
    out.join("\n")
}

/// The figures that a notebook promises in its metadata: `"vae_core": {"figures": ["id", …]}`.
fn promised_figures(notebook: &Path) -> anyhow::Result<Vec<String>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Promise {
        figures: Vec<String>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        vae_core: Promise,
    }
    #[derive(Deserialize)]
    struct File {
        metadata: Metadata,
    }
    let text = fs::read_to_string(notebook).with_context(|| format!("{} cannot be read", notebook.display()))?;
    let file: File =
        serde_json::from_str(&text).with_context(|| format!("{} is not a notebook", notebook.display()))?;
    Ok(file.metadata.vae_core.figures)
}

/// When the promised figure files were last written, before the run.
struct Snapshot(Vec<(PathBuf, Option<SystemTime>)>);

impl Snapshot {
    fn take(dir: &Path, figures: &[String]) -> Self {
        let files = figures.iter().flat_map(|id| ["svg", "png", "json"].map(|e| dir.join(format!("{id}.{e}"))));
        Self(files.map(|f| (f.clone(), written(&f))).collect())
    }

    /// Every promised file is there, has content, and was written since.
    fn check(&self) -> anyhow::Result<()> {
        let complaints: Vec<String> = self
            .0
            .iter()
            .filter_map(|(file, before)| match fs::metadata(file) {
                Err(_) => Some(format!("{} was not written", file.display())),
                Ok(data) if data.len() == 0 => Some(format!("{} is empty", file.display())),
                Ok(_) if written(file) == *before => Some(format!("{} is from an earlier run", file.display())),
                Ok(_) => None,
            })
            .collect();
        if complaints.is_empty() {
            return Ok(());
        }
        bail!("figures that the notebook promises in its metadata are missing:\n  {}", complaints.join("\n  "))
    }
}

fn written(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|m| m.modified()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn figures_must_be_there_and_new_and_not_empty() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("a.svg", "old");
        let before = Snapshot::take(dir.path(), &["a".into()]);
        let text = before.check().unwrap_err().to_string();
        assert!(text.contains("a.svg is from an earlier run") && text.contains("a.png was not written"), "{text}");
        thread::sleep(Duration::from_millis(20));
        write("a.svg", "new");
        write("a.png", "");
        write("a.json", "{}");
        let text = before.check().unwrap_err().to_string();
        assert!(text.contains("a.png is empty") && !text.contains("a.svg"), "{text}");
        write("a.png", "x");
        before.check().unwrap();
    }

    #[test]
    fn promises_are_read_from_metadata() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("n.ipynb");
        fs::write(&file, r#"{"metadata": {"vae_core": {"figures": ["a", "b"]}}, "cells": []}"#).unwrap();
        assert_eq!(promised_figures(&file).unwrap(), ["a", "b"]);
        fs::write(&file, r#"{"metadata": {}, "cells": []}"#).unwrap();
        assert!(promised_figures(&file).unwrap().is_empty());
        fs::write(&file, "not json").unwrap();
        assert!(promised_figures(&file).is_err());
    }

    #[test]
    fn events_are_understood() {
        let event = r#"{"event": "done", "number": 3, "failure": null, "tolerated": false, "errors": [], "stderr": "x", "results": ["()"]}"#;
        match serde_json::from_str(event).unwrap() {
            Event::Done { tolerated: false, outputs } => assert_eq!(outputs.stderr, "x"),
            _ => panic!("not understood"),
        }
    }

    #[test]
    fn only_the_report_profile_writes_in_place() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("vae_core")).unwrap();
        fs::write(dir.path().join("vae_core/Cargo.toml"), "").unwrap();
        let checkout = Checkout::above(dir.path()).unwrap();
        let places = |profile, out: Option<&str>| {
            Places::new(&checkout, &Options { profile, timeout: None, out: out.map(PathBuf::from) }).unwrap()
        };
        let notebooks = checkout.notebooks();
        assert_eq!(places(Profile::Report, None).notebooks, notebooks);
        assert_eq!(places(Profile::Report, None).figures, notebooks.join("figures"));
        assert_eq!(places(Profile::Report, None).partial, notebooks.join("out/report"));
        assert_eq!(places(Profile::Smoke, None).notebooks, notebooks.join("out/smoke"));
        assert_eq!(places(Profile::Quick, None).figures, notebooks.join("out/quick/figures"));
        assert_eq!(places(Profile::Report, Some("/o")).figures, PathBuf::from("/o/figures"));
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(indent("a\nb\nc\n", "> ", 2), "> a\n> b\n> … 1 more lines");
    }
}
