//! Which notebooks there are, and which of them the user means.
use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// A notebook: its file and its name without `.ipynb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notebook {
    /// The file.
    pub path: PathBuf,
    /// `03_variational_autoencoder`
    pub name: String,
}

impl Notebook {
    /// The number in front: `03`, `04_1`.
    pub fn number(&self) -> &str {
        number_of(&self.name)
    }
}

/// "04_3" of `04_3_encoder_depth`.
pub fn number_of(name: &str) -> &str {
    let end = name.find(|c: char| c != '_' && !c.is_ascii_digit()).unwrap_or(name.len());
    name[..end].trim_end_matches('_')
}

/// All `[0-9]*.ipynb` of `dir`, in order.
pub fn available(dir: &Path) -> anyhow::Result<Vec<Notebook>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        if path.extension().is_some_and(|e| e == "ipynb") && name.starts_with(|c: char| c.is_ascii_digit()) {
            found.push(Notebook { path, name });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if found.is_empty() {
        bail!("there is no notebook in {}", dir.display());
    }
    Ok(found)
}

/// The notebooks that `wanted` names (all if none), in order and once each.
pub fn select(all: &[Notebook], wanted: &[String]) -> anyhow::Result<Vec<Notebook>> {
    if wanted.is_empty() {
        return Ok(all.to_vec());
    }
    let mut chosen = vec![false; all.len()];
    for word in wanted {
        let word = Path::new(word).file_name().and_then(|s| s.to_str()).unwrap_or(word);
        let word = word.strip_suffix(".ipynb").unwrap_or(word);
        let exact = all.iter().position(|n| n.name == word);
        let matches: Vec<usize> = match exact {
            Some(i) => vec![i],
            None => (0..all.len()).filter(|&i| all[i].number() == word).collect(),
        };
        if matches.is_empty() {
            let list: Vec<&str> = all.iter().map(|n| n.name.as_str()).collect();
            bail!("there is no notebook `{word}`; there are: {}", list.join(", "));
        }
        matches.into_iter().for_each(|i| chosen[i] = true);
    }
    Ok(all.iter().zip(chosen).filter(|(_, c)| *c).map(|(n, _)| n.clone()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn notebooks() -> Vec<Notebook> {
        ["00_tour", "03_variational_autoencoder", "04_1_manifolds", "04_2_samples"]
            .map(|n| Notebook { path: format!("notebooks/{n}.ipynb").into(), name: n.into() })
            .to_vec()
    }

    fn picked(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|w| w.to_string()).collect();
        select(&notebooks(), &words).unwrap().into_iter().map(|n| n.name).collect()
    }

    #[test]
    fn numbers() {
        assert_eq!(notebooks().iter().map(Notebook::number).collect::<Vec<_>>(), ["00", "03", "04_1", "04_2"]);
    }

    #[test]
    fn every_spelling_means_the_same() {
        for word in [
            "03",
            "03_variational_autoencoder",
            "03_variational_autoencoder.ipynb",
            "notebooks/03_variational_autoencoder.ipynb",
        ] {
            assert_eq!(picked(&[word]), ["03_variational_autoencoder"], "{word}");
        }
        assert_eq!(picked(&["04_1"]), ["04_1_manifolds"]);
    }

    #[test]
    fn all_when_none_is_named_and_no_duplicates() {
        assert_eq!(picked(&[]).len(), 4);
        assert_eq!(picked(&["04_1", "00", "00_tour"]), ["00_tour", "04_1_manifolds"]);
    }

    #[test]
    fn an_unknown_name_lists_what_exists() {
        let error = select(&notebooks(), &["05".into()]).unwrap_err().to_string();
        assert!(error.contains("`05`") && error.contains("00_tour, 03_variational_autoencoder"), "{error}");
    }

    #[test]
    fn only_numbered_notebooks_are_available() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["04_b.ipynb", "00_a.ipynb", "scratch.ipynb", "01_notes.md"] {
            std::fs::write(dir.path().join(file), "{}").unwrap();
        }
        let names: Vec<String> = available(dir.path()).unwrap().into_iter().map(|n| n.name).collect();
        assert_eq!(names, ["00_a", "04_b"]);
    }
}
