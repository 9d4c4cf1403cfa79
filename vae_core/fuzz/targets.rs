//! What a reader does with bytes from anywhere: it answers or refuses, without a panic and without memory that the bytes only announce.
//!
//! Used by the fuzzers here and, with what they found (`corpus/`), by `tests/fuzzed.rs`.
#![allow(dead_code)] // each fuzzer needs one

use std::path::PathBuf;
use std::sync::LazyLock;

use vae_core::config::{Budget, RunConfig};
use vae_core::data::files::read_bounded;
use vae_core::data::{Dataset, DatasetConfig, DatasetKind, Limit, idx as idx_files, mat as mat_files};
use vae_core::train::checkpoint as checkpoints;

/// An IDX file.
pub fn idx(bytes: &[u8]) {
    if let Ok(found) = idx_files::parse(bytes, "fuzzed") {
        assert_eq!(found.dims.iter().product::<usize>(), found.data.len());
    }
}

/// A MATLAB file.
pub fn mat(bytes: &[u8]) {
    drop(mat_files::parse(bytes, "fuzzed", "ff", 1 << 20));
}

/// A file that may be compressed: never more than the limit of it.
pub fn gz(bytes: &[u8]) {
    if let Ok(found) = in_file("gz", bytes, |path| read_bounded(path, 1 << 16)) {
        assert!(found.len() <= 1 << 16);
    }
}

/// A configuration: what is accepted is written, read again and hashed alike.
pub fn config(bytes: &[u8]) {
    let Ok(config) = serde_json::from_slice::<RunConfig>(bytes) else { return };
    let accepted = config.validate(784).is_ok();
    let again = serde_json::to_string(&config).ok().and_then(|text| serde_json::from_str::<RunConfig>(&text).ok());
    if accepted {
        assert_eq!(again.map(|c| c.hash()), Some(config.hash()), "{config:?}");
    }
}

/// A checkpoint of a tiny model.
pub fn checkpoint(bytes: &[u8]) {
    let (config, data) = tiny();
    drop(in_file("checkpoint", bytes, |path| checkpoints::load(config, data, path)));
}

/// The tiny model's configuration, and its data.
pub fn tiny() -> &'static (RunConfig, Dataset) {
    static TINY: LazyLock<(RunConfig, Dataset)> = LazyLock::new(|| {
        let limit = Some(Limit { train: 20, eval: 2 });
        let mut config =
            RunConfig::report(DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) }).latent(1);
        (config.model.encoder, config.model.decoder) = (vec![1], vec![1]);
        (config.batch, config.budget) = (10, Budget::Epochs(2));
        let Ok(data) = config.data.load() else { unreachable!("synthetic digits need no file") };
        (config, data)
    });
    &TINY
}

/// `f` of a file of these bytes, which is removed again.
fn in_file<T>(name: &str, bytes: &[u8], f: impl FnOnce(&std::path::Path) -> T) -> T {
    let path: PathBuf = std::env::temp_dir().join(format!("vae_core-fuzz-{name}-{}", std::process::id()));
    let written = std::fs::write(&path, bytes);
    assert!(written.is_ok(), "{written:?}");
    let found = f(&path);
    drop(std::fs::remove_file(&path));
    found
}
