//! Runs pip, cargo and the like: shows that they live, and says in one sentence what went wrong.
use std::{
    collections::VecDeque,
    env,
    io::{BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const TAIL: usize = 12;
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Runs `command` to its end. On a terminal its last line is shown; otherwise a line every 30 seconds.
pub fn run(what: &str, command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    let (sender, lines) = mpsc::channel();
    for stream in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)].into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || forward(stream, &sender));
    }
    drop(sender);

    let started = Instant::now();
    let spinner = spinner();
    spinner.set_prefix(what.to_owned());
    let mut tail = VecDeque::new();
    let mut last_shown = Instant::now();
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => {
                spinner.set_message(line.trim().to_owned());
                tail.push_back(line);
                if tail.len() > 200 {
                    tail.pop_front();
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if spinner.is_hidden() && last_shown.elapsed() >= HEARTBEAT {
            last_shown = Instant::now();
            let line: String = tail.back().map_or("", |l: &String| l.trim()).chars().take(80).collect();
            tell(&format!("  {what} · {} elapsed · {line}", clock(started.elapsed())));
        }
    }
    let status = child.wait().with_context(|| format!("{program} cannot be waited for"))?;
    spinner.finish_and_clear();
    if status.success() {
        return Ok(());
    }
    let tail: Vec<String> = tail.into();
    let said: Vec<String> = tail[tail.len().saturating_sub(TAIL)..]
        .iter()
        .map(|l| format!("  {}", l.chars().take(300).collect::<String>()))
        .collect();
    let said = said.join("\n");
    match explain(&tail.join("\n")) {
        Some(sentence) => bail!("{what} failed: {sentence}\n{program} said last:\n{said}"),
        None => bail!("{what} failed ({status}). {program} said last:\n{said}"),
    }
}

/// The spinners of what goes on at the same time.
static SPINNERS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints a line above the spinners.
pub fn tell(line: &str) {
    SPINNERS.suspend(|| println!("{line}"));
}

/// A spinner on a terminal, nothing otherwise.
pub fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = SPINNERS.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} · {elapsed_precise} · {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// `02:41`, `1:02:41`.
pub fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

fn boxed<R: Read + Send + 'static>(stream: R) -> Box<dyn Read + Send> {
    Box::new(stream)
}

fn forward(stream: Box<dyn Read + Send>, sender: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        bytes.clear();
        if !line.is_empty() && sender.send(line).is_err() {
            return;
        }
    }
}

/// One sentence for failures whose cause is outside this program, found in the tool's own words.
pub fn explain(output: &str) -> Option<&'static str> {
    const CAUSES: &[(&[&str], &str)] = &[
        (
            &["No space left on device", "os error 28", "Errno 28", "Disk quota exceeded"],
            "the disk is full; set-up needs about 3 GB in the checkout. Free some and run the command again.",
        ),
        (
            &["CERTIFICATE_VERIFY_FAILED", "SSL certificate", "self-signed certificate", "SslCertificate"],
            "the package registry's certificate was not accepted. Behind an inspecting proxy, point PIP_CERT and \
             CARGO_HTTP_CAINFO to its certificate file.",
        ),
        (
            &["ensurepip is not available", "No module named ensurepip", "No module named venv"],
            "Python's venv module is not installed; `apt install python3-venv` does it on Debian and Ubuntu.",
        ),
        (
            &["linker `cc` not found", "linker `cc` failed to start", "failed to find tool"],
            "there is no C compiler; `apt install build-essential` (Debian, Ubuntu) or `xcode-select --install` (macOS).",
        ),
        (
            &[
                "name resolution",
                "Name or service not known",
                "ould not resolve",
                "nodename nor servname",
                "failed to lookup address",
                "getaddrinfo failed",
                "Network is unreachable",
                "No route to host",
                "Connection refused",
                "onnection timed out",
                "Failed to connect",
                "Failed to establish a new connection",
                "Read timed out",
                "ConnectTimeoutError",
                "ProxyError",
                "error sending request",
                "could not download file",
                "spurious network error",
                "Connection reset by peer",
            ],
            "the package registry cannot be reached. Check the network (and the proxy settings) and run the command \
             again; what is done already is kept.",
        ),
        (
            &["No matching distribution found"],
            "the package registry cannot be reached, or has no version of a pinned package for this Python (3.10 to 3.14 are \
             known to work).",
        ),
        (&["ermission denied"], "a file or folder in the checkout may not be written by this user."),
    ];
    CAUSES.iter().find(|(marks, _)| marks.iter().any(|m| output.contains(m))).map(|(_, sentence)| *sentence)
}

/// `cargo run` describes this program to its children, and another cargo must not believe it.
pub fn forget_cargo_run(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let described =
            |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|p| name.starts_with(p));
        if name.to_str().is_some_and(described) {
            command.env_remove(name);
        }
    }
}

/// Replaces this process by the program; returns only if it cannot be started (or, off Unix, when it has ended).
pub fn become_program(mut command: Command) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let error = command.exec();
        Err(error).with_context(|| format!("{} cannot be started", command.get_program().to_string_lossy()))
    }
    #[cfg(not(unix))]
    {
        let status = command.status()?;
        if !status.success() {
            bail!("{} ended with {status}", command.get_program().to_string_lossy())
        }
        Ok(())
    }
}

/// Looks for a program on `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    which::which(name).ok()
}

/// Whether `file`, a path, is a program that this user may start.
pub fn is_executable(file: &Path) -> bool {
    file.is_absolute() && which::which(file).is_ok()
}

/// A file name for the shell.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn causes_are_recognised_in_the_tools_words() {
        for (said, part) in [
            ("OSError: [Errno 28] No space left on device", "disk is full"),
            ("error: failed to write `x`\nCaused by:\n  No space left on device (os error 28)", "disk is full"),
            (
                "NewConnectionError('Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')\n\
                 ERROR: No matching distribution found for anyio==4.16.0",
                "cannot be reached",
            ),
            ("warning: spurious network error (3 tries remaining): [6] Could not resolve host: x", "cannot be reached"),
            ("ERROR: No matching distribution found for anyio==4.16.0", "no version of a pinned package"),
            ("The virtual environment was not created because ensurepip is not available.", "python3-venv"),
            ("error: linker `cc` not found", "build-essential"),
        ] {
            assert!(explain(said).unwrap().contains(part), "{said}");
        }
        assert_eq!(explain("error[E0308]: mismatched types"), None);
    }

    #[test]
    fn clocks() {
        assert_eq!(clock(Duration::from_secs(161)), "02:41");
        assert_eq!(clock(Duration::from_secs(3761)), "1:02:41");
    }

    #[test]
    fn names_are_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }

    #[cfg(unix)]
    #[test]
    fn a_failing_tool_is_quoted() {
        let error = run("a test", Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("one") && text.contains("two"), "{text}");
        run("a test", &mut Command::new("true")).unwrap();
    }
}
