//! A small process that outlives the relay by a moment. When the relay ends, by whatever signal, the pipe between them
//! closes; then the guard ends evcxr with all that it has started and removes the kernel's folders. A pipe works alike on Linux and macOS.
use std::{
    env,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use super::relay::log::log;

/// The relay's end of the pipe.
#[derive(Clone)]
pub struct Guard(Arc<Mutex<ChildStdin>>);

impl Guard {
    /// Starts the guard of these folders.
    pub fn start(folders: &[&Path]) -> anyhow::Result<Self> {
        let own = env::current_exe().context("this program's own file is not known")?;
        let mut command = Command::new(own);
        command.args(["kernel", "guard"]).args(folders).stdin(Stdio::piped()).stdout(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0); // a signal to the relay's group is not for the guard
        let mut child = command.spawn().context("the kernel's guard cannot be started")?;
        let pipe = child.stdin.take().context("the kernel's guard cannot be reached")?;
        Ok(Self(Arc::new(Mutex::new(pipe))))
    }

    /// Names the process group to end; none: it has ended by itself.
    pub fn watch(&self, group: Option<u32>) {
        if let Ok(mut pipe) = self.0.lock()
            && let Err(error) = writeln!(pipe, "{}", group.unwrap_or(0))
        {
            log(|| format!("the guard is gone: {error}"));
        }
    }
}

/// The guard's whole life.
pub fn guard(folders: &[PathBuf]) {
    let mut group = 0;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        group = line.trim().parse().unwrap_or(0);
    }
    end_group(group);
    for _ in 0..20 {
        // Processes that are just dying may still write.
        let remains = |folder: &&PathBuf| {
            std::fs::remove_dir_all(folder).is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound)
        };
        if folders.iter().filter(remains).count() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Kills a process group: evcxr, the program, and compilers that are at work.
pub fn end_group(group: i32) {
    if let Some(pid) = Pid::from_raw(group).filter(|pid| pid.as_raw_nonzero().get() > 1) {
        kill_process_group(pid, Signal::KILL).ok();
    }
}
