//! `cargo notebooks`: sets up the Rust kernel and JupyterLab inside the checkout, executes the notebooks headless, opens
//! them in JupyterLab.
#[macro_use]
mod say;
mod checkout;
mod data;
mod fingerprint;
mod kernel;
mod run;
mod setup;
mod tool;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    checkout::Checkout,
    run::{names, places},
    setup::install,
};

const LONG_ABOUT: &str = "\
Runs the notebooks of this repository with the Rust kernel evcxr, from a fresh checkout, with one command.

What is missing is set up first, once: a Python environment with JupyterLab and the kernel, all in `.venv/` inside the
checkout (about 220 MB; the kernel is compiled, which takes about 7 minutes). Nothing is written to your home directory,
and your own Jupyter or kernel is not touched. `environment.md` has the details.

  cargo notebooks rerun                     execute all notebooks on the quick profile
  cargo notebooks rerun 03 --profile smoke  only notebook 03, in seconds, on embedded data
  cargo notebooks lab                       open them in JupyterLab";

/// Set up, execute and open the notebooks of this repository
#[derive(Parser)]
#[command(name = "notebooks", bin_name = "cargo notebooks", version, about, long_about = LONG_ABOUT)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Execute notebooks from top to bottom with the real kernel and export their figures
    ///
    /// A cell fails on a compile error, a panic (in another thread, too), an error returned through `?`, an `Err` as its
    /// value, or the end of its program (a cell tagged `raises-exception` may do all that).
    /// Then the notebook as far as it got is kept as NAME.failed.ipynb, the other notebooks still run, and the exit
    /// status is 1. It is also a failure if a figure that a notebook promises (in its metadata) is missing, empty or
    /// was not written by this run.
    Rerun {
        /// Notebooks to execute: `03`, `03_variational_autoencoder` or with `.ipynb` [default: all]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// How much work: smoke (embedded data, seconds), quick (a minute or two each), report (the published numbers)
        ///
        /// smoke and quick write to `notebooks/out/<profile>/`; report replaces the committed notebooks and figures.
        #[arg(long, value_enum, default_value = "quick")]
        profile: places::Profile,
        /// Give up on a cell after so many seconds [default: 900 smoke, 3600 quick, none report]
        #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
        timeout: Option<u64>,
        /// Write the notebooks to DIR and the figures to DIR/figures instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Train what a notebook or a list of runs asks for, or a part of it, without the notebook
    ///
    /// Any part can be started again: what is stored is not made twice, what was cut off goes on from its checkpoint. The exit
    /// status is 0 if all of it is stored, 75 if it was interrupted. `notebooks/cluster/README.md`: Slurm, GNU parallel, HyperQueue.
    Sweep(run::sweep::Options),
    /// Typeset the report as PDF and HTML from the committed results (seconds)
    ///
    /// Sources: `notebooks/report/`. A number, claim or figure that they name and that is not committed ends the build.
    Report {
        /// Where report.pdf and report.html go [default: notebooks/out/report]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Write each page as a PNG, too
        #[arg(long)]
        pages: bool,
    },
    /// Draw committed figures again for a page of another width, with text that can be read there
    ///
    /// `cargo notebooks figures 03_faces 04_2_grid --width 85mm --format pdf,png`. Executes the notebooks of these figures on their
    /// stored results (a minute or two each); what is committed stays as it is.
    Figures(run::redraw::Options),
    /// Open JupyterLab on the notebooks, reachable from this machine only, protected by its token
    Lab {
        /// Handed on to `jupyter lab`, for example `-- --no-browser --port 9999`
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Only set up what `rerun` and `lab` need
    Setup,
    /// Download the real data sets (without them the notebooks use embedded, synthetic data)
    Fetch {
        /// Data sets to download [default: all]
        #[arg(value_enum, value_name = "SET")]
        sets: Vec<data::Set>,
    },
    /// Test the real kernel: Jupyter's protocol, errors, Interrupt, left-overs, times (a few minutes)
    CheckKernel {
        /// Also open JupyterLab in this Chromium and use it as a reader would
        #[arg(long, value_name = "CHROMIUM")]
        browser: Option<PathBuf>,
        /// Only tests whose name contains WORD
        #[arg(value_name = "WORD")]
        only: Vec<String>,
    },
    /// Install the kernel for your own JupyterLab, VS Code or JupyterHub, or remove it
    ///
    /// `rerun` and `lab` need neither: they find it in the checkout.
    Kernel {
        #[command(subcommand)]
        action: KernelAction,
    },
    /// Remove what this program set up and built; data and committed notebooks stay
    Clean,
}

#[derive(Subcommand)]
enum KernelAction {
    /// Make the kernel "Rust (vae_core)" known to Jupyter (sets up what is missing first)
    Install(install::Place),
    /// Remove it from where `install` with the same option put it
    Uninstall(install::Place),
    /// Be the kernel (this is what Jupyter starts)
    #[command(hide = true)]
    Run {
        /// The repository
        #[arg(long)]
        checkout: PathBuf,
        /// The program evcxr_jupyter
        #[arg(long)]
        evcxr: PathBuf,
        /// Jupyter's connection file
        connection_file: PathBuf,
    },
    /// Tell evcxr's analyser what packages there are
    #[command(hide = true)]
    Packages {
        /// The program cargo
        cargo: PathBuf,
        /// What the analyser asks it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// End what a killed kernel has left (this is what the kernel starts)
    #[command(hide = true)]
    Guard {
        /// The kernel's folders
        folders: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Kernel { action: KernelAction::Run { checkout, evcxr, connection_file } } => {
            kernel::engine::serve(&Checkout::above(&checkout)?, &evcxr, &connection_file)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Kernel { action: KernelAction::Guard { folders } } => {
            kernel::guard::guard(&folders);
            Ok(ExitCode::SUCCESS)
        }
        Command::Kernel { action: KernelAction::Packages { cargo, args } } => kernel::packages::answer(&cargo, &args),
        command => in_checkout(command),
    }
}

/// Everything that works in the checkout around the current folder.
fn in_checkout(command: Command) -> anyhow::Result<ExitCode> {
    let checkout = Checkout::find()?;
    match command {
        Command::Rerun { names, profile, timeout, out } => {
            let selected = names::select(&names::available(&checkout.notebooks())?, &names)?;
            setup::ensure(&checkout)?;
            let timeout = timeout.map(Duration::from_secs).or_else(|| profile.default_timeout());
            let all_well = run::rerun::rerun(&checkout, &selected, &places::Options { profile, timeout, out })?;
            return Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Sweep(options) => return run::sweep::sweep(&checkout, &options),
        Command::Report { out, pages } => {
            setup::ensure(&checkout)?;
            let out = out.unwrap_or_else(|| checkout.out().join("report"));
            run::report::report(&checkout, &std::path::absolute(out)?, pages)?;
        }
        Command::Figures(options) => {
            setup::ensure(&checkout)?;
            run::redraw::redraw(&checkout, &options)?;
        }
        Command::Lab { args } => {
            setup::ensure(&checkout)?;
            run::lab::lab(&checkout, &args)?;
        }
        Command::Setup => {
            setup::ensure(&checkout)?;
            println!("Everything is set up in {}.", checkout.venv().display());
        }
        Command::Fetch { sets } => data::fetch(&checkout.data(), &sets)?,
        Command::CheckKernel { browser, only } => {
            setup::ensure(&checkout)?;
            run::check::check(&checkout, browser.as_deref(), &only)?;
        }
        Command::Kernel { action: KernelAction::Install(place) } => {
            setup::ensure(&checkout)?;
            install::install(&checkout, &place)?;
        }
        Command::Kernel { action: KernelAction::Uninstall(place) } => install::uninstall(&place)?,
        Command::Kernel { .. } => {} // done above
        Command::Clean => setup::clean::clean(&checkout)?,
    }
    Ok(ExitCode::SUCCESS)
}
