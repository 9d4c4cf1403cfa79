//! Files of images as programs write them, cut off, of another kind, or never ending.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::{Compression, write::GzEncoder};
use ndarray::array;
use vae_core::config::Origin;
use vae_core::data::dataset::{DatasetConfig, DatasetKind};
use vae_core::data::{MatImages, Values, labels_from_idx};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn idx_of_other_kinds() {
    for (name, said) in [("float.idx", "holds float32"), ("int32.idx", "holds int32"), ("zero.idx", "holds no images")]
    {
        let text = Values::from_idx(fixture(name)).unwrap_err().to_string();
        assert!(text.contains(said), "{text}");
    }
    // gzip, then zeros to a whole number of blocks
    assert_eq!(labels_from_idx(fixture("padded.idx")).unwrap(), b"abcd");
}

#[test]
fn a_matrix_beside_an_instance_of_a_class() {
    let read = |name| Values::from_mat(fixture("opaque_beside_faces.mat"), name, MatImages::Columns);
    assert_eq!(read("faces").unwrap().0, array![[0u8, 3], [1, 4], [2, 5]].into());
    let text = read("when").unwrap_err().to_string();
    assert!(text.contains("`when` is an instance of a class; save a matrix"), "{text}");
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("images");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let refused = [
        Values::from_idx(&pipe).map(drop),
        Values::from_npy(&pipe).map(drop),
        Values::from_mat(&pipe, "ff", MatImages::Rows).map(drop),
        Origin::file(&pipe).map(drop),
    ];
    for refused in refused {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("a pipe or a device where a regular file is needed"), "{text}");
    }
}

/// Loads Frey Face, says what came of it, in a process of its own.
#[test]
fn loads_faces() {
    if std::env::var_os("LOAD").is_some() {
        match DatasetConfig::new(DatasetKind::FreyFace).load() {
            Ok(data) => println!("loaded: {}", data.summary()),
            Err(error) => println!("refused: {error}"),
        }
    }
}

#[test]
fn a_file_that_was_cut_off_hides_no_good_one() {
    let Some(real) = std::env::var_os("VAEB_DATA").map(|folder| PathBuf::from(folder).join("frey/frey_rawface.mat"))
    else {
        return;
    };
    let Ok(content) = fs::read(&real) else { return };
    let folder = tempfile::tempdir().unwrap();
    let load = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "loads_faces", "--nocapture"]).env("LOAD", "1").env("VAEB_DATA", folder.path());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    fs::create_dir(folder.path().join("frey")).unwrap();
    fs::write(folder.path().join("frey/frey_rawface.mat"), &content[..content.len() / 2]).unwrap();
    assert!(load().contains("truncated"), "{}", load());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&content).unwrap();
    fs::write(folder.path().join("frey_rawface.mat"), gzip.finish().unwrap()).unwrap();
    assert!(load().contains("loaded: Frey Face: 1500 train"), "{}", load());
}
