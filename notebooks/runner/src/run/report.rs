//! The report as one PDF and one HTML page: its sources, the committed figures, and every number out of the committed results.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vae_core::runs::{Claim, Number};

use super::names::number_of;
use crate::{checkout::Checkout, tool};

/// What typesets it, by typst's Python package.
const PROGRAM: &str = include_str!("report.py");

/// Of a notebook's committed results, what the text may name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Recorded {
    runs: BTreeMap<String, Value>,
    claims: Vec<Claim>,
    numbers: Vec<Number>,
}

/// What the sources read: a name that is not in here fails the build.
#[derive(Serialize)]
struct Data {
    numbers: BTreeMap<String, Number>,
    claims: Vec<Value>,
    figures: BTreeMap<String, Value>,
}

/// Writes `report.pdf`, `report.html` and, if asked, a PNG of each page to `out`.
///
/// # Errors
/// If the results cannot be read or a number is of runs that they do not hold; what typst says, which names a missing number or figure.
pub fn report(checkout: &Checkout, out: &Path, pages: bool) -> anyhow::Result<()> {
    let notebooks = checkout.notebooks();
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    // beside the sources, whose root it must be below
    let build = notebooks.join("out/report");
    fs::create_dir_all(&build).with_context(|| format!("{} cannot be made", build.display()))?;
    fs::write(build.join("DejaVuSans.ttf"), dejavu::sans::regular())?;
    fs::write(build.join("data.json"), serde_json::to_string(&collect(&notebooks)?)?)?;
    let mut python = Command::new(checkout.venv_bin("python"));
    python.arg("-c").arg(PROGRAM).arg(&notebooks).arg(&build).arg(out);
    tool::run("typesetting the report", python.args(pages.then_some("--pages")))?;
    println!("{} and report.html beside it", out.join("report.pdf").display());
    Ok(())
}

/// Everything that is committed, by name.
fn collect(notebooks: &Path) -> anyhow::Result<Data> {
    let mut data = Data { numbers: BTreeMap::new(), claims: Vec::new(), figures: BTreeMap::new() };
    for file in json_files(&notebooks.join("results"))? {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let recorded: Recorded = read(&file)?;
        let notebook = number_of(&stem);
        for number in recorded.numbers {
            if let Some(run) = number.runs.iter().find(|run| !recorded.runs.contains_key(*run)) {
                bail!(
                    "number {notebook}.{} is of run {run}, which {} does not hold: execute the notebook again, \
                     `cargo notebooks rerun {notebook} --profile report`",
                    number.name,
                    file.display()
                );
            }
            data.numbers.insert(format!("{notebook}.{}", number.name), number);
        }
        for claim in recorded.claims {
            let verdict = claim.verdict.words();
            data.claims.push(json!({"notebook": notebook, "section": claim.section, "claim": claim.claim,
                "report": claim.report, "trace": claim.trace, "ours": claim.ours, "verdict": verdict}));
        }
    }
    for file in json_files(&notebooks.join("figures"))? {
        let figure: Value = read(&file)?;
        let id = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let commit = &figure["provenance"]["git_commit"];
        data.figures.insert(id, json!({"title": figure["title"], "caption": figure["caption"], "commit": commit}));
    }
    Ok(data)
}

/// In the order of their names.
fn json_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn read<T: for<'a> Deserialize<'a>>(file: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not what a notebook writes", file.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_of_other_runs_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("figures")).unwrap();
        fs::create_dir_all(folder.path().join("results")).unwrap();
        let write = |runs: Value| {
            let number = json!({"name": "gap", "text": "1.2", "unit": "nats", "runs": ["abc"], "commit": ""});
            let text = json!({"runs": runs, "derived": {}, "claims": [], "numbers": [number]}).to_string();
            fs::write(folder.path().join("results/04_3_depth.json"), text).unwrap();
        };
        write(json!({"abc": {}}));
        assert_eq!(collect(folder.path()).unwrap().numbers["04_3.gap"].text, "1.2");
        write(json!({}));
        let error = collect(folder.path()).err().unwrap().to_string();
        assert!(error.contains("number 04_3.gap") && error.contains("rerun 04_3 --profile report"), "{error}");
    }
}
