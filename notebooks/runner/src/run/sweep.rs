//! The runs of a notebook, or of a list, without the notebook: on this machine, or part by part on several.
use std::{
    env, fs,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};
use vae_core::Error;
use vae_core::config::Grid;
use vae_core::live::Screen;
use vae_core::runs::RunStore;

use super::names;
use crate::{
    checkout::{Checkout, absolute_paths},
    run::places::Profile,
    say,
};

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
        let Some(grid) = ask(checkout, notebook.number(), options.profile)? else {
            eprintln!("{}: every run is stored", notebook.name);
            return Ok(ExitCode::SUCCESS);
        };
        let code = act(&grid, options)?;
        if options.list || options.part.slice.is_some() || options.part.index.is_some() || code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
}

/// What a notebook asks for and does not get; none if it has all.
fn ask(checkout: &Checkout, notebook: &str, profile: Profile) -> anyhow::Result<Option<Grid>> {
    let folder = checkout.out().join("sweep");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let list = folder.join("runs.json");
    if list.exists() {
        fs::remove_file(&list)?;
    }
    let mut rerun = Command::new(env::current_exe()?);
    absolute_paths(&mut rerun)?;
    rerun.current_dir(checkout.root()).env("VAEB_LIST", &list);
    rerun.args(["rerun", notebook, "--profile", profile.name(), "--out"]).arg(&folder);
    let output = rerun.output().context("the notebook cannot be executed")?;
    match (list.exists(), output.status.success()) {
        (true, _) => Ok(Some(Grid::read(&list)?)),
        (false, true) => Ok(None),
        (false, false) => bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
    }
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
    fn parts_are_counted_from_one() {
        assert_eq!(parse_slice("3/12").unwrap(), (3, 12));
        for wrong in ["0/2", "3/2", "3", "a/b"] {
            assert!(parse_slice(wrong).unwrap_err().contains("3/12"));
        }
    }
}
