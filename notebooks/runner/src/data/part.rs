//! The unfinished file of a download, `<name>.part` beside its destination.
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};

/// The unfinished file, locked against a second download.
pub struct Part {
    /// Its own place.
    pub path: PathBuf,
    file: File,
}

impl Part {
    /// Opens the part of `destination`, with what an earlier download left in it.
    pub fn open(destination: &Path) -> Result<Self> {
        let mut path = destination.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let file = File::options()
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => bail!("{} is being downloaded by another process", path.display()),
            // File systems without locks: verification still catches a mix.
            Err(fs::TryLockError::Error(_)) | Ok(()) => Ok(Self { path, file }),
        }
    }

    /// Bytes so far.
    pub fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|error| self.local("read", error))?.len())
    }

    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| self.local("write", error))
    }

    /// Begins anew.
    pub fn clear(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|error| self.local("truncate", error))
    }

    /// Gives it its final name.
    pub fn install(self, destination: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| self.local("save", error))?;
        fs::rename(&self.path, destination).map_err(|error| self.local("rename", error))?;
        // Makes the new name durable; not every system lets a folder be synchronised.
        if let Some(folder) = destination.parent() {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        eprintln!("{}: verified", destination.display());
        Ok(())
    }

    /// Leaves nothing behind where nothing came.
    pub fn remove_if_empty(self) {
        if self.len().is_ok_and(|length| length == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn local(&self, action: &str, error: io::Error) -> anyhow::Error {
        let path = self.path.display();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => anyhow!(
                "the disk is full: cannot {action} {path}; make room, or set VAEB_DATA to a folder on another disk, and fetch again"
            ),
            _ => anyhow!("cannot {action} {path}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let file = File::options().append(true).open("/dev/full").unwrap();
        let mut part = Part { path: "/dev/full".into(), file };
        assert!(part.write(b"x").unwrap_err().to_string().contains("the disk is full"));
    }
}
