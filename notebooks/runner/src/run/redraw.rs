//! Committed figures for someone else's paper: drawn again from the stored results, for a page of another width.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use super::{
    names::{self, Notebook},
    places::Profile,
    rerun::aside,
};
use crate::{checkout::Checkout, tool};

/// What makes a PDF of a drawing, by typst's Python package, as for the report.
const PROGRAM: &str = include_str!("redraw.py");

/// What is wanted.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Figures by their ids: `03_faces`
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// How wide the page's column is: `85mm`, `8.5cm`, `3.35in`
    #[arg(long, value_name = "WIDTH", value_parser = parse_width)]
    width: f64,
    /// File formats
    #[arg(long, value_enum, value_delimiter = ',', default_value = "pdf")]
    format: Vec<Format>,
    /// Where the files go [default: notebooks/out/figures]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// From which profile's results
    #[arg(long, value_enum, default_value = "report")]
    profile: Profile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Svg,
    Png,
    Pdf,
}

/// Millimetres.
fn parse_width(text: &str) -> Result<f64, String> {
    let units = [("mm", 1.0), ("cm", 10.0), ("in", 25.4), ("pt", 25.4 / 72.0)];
    let parsed = units.iter().find_map(|(unit, mm)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * mm));
    parsed
        .filter(|mm| (10.0..=2000.0).contains(mm))
        .ok_or_else(|| format!("{text:?} is no width of a page: write 85mm"))
}

/// Executes the notebooks that draw these figures, on their stored results, and takes the drawings.
///
/// # Errors
/// A figure that no notebook draws, or that would not be readable; those of the notebooks and of the files.
pub fn redraw(checkout: &Checkout, options: &Options) -> anyhow::Result<()> {
    let notebooks = names::available(&checkout.notebooks())?;
    let committed = checkout.notebooks().join("figures");
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in &options.ids {
        let Some(notebook) = drawn_by(id, &notebooks).filter(|_| committed.join(format!("{id}.json")).exists()) else {
            bail!("{id:?} is none of the figures in {}; name one without its extension", committed.display());
        };
        wanted.entry(notebook.number()).or_default().push(id);
    }
    let scratch = checkout.out().join("redrawn");
    let out = std::path::absolute(options.out.clone().unwrap_or_else(|| checkout.out().join("figures")))?;
    fs::create_dir_all(&out).with_context(|| format!("{} cannot be made", out.display()))?;
    for (notebook, ids) in &wanted {
        println!("{notebook}: {} at {:.1} mm", ids.join(", "), options.width);
        let mut rerun = aside(checkout, notebook, options.profile, &scratch)?;
        rerun.env("VAEB_REDRAW", format!("{}mm:{}", options.width, ids.join(",")));
        let output = rerun.stdin(Stdio::null()).output().context("the notebook cannot be executed")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        for id in ids {
            for format in &options.format {
                println!("{}", take(checkout, &scratch.join("figures"), id, *format, &out)?.display());
            }
        }
    }
    Ok(())
}

/// The notebook whose number the id begins with.
fn drawn_by<'a>(id: &str, notebooks: &'a [Notebook]) -> Option<&'a Notebook> {
    let begins = |notebook: &&Notebook| id.strip_prefix(notebook.number()).is_some_and(|rest| rest.starts_with('_'));
    notebooks.iter().filter(begins).max_by_key(|notebook| notebook.number().len())
}

fn take(checkout: &Checkout, from: &Path, id: &str, format: Format, out: &Path) -> anyhow::Result<PathBuf> {
    let extension = match format {
        Format::Svg => "svg",
        Format::Png => "png",
        Format::Pdf => "pdf",
    };
    let target = out.join(format!("{id}.{extension}"));
    if format == Format::Pdf {
        fs::write(from.join("DejaVuSans.ttf"), dejavu::sans::regular())?;
        let mut python = Command::new(checkout.venv_bin("python"));
        tool::run("making a PDF", python.arg("-c").arg(PROGRAM).args([&from.join(format!("{id}.svg")), &target]))?;
    } else {
        let source = from.join(format!("{id}.{extension}"));
        fs::copy(&source, &target).with_context(|| format!("{} cannot be written", target.display()))?;
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_figure_is_of_the_notebook_that_its_id_begins_with() {
        let names = ["03_variational_autoencoder", "04_1_manifolds", "04_2_samples"];
        let notebooks = names.map(|name| Notebook { name: name.into(), path: PathBuf::new() });
        assert_eq!(drawn_by("04_2_heatmaps", &notebooks).unwrap().name, names[2]);
        assert!(drawn_by("04_heatmaps", &notebooks).is_none() && drawn_by("03", &notebooks).is_none());
    }

    #[test]
    fn widths_have_units() {
        assert_eq!(parse_width("85mm"), Ok(85.0));
        assert_eq!(parse_width("8.5 cm"), Ok(85.0));
        assert_eq!(parse_width("1in"), Ok(25.4));
        for wrong in ["85", "mm", "-3mm", "3mm", "1e9mm", "NaNmm"] {
            assert!(parse_width(wrong).unwrap_err().contains("85mm"), "{wrong}");
        }
    }
}
