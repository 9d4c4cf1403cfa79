//! What the analyser inside evcxr reads.
//!
//! evcxr finds the types of variables with rust-analyzer, which at each start reads the standard library twice (once before
//! the crate is loaded) and every crate below `vae_core`. That was most of the start and of the memory, and most of it for
//! nothing. Its questions can be answered more shortly, without a change to what is compiled:
//! - The first time it is shown an empty standard library (`RUST_SRC_PATH`): evcxr then only evaluates `42`.
//! - Then one without `std::arch`, three quarters of the sources. (Only a variable of such a type must be annotated.)
//! - When it asks cargo for the packages, by the program in `CARGO_HOME`, a script answers with [`super::packages`].
//!
//! Whatever fails here leaves the analyser with what it would read anyway.
use std::{
    env, fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use crate::tool::{self, quoted};

/// The analyser's folders in a kernel's folder.
pub struct Analyser {
    empty: PathBuf,
    library: Option<PathBuf>,
    cargo: Option<Cargo>,
}

struct Cargo {
    home: PathBuf,
    real: PathBuf,
}

impl Analyser {
    /// Writes them; `libraries` is where the toolchain keeps its compiled libraries. In `target`, because the analyser reads
    /// every other folder there for sources, and follows links.
    pub fn prepare(work: &Path, libraries: Option<&Path>) -> Self {
        let dir = work.join("target/analyser");
        let empty = dir.join("empty");
        let library = libraries.and_then(|l| lean_library(l, &dir.join("library")).ok());
        Self {
            library: library.filter(|_| fs::create_dir_all(empty.join("core")).is_ok()),
            empty,
            cargo: cargo_home(&dir.join("cargo")).ok(),
        }
    }

    /// What evcxr starts with. Without a crate to load it reads the standard library only then.
    pub fn at_start(&self, preload: bool) -> Option<(&'static str, &Path)> {
        let library = self.library.as_deref()?;
        Some(("RUST_SRC_PATH", if preload { &self.empty } else { library }))
    }

    /// evcxr's commands for what follows.
    pub fn commands(&self) -> String {
        let mut lines = String::new();
        if let Some(library) = &self.library {
            lines += &format!(":env RUST_SRC_PATH={}\n", library.display());
        }
        if let Some(Cargo { home, real }) = &self.cargo {
            lines += &format!(":build_env CARGO_HOME={}\n:env CARGO_HOME={}\n", real.display(), home.display());
        }
        lines
    }
}

/// The standard library's sources, by links, without those of `std::arch`.
fn lean_library(libraries: &Path, to: &Path) -> io::Result<PathBuf> {
    let rustlib = libraries.ancestors().nth(2).ok_or(io::ErrorKind::NotFound)?;
    link_all(&rustlib.join("src/rust/library"), to, "stdarch")?;
    if to.join("core/src").is_dir() { Ok(to.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// A cargo home that is the user's, but for the script that stands for cargo.
fn cargo_home(home: &Path) -> io::Result<Cargo> {
    let real = env::var_os("CARGO_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let real = real.or_else(|| Some(env::home_dir()?.join(".cargo"))).ok_or(io::ErrorKind::NotFound)?;
    let cargo = tool::on_path("cargo").ok_or(io::ErrorKind::NotFound)?;
    fs::create_dir_all(home)?;
    link_all(&real, home, "bin").or_else(|e| if real.exists() { Err(e) } else { Ok(()) })?;
    let bin = home.join("bin");
    link_all(&real.join("bin"), &bin, "cargo").or_else(|_| fs::create_dir_all(&bin))?;
    let script = bin.join("cargo");
    let [real_home, cargo, own] = [&real, &cargo, &env::current_exe()?].map(|path| quoted(path));
    let text = format!(
        "#!/bin/sh\n# cargo, for the analyser inside evcxr\nCARGO_HOME={real_home}; export CARGO_HOME\n\
         case $1 in metadata) exec {own} kernel packages {cargo} \"$@\";; esac\nexec {cargo} \"$@\"\n"
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(Cargo { home: home.to_owned(), real })
}

/// Links to everything in `from` but one name.
fn link_all(from: &Path, to: &Path, except: &str) -> io::Result<()> {
    let entries = fs::read_dir(from)?;
    fs::create_dir_all(to)?;
    for entry in entries.flatten().filter(|entry| entry.file_name() != except) {
        let link = to.join(entry.file_name());
        fs::remove_file(&link).ok(); // of an earlier attempt
        symlink(entry.path(), link)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_library_is_linked_without_its_largest_part() {
        let dir = tempfile::tempdir().unwrap();
        let libraries = dir.path().join("rustlib/host/lib");
        fs::create_dir_all(&libraries).unwrap();
        let work = dir.path().join("work");
        assert!(Analyser::prepare(&work, Some(&libraries)).at_start(true).is_none(), "no sources");
        for part in ["core/src", "std/src", "stdarch/crates"] {
            fs::create_dir_all(dir.path().join("rustlib/src/rust/library").join(part)).unwrap();
        }
        let analyser = Analyser::prepare(&work, Some(&libraries));
        let (_, empty) = analyser.at_start(true).unwrap();
        assert_eq!(fs::read_dir(empty.join("core")).unwrap().count(), 0);
        let (_, library) = analyser.at_start(false).unwrap();
        assert!(library.join("std/src").is_dir() && !library.join("stdarch").exists());
        assert!(analyser.commands().contains(&format!(":env RUST_SRC_PATH={}\n", library.display())));
        let again = Analyser::prepare(&work, Some(&libraries));
        assert_eq!(again.commands(), analyser.commands());
    }
}
