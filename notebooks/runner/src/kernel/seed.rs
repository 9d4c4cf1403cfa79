//! What every kernel would compile anew: `vae_core` and its dependencies, compiled once and kept as the seed.
//!
//! A kernel's folder is filled with hard links to the dependencies' libraries, which nothing ever changes, and with copies
//! of the rest, which cargo rewrites in place. That takes a fraction of a second and a fraction of the seed's size; a kept
//! folder for each kernel that ever ran at the same time would be as fast, but as large as the seed each.
use std::{
    collections::BTreeMap,
    env,
    fmt::Write,
    fs::{self, File, FileTimes},
    io,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::Context;

use super::{PROFILE, launch};
use crate::{checkout::Checkout, fingerprint::fingerprint, tool};

/// Compiles the seed with the environment that a kernel will have, beside something else that compiles.
pub fn prepare(checkout: &Checkout) -> anyhow::Result<()> {
    let (seed, _lock) = locked(checkout, &|_| ())?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    update(checkout, &seed, &PROFILE, cores.div_ceil(2), &|_| ())
}

/// Fills `work` from the seed, which is brought up to date first; `tell` hears if that takes long. False if `vae_core` does not compile.
pub fn fill(checkout: &Checkout, work: &Path, tell: &dyn Fn(&str)) -> anyhow::Result<bool> {
    let (seed, _lock) = locked(checkout, tell)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let compiled = update(checkout, &seed, &[], cores, tell);
    if let Err(error) = &compiled {
        tell(&format!("vae_core does not compile; the kernel starts without it.\n{error:#}"));
    }
    // Its dependencies may, if the crate does not: the cell that loads it is to show the error without compiling them.
    if compiled.is_ok() || seed.join("target").is_dir() {
        copy(&seed.join("target"), &work.join("target"))?;
    }
    Ok(compiled.is_ok())
}

/// The seed's folder, for one process at a time.
fn locked(checkout: &Checkout, tell: &dyn Fn(&str)) -> anyhow::Result<(PathBuf, File)> {
    let base = checkout.kernel_builds();
    let seed = base.join("seed");
    fs::create_dir_all(seed.join("src")).with_context(|| format!("{} cannot be made", seed.display()))?;
    let lock = File::create(base.join("seed.lock")).context("the compiled crate cannot be locked")?;
    if lock.try_lock().is_err() {
        tell("Waiting for another kernel, which compiles vae_core.");
        lock.lock().context("the compiled crate cannot be locked")?;
    }
    Ok((seed, lock))
}

/// Compiles the crate if that is not done, with `environment` beside this process's own.
fn update(
    checkout: &Checkout,
    seed: &Path,
    environment: &[(&str, &str)],
    jobs: usize,
    tell: &dyn Fn(&str),
) -> anyhow::Result<()> {
    let stamp = stamp(checkout, environment)?;
    let stamp_file = seed.join("stamp");
    if fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
        return Ok(());
    }
    fs::remove_file(&stamp_file).ok();
    if seed.join("target").is_dir() {
        tell("vae_core has changed: compiling it (a few seconds).");
    } else {
        tell("Compiling vae_core for the notebooks; this happens once and takes a minute or two.");
    }
    build(checkout, seed, environment, jobs)?;
    fs::write(&stamp_file, stamp).context("the compiled crate cannot be marked as such")
}

/// The very package that evcxr 0.22 writes, compiled with the very flags that it uses, so that cargo finds all fresh there.
fn build(checkout: &Checkout, seed: &Path, environment: &[(&str, &str)], jobs: usize) -> anyhow::Result<()> {
    let manifest = MANIFEST.replace("DEPENDENCY", &format!("vae_core = {}", launch::dependency(checkout)));
    write_if_new(&seed.join("Cargo.toml"), &manifest)
        .and_then(|()| write_if_new(&seed.join("src/lib.rs"), ""))
        .and_then(|()| checkout.copy_lockfile(seed))
        .with_context(|| format!("{} cannot be written", seed.display()))?;
    // `check` too: evcxr asks cargo to check a cell that does not compile, which would take half a minute the first time.
    for action in ["build", "check"] {
        let mut cargo = Command::new("cargo");
        cargo.args([action, "--target", &host()?, "--jobs", &jobs.to_string()]).current_dir(seed);
        tool::forget_cargo_run(&mut cargo);
        cargo
            .envs(environment.iter().copied())
            .env("CARGO_TARGET_DIR", "target")
            .env("CARGO_BUILD_BUILD_DIR", "target")
            .env("RUSTFLAGS", "-Cprefer-dynamic");
        tool::run("compiling vae_core", &mut cargo)?;
    }
    Ok(())
}

const MANIFEST: &str = r#"
[package]
name = "ctx"
version = "1.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]
path = "src/lib.rs"

[profile.dev]
opt-level = 2
debug = false
strip = "debuginfo"
rpath = true
lto = false
debug-assertions = true
codegen-units = 16
panic = 'unwind'
incremental = true
overflow-checks = true

[dependencies]
DEPENDENCY
"#;

