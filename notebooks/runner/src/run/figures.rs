//! The figures that a notebook promises, and whether a run has written them.
use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, bail};
use serde::Deserialize;

/// The figures that a notebook promises in its metadata: `"vae_core": {"figures": ["id", …]}`.
pub fn promised(notebook: &Path) -> anyhow::Result<Vec<String>> {
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
pub struct Snapshot(Vec<(PathBuf, Option<SystemTime>)>);

impl Snapshot {
    /// Now.
    pub fn take(dir: &Path, figures: &[String]) -> Self {
        let files = figures.iter().flat_map(|id| ["svg", "png", "json"].map(|e| dir.join(format!("{id}.{e}"))));
        Self(files.map(|f| (f.clone(), written(&f))).collect())
    }

    /// Every promised file is there, has content, and was written since.
    pub fn check(&self) -> anyhow::Result<()> {
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
    #![allow(clippy::unwrap_used)]
    use std::{thread, time::Duration};

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
        assert_eq!(promised(&file).unwrap(), ["a", "b"]);
        fs::write(&file, r#"{"metadata": {}, "cells": []}"#).unwrap();
        assert!(promised(&file).unwrap().is_empty());
        fs::write(&file, "not json").unwrap();
        assert!(promised(&file).is_err());
    }
}
