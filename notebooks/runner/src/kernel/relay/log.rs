//! `VAEB_KERNEL_LOG`: what the relay does, on the terminal that Jupyter was started from or in a file.
use std::{
    env,
    fs::{File, OpenOptions},
    io::Write,
    sync::{Mutex, OnceLock},
    time::SystemTime,
};

enum Target {
    Off,
    Terminal,
    File(Mutex<File>),
}

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| match env::var_os("VAEB_KERNEL_LOG") {
        None => Target::Off,
        Some(value) if value.is_empty() || value == "0" => Target::Off,
        Some(value) if value == "1" => Target::Terminal,
        Some(file) => match OpenOptions::new().create(true).append(true).open(&file) {
            Ok(file) => Target::File(Mutex::new(file)),
            Err(_) => Target::Terminal,
        },
    })
}

/// Writes a line if the log is on.
pub fn log(line: impl FnOnce() -> String) {
    let target = target();
    if matches!(target, Target::Off) {
        return;
    }
    let line =
        format!("{} kernel {}: {}\n", humantime::format_rfc3339_millis(SystemTime::now()), std::process::id(), line());
    match target {
        Target::File(file) => drop(file.lock().map(|mut file| file.write_all(line.as_bytes()))),
        _ => drop(std::io::stderr().write_all(line.as_bytes())),
    }
}

/// Says on the terminal (and in the log) what the user must know.
pub fn say(line: &str) {
    log(|| line.to_owned());
    if !matches!(target(), Target::Terminal) {
        eprintln!("[Rust kernel] {line}");
    }
}