fn write_if_new(file: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(file).is_ok_and(|old| old == text) { Ok(()) } else { fs::write(file, text) }
}

fn rustc_version() -> anyhow::Result<String> {
    let answer = Command::new("rustc").arg("-vV").output().context("rustc cannot be started")?;
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

fn host() -> anyhow::Result<String> {
    let version = rustc_version()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what machine it is for")
}

/// Everything that the seed was made from.
fn stamp(checkout: &Checkout, environment: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut text = rustc_version()?;
    let lockfile = fs::read_to_string(checkout.lockfile()).unwrap_or_default();
    text.push_str(&lockfile);
    let mut variables = BTreeMap::new();
    for (name, value) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        // Not RUSTUP_TOOLCHAIN, which `cargo notebooks` has and JupyterLab has not: rustc's version tells as much.
        let flags = ["CARGO_BUILD_RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"];
        if name.starts_with("CARGO_PROFILE_") || flags.contains(&name.as_str()) {
            variables.insert(name, value.to_string_lossy().into_owned());
        }
    }
    variables.extend(environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    for (name, value) in variables {
        writeln!(text, "{name}={value}")?;
    }
    let crate_dir = checkout.root().join("vae_core");
    let mut entries = vec![crate_dir.join("Cargo.toml"), crate_dir.join("src"), crate_dir.join("build.rs")];
    entries.extend(["data", "assets", "fonts"].map(|d| crate_dir.join(d)));
    let mut files = Vec::new();
    while let Some(path) = entries.pop() {
        let Ok(data) = path.metadata() else { continue };
        if data.is_dir() {
            entries.extend(fs::read_dir(&path)?.flatten().map(|e| e.path()));
        } else {
            files.push(format!("{} {} {:?}\n", path.display(), data.len(), data.modified().ok()));
        }
    }
    files.sort();
    Ok(fingerprint(&(text + &files.concat())))
}

/// Links what nothing changes, copies the rest with its times, which cargo compares.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy_tree(from, to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            if entry.file_name() != "incremental" {
                copy_tree(&source, &target)?;
            }
        } else if !(is_constant(&source) && fs::hard_link(&source, &target).is_ok()) {
            fs::copy(&source, &target)?; // shares its blocks where the file system can
            let modified = entry.metadata()?.modified()?;
            File::options().write(true).open(&target)?.set_times(FileTimes::new().set_modified(modified))?;
        }
    }
    Ok(())
}

/// Libraries of the dependencies. Their names contain a hash of all that they are made from; those of `vae_core` do not.
fn is_constant(file: &Path) -> bool {
    let library = file.extension().is_some_and(|e| ["rlib", "rmeta", "so", "dylib"].iter().any(|l| e == *l));
    let name = file.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
    library && name.contains('-') && !name.contains("vae_core") && !name.starts_with("libctx")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dependencies_are_linked_and_the_rest_is_copied_with_its_times() {
        let dir = tempfile::tempdir().unwrap();
        let (seed, work) = (dir.path().join("seed"), dir.path().join("work"));
        for file in [
            "debug/deps/libndarray-0a.rlib",
            "debug/deps/libvae_core-0b.rlib",
            "debug/.fingerprint/x/hash",
            "debug/incremental/i",
        ] {
            fs::create_dir_all(seed.join(file).parent().unwrap()).unwrap();
            fs::write(seed.join(file), "seed").unwrap();
        }
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let own = "debug/deps/libvae_core-0b.rlib";
        File::options().write(true).open(seed.join(own)).unwrap().set_modified(long_ago).unwrap();
        copy(&seed, &work).unwrap();
        assert_eq!(work.join(own).metadata().unwrap().modified().unwrap(), long_ago);
        fs::write(work.join(own), "changed by a kernel").unwrap();
        fs::write(work.join("debug/.fingerprint/x/hash"), "changed by a kernel").unwrap();
        assert_eq!(fs::read_to_string(seed.join(own)).unwrap(), "seed");
        assert_eq!(fs::read_to_string(seed.join("debug/.fingerprint/x/hash")).unwrap(), "seed");
        assert!(!work.join("debug/incremental").exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(work.join("debug/deps/libndarray-0a.rlib").metadata().unwrap().nlink(), 2);
        }
    }

    #[test]
    fn the_stamp_follows_the_sources() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("vae_core/src")).unwrap();
        fs::write(dir.path().join("vae_core/Cargo.toml"), "").unwrap();
        let checkout = Checkout::above(dir.path()).unwrap();
        let before = stamp(&checkout, &[]).unwrap();
        assert_eq!(stamp(&checkout, &[]).unwrap(), before);
        assert_ne!(stamp(&checkout, &[("CARGO_PROFILE_DEV_OPT_LEVEL", "1")]).unwrap(), before);
        fs::write(dir.path().join("vae_core/src/lib.rs"), "pub fn f() {}").unwrap();
        assert_ne!(stamp(&checkout, &[]).unwrap(), before);
        fs::write(dir.path().join("Cargo.lock"), "x").unwrap();
        let after = stamp(&checkout, &[]).unwrap();
        assert_ne!(after, before);
    }
}
