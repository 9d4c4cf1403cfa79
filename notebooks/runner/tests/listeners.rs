//! The program with nobody to hear it.
#![allow(clippy::unwrap_used)]
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Output, Stdio},
};

fn notebooks(checkout: &Path, args: &[&str], stdout: impl Into<Stdio>) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_notebooks"));
    program.args(args).current_dir(checkout).stdout(stdout).stderr(Stdio::piped()).output().unwrap()
}

/// A pipe whose reading end is closed.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

fn checkout() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("vae_core")).unwrap();
    fs::write(dir.path().join("vae_core/Cargo.toml"), "").unwrap();
    dir
}

#[test]
fn clean_does_its_work_unheard() {
    for stdout in [closed, full] {
        let dir = checkout();
        fs::create_dir_all(dir.path().join(".venv")).unwrap();
        fs::write(dir.path().join(".venv/x"), "12345").unwrap();
        let output = notebooks(dir.path(), &["clean"], stdout());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!dir.path().join(".venv").exists());
    }
}

#[test]
fn a_list_ends_with_its_reader_and_is_not_lost_on_a_full_disk() {
    let dir = checkout();
    let list = dir.path().join("runs.json");
    fs::write(&list, r#"[]"#).unwrap();
    let args = ["sweep", list.to_str().unwrap(), "--list"];
    let heard = notebooks(dir.path(), &args, Stdio::piped());
    assert!(heard.status.success() && !heard.stdout.is_empty(), "{}", String::from_utf8_lossy(&heard.stderr));
    let output = notebooks(dir.path(), &args, closed());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = notebooks(dir.path(), &args, full());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("No space left"), "{said}");
}
