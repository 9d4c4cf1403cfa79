//! The runs of a notebook, or of a list, without the notebook: on this machine, or part by part on several.
use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
    process::{Command, ExitCode, Output, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use vae_core::Error;
use vae_core::config::Grid;
use vae_core::kernel::Training;
use vae_core::live::Screen;
use vae_core::runs::RunStore;

use super::{names, places::Profile, rerun::aside};
use crate::{checkout::Checkout, say};

/// Interrupted, with checkpoints: to be started again. It is sysexits' EX_TEMPFAIL, which queues know.
const AGAIN: u8 = 75;

/// Which part of a list.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(multiple = false)]
pub struct Part {
    /// Only part I of N, counted from 1
    #[arg(long, value_name = "I/N", value_parser = parse_slice)]
    slice: Option<(usize, usize)>,
    /// Only run I of the list, counted from 1
    #[arg(long, value_name = "I")]
    index: Option<usize>,
}

/// What is to be done.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// A notebook (`05`), or a list of runs (`runs.json`)
    #[arg(value_name = "NOTEBOOK|FILE.json", required_unless_present = "merge")]
    what: Option<String>,
    #[command(flatten)]
    part: Part,
    /// Write the list of missing runs to standard output as JSON, and train nothing
    #[arg(long)]
    list: bool,
    /// First take over the finished runs of these stores, each checked; what is here stays
    #[arg(long, value_name = "DIR", num_args = 1..)]
    merge: Vec<PathBuf>,
    /// For a notebook: of which profile
    #[arg(long, value_enum, default_value = "report")]
    profile: Profile,
}

fn parse_slice(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    parts.filter(|&(i, n)| 1 <= i && i <= n).ok_or_else(|| format!("{text:?} is no part: write 3/12"))
}

/// Trains what is missing; 75 if it was interrupted.
///
/// # Errors
/// Those of the runs, of the notebook or of the files.
pub fn sweep(checkout: &Checkout, options: &Options) -> anyhow::Result<ExitCode> {
    let store = RunStore::open();
    for folder in &options.merge {
        let merged = store.merge(&RunStore::at(folder))?;
        eprintln!("{}: {} runs taken over, {} were here", folder.display(), merged.taken, merged.known);
    }
    let Some(what) = &options.what else { return Ok(ExitCode::SUCCESS) };
    if what.ends_with(".json") {
        let grid = Grid::read(what)?;
        return act(&grid, options);
    }
    let notebook = names::select(&names::available(&checkout.notebooks())?, std::slice::from_ref(what))?;
    let [notebook] = &notebook[..] else { bail!("{what:?} are several notebooks: name one") };
    // a notebook asks for more when it has seen the first
    loop {
        let grid = match ask(checkout, notebook.number(), options.profile)? {
            Answer::Wants(grid) => grid,
            Answer::HasAll => {
                eprintln!("{}: every run is stored", notebook.name);
                return Ok(ExitCode::SUCCESS);
            }
            Answer::Interrupted => {
                eprintln!("{}: interrupted before it had asked for all; what is trained is stored", notebook.name);
                return Ok(ExitCode::from(AGAIN));
            }
        };
        let code = act(&grid, options)?;
        if options.list || options.part.slice.is_some() || options.part.index.is_some() || code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
}

/// What a notebook says that is executed without training.
enum Answer {
    Wants(Grid),
    HasAll,
    Interrupted,
}

/// What a notebook asks for and does not get.
fn ask(checkout: &Checkout, notebook: &str, profile: Profile) -> anyhow::Result<Answer> {
    let folder = checkout.out().join("sweep");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let list = folder.join("runs.json");
    if list.exists() {
        fs::remove_file(&list)?;
    }
    let mut rerun = aside(checkout, notebook, profile, &folder)?;
    rerun.env("VAEB_LIST", &list);
    let Some(output) = output_unless_interrupted(rerun).context("the notebook cannot be executed")? else {
        return Ok(Answer::Interrupted);
    };
    match (list.exists(), output.status.success()) {
        (true, _) => Ok(Answer::Wants(Grid::read(&list)?)),
        (false, true) => Ok(Answer::HasAll),
        (false, false) => bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}

/// What a program says to its end, or none if SIGINT comes first, which ends it.
fn output_unless_interrupted(mut command: Command) -> io::Result<Option<Output>> {
    let asking = Training::begin();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut said = child.stderr.take();
    let listener = thread::spawn(move || {
        let mut stderr = Vec::new();
        said.as_mut().map_or(Ok(0), |pipe| pipe.read_to_end(&mut stderr)).map(|_| stderr)
    });
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if asking.interrupted() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(50));
    };
    if asking.interrupted() {
        return Ok(None);
    }
    let stderr = listener.join().map_err(|_| io::Error::other("nobody listened"))??;
    Ok(Some(Output { status, stdout: Vec::new(), stderr }))
}

/// Lists or trains a part.
fn act(grid: &Grid, options: &Options) -> anyhow::Result<ExitCode> {
    let grid = match (options.part.slice, options.part.index) {
        (Some((part, parts)), _) => grid.slice(part, parts)?,
        (_, Some(index)) => grid.slice(index, grid.runs.len().max(1))?,
        _ => grid.clone(),
    };
    if options.list {
        return say::out(&grid.to_json()?);
    }
    match RunStore::open().watched_by(Screen::default()).run_grid(&grid) {
        Ok(runs) => {
            eprintln!("{} runs are stored", runs.len());
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ Error::Interrupted { .. }) => {
            eprintln!("{error}");
            Ok(ExitCode::from(AGAIN))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_interrupt_ends_the_program_that_is_waited_for() {
        let begun = std::time::Instant::now();
        let of = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            output_unless_interrupted(command).unwrap()
        };
        assert_eq!(of("echo no >&2; exit 3").unwrap().stderr, b"no\n");
        // the shell interrupts this process, as a queue does, and goes on
        assert!(of("kill -INT $PPID; exec sleep 60").is_none());
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn parts_are_counted_from_one() {
        assert_eq!(parse_slice("3/12").unwrap(), (3, 12));
        for wrong in ["0/2", "3/2", "3", "a/b"] {
            assert!(parse_slice(wrong).unwrap_err().contains("3/12"));
        }
    }
}
