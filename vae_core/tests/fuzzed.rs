//! What the fuzzers of `vae_core/fuzz` begin with and have found, once more.
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

type Target = fn(&[u8]);

#[test]
fn no_input_of_the_corpus_is_a_panic() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let all: [(&str, Target); 5] = [
        ("idx", targets::idx),
        ("mat", targets::mat),
        ("gz", targets::gz),
        ("config", targets::config),
        ("checkpoint", targets::checkpoint),
    ];
    for (name, target) in all {
        let files: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(!files.is_empty(), "{name}");
        for file in files {
            let bytes = fs::read(file).unwrap();
            target(&bytes);
            // and everything that it is cut off at
            let step = bytes.len().div_ceil(200).max(1);
            (0..bytes.len()).step_by(step).for_each(|end| target(&bytes[..end]));
        }
    }
}

/// The checkpoint's beginning is one: what is fuzzed is behind its door.
#[test]
fn the_checkpoint_of_the_corpus_is_read() {
    let (config, data) = targets::tiny();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/checkpoint/tiny.safetensors");
    assert_eq!(vae_core::train::checkpoint::load(config, data, &path).unwrap().updates(), 1);
}

/// `VAEB_WRITE_CORPUS=1 cargo test -p vae_core --test fuzzed` writes the files that the fuzzers begin with; the checkpoint without its checksum,
/// which every change would break.
#[test]
fn write_the_corpus() {
    if std::env::var_os("VAEB_WRITE_CORPUS").is_none() {
        return;
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let (config, data) = targets::tiny();
    let mut trainer = vae_core::train::Trainer::new(config, data).unwrap();
    trainer.step(data).unwrap();
    fs::create_dir_all(corpus.join("checkpoint")).unwrap();
    let path = corpus.join("checkpoint/tiny.safetensors");
    vae_core::train::checkpoint::save(&trainer, &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..end]).unwrap();
    let meta = header["__metadata__"].as_object_mut().unwrap();
    meta.retain(|name, _| name == "vae_core");
    let mut text = header.to_string();
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    let stored = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &bytes[end..]].concat();
    fs::write(path, stored).unwrap();
    fs::create_dir_all(corpus.join("config")).unwrap();
    fs::write(corpus.join("config/tiny.json"), serde_json::to_string(config).unwrap()).unwrap();
}
