//! Executes notebooks headless: starts `execute.py`, judges every cell, checks the promised figures.
use std::{
    env, fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};
use serde::Serialize;

use super::{
    cell_error::strip_ansi,
    figures::{self, Snapshot},
    jupyter::private_jupyter,
    names::Notebook,
    places::{Options, Places, Profile},
    progress::{Run, listen},
};
use crate::{
    checkout::{Checkout, absolute_paths},
    kernel,
    tool::{clock, explain},
};

const EXECUTE: &str = include_str!("execute.py");

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
        let outcome = figures::promised(&notebook.path).and_then(|figures| {
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

/// This program, to execute a notebook into another folder, for what a variable of the environment has it do.
pub fn aside(checkout: &Checkout, notebook: &str, profile: Profile, out: &Path) -> anyhow::Result<Command> {
    let mut rerun = Command::new(env::current_exe()?);
    absolute_paths(&mut rerun)?;
    rerun.current_dir(checkout.root());
    rerun.args(["rerun", notebook, "--profile", profile.name(), "--out"]).arg(out);
    Ok(rerun)
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
    absolute_paths(&mut python)?;
    python.env("VAEB_PROFILE", profile.name()).env("VAEB_FIGURES", figures);
    private_jupyter(checkout, &mut python);
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    python.spawn().context("the Python environment does not start; `cargo notebooks clean` and run again")
}

fn indent(text: &str, margin: &str, most: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let mut out: Vec<String> = lines.iter().take(most).map(|l| format!("{margin}{l}")).collect();
    if lines.len() > most {
        out.push(format!("{margin}… {} more lines", lines.len() - most));
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(indent("a\nb\nc\n", "> ", 2), "> a\n> b\n> … 1 more lines");
    }
}
