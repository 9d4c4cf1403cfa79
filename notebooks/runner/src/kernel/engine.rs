//! evcxr's processes: starting them, and reaching the program that runs the cells.
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::{process::Child, sync::mpsc};
use zeromq::{DealerSocket, Socket, SocketRecv, SocketSend};

use super::{
    guard::{Guard, end_group},
    launch,
    relay::{
        connection::Connection,
        core::{Engine, OWN, Relay},
        failure,
        log::{log, say},
        sockets::{self, Back, Event, Events},
        types::Types,
        wire::Message,
    },
    seed,
};
use crate::checkout::Checkout;

/// How many events may wait.
const EVENTS: usize = 1024;
/// evcxr listens within this time, or never.
const LISTENS: Duration = Duration::from_secs(60);

/// evcxr's process group (its leader's id), 0 if there is none.
#[derive(Clone, Default)]
struct Evcxr(Arc<AtomicU32>);

impl Engine for Evcxr {
    fn interrupt_program(&self) -> anyhow::Result<()> {
        let program = program_of(self.0.load(Ordering::Relaxed)).context("the program is not found")?;
        if !handles_interrupts(program) {
            bail!("the program has just stopped listening");
        }
        let pid = Pid::from_raw(i32::try_from(program)?).context("the program is not found")?;
        kill_process(pid, Signal::INT).context("the program cannot be reached")
    }

    fn end(&self) {
        end_group(i32::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0));
    }
}

/// What Jupyter starts as the kernel: the relay, and evcxr behind it. Returns when Jupyter has ended it.
pub fn serve(checkout: &Checkout, evcxr: &Path, connection_file: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(serve_async(checkout.clone(), evcxr.to_owned(), connection_file));
    runtime.shutdown_background();
    result
}

async fn serve_async(checkout: Checkout, evcxr: PathBuf, connection_file: &Path) -> anyhow::Result<()> {
    let connection = Connection::read(connection_file)?;
    let (events, received) = mpsc::channel(EVENTS);
    let front = sockets::bind(&connection, &events).await?;
    let work = launch::Work::reserve(&checkout.kernel_builds())?;
    let guard = Guard::start(&[work.dir(), &front.gate.folder()])?;
    listen_to_signals(events.clone())?;
    let engine = Evcxr::default();
    // Before the crate is compiled: an edit while it is counts as later.
    let types = Types::preloaded(checkout.root().join("vae_core"));
    let note = work.dir().join("note");
    let relay = Relay::new(front, connection.key()?, engine.clone(), note, types);
    let starter = Starter { checkout, evcxr, work, guard, engine, events };
    tokio::spawn(starter.start());
    relay.run(received).await;
    Ok(())
}

#[cfg(unix)]
fn listen_to_signals(events: Events) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut ends = signal(SignalKind::terminate())?;
    let mut hangups = signal(SignalKind::hangup())?;
    let mut parent = tokio::time::interval(Duration::from_secs(1));
    // Jupyter names itself there when it is the one to end the kernel.
    let jupyter = std::env::var("JPY_PARENT_PID").ok().and_then(|pid| pid.parse().ok());
    let jupyter = jupyter.filter(|_| parent_id() == jupyter);
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                // A kernel whose Jupyter is gone has nobody to end it.
                _ = parent.tick() => {
                    if jupyter.is_none() || parent_id() == jupyter {
                        continue;
                    }
                    Event::Terminate
                }
                _ = interrupts.recv() => Event::Interrupt,
                _ = ends.recv() => Event::Terminate,
                _ = hangups.recv() => Event::Terminate,
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn parent_id() -> Option<i32> {
    rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get())
}

/// Brings evcxr up while the relay already talks to Jupyter.
struct Starter {
    checkout: Checkout,
    evcxr: PathBuf,
    work: launch::Work,
    guard: Guard,
    engine: Evcxr,
    events: Events,
}

impl Starter {
    async fn start(self) {
        if let Err(error) = self.try_start().await {
            let reason = format!("the Rust kernel evcxr did not start: {error:#}");
            self.events.send(Event::Gone(reason)).await.ok();
        }
    }

    async fn try_start(&self) -> anyhow::Result<()> {
        let compiled = self.fill().await?;
        // With a crate that does not compile evcxr would not start; without it, the first cell shows the compiler's error.
        let mut preload = compiled;
        let mut attempts = 0;
        let (mut child, back) = loop {
            attempts += 1;
            match self.bring_up(preload).await {
                Ok(up) => break up,
                // A port may have been taken by another program before evcxr bound it.
                Err(error) if attempts == 1 => log(|| format!("once more: {error:#}")),
                Err(error) if preload => {
                    say(&format!("evcxr does not start with vae_core loaded ({error:#}); starting without"));
                    preload = false;
                }
                Err(error) => return Err(error),
            }
        };
        self.events.send(Event::Ready { back, preloaded: preload }).await.ok();
        let status = child.wait().await;
        self.ended();
        let how = status.map_or_else(|e| e.to_string(), |s| s.to_string());
        let reason = format!("the Rust kernel evcxr has ended ({how}); what it said is on the terminal");
        self.events.send(Event::Gone(reason)).await.ok();
        Ok(())
    }

    /// Gives the work folder what is compiled already; compiles it first if need be. False if the crate does not compile.
    async fn fill(&self) -> anyhow::Result<bool> {
        let (checkout, work, events) = (self.checkout.clone(), self.work.dir().to_owned(), self.events.clone());
        let tell = move |text: &str| {
            say(text);
            events.blocking_send(Event::Progress(text.to_owned())).ok();
        };
        tokio::task::spawn_blocking(move || seed::fill(&checkout, &work, &tell)).await?
    }

    /// evcxr is gone: what it started must not go on without it.
    fn ended(&self) {
        self.engine.end();
        self.guard.watch(None);
        self.engine.0.store(0, Ordering::Relaxed);
    }

    async fn bring_up(&self, preload: bool) -> anyhow::Result<(Child, Back)> {
        let connection = Connection::private()?;
        let file = self.work.dir().join("connection.json");
        connection.write(&file)?;
        let mut command = launch::command(&self.checkout, &self.evcxr, &self.work, preload)?;
        command
            .arg("--control_file")
            .arg(&file)
            .env(failure::VARIABLE, self.work.dir().join("note"))
            .env("VAEB_LIVE", "1");
        command.stdin(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0); // ended together; Ctrl-C is the relay's
        let mut child = tokio::process::Command::from(command)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.evcxr.display()))?;
        self.guard.watch(child.id());
        self.engine.0.store(child.id().unwrap_or(0), Ordering::Relaxed);
        let connected = async {
            let back = sockets::connect(&connection, &self.events).await?;
            probe(&connection).await?;
            anyhow::Ok(back)
        };
        tokio::select! {
            back = connected => Ok((child, back?)),
            status = child.wait() => {
                self.ended();
                bail!("it ended at once ({})", status.map_or_else(|e| e.to_string(), |s| s.to_string()))
            }
        }
    }
}

/// Waits until evcxr answers a request: it listens long before it is ready.
async fn probe(connection: &Connection) -> anyhow::Result<()> {
    let mut shell = DealerSocket::new();
    let connecting = shell.connect(&connection.endpoint(connection.shell_port)).await;
    connecting.with_context(|| format!("evcxr does not listen after {} s", LISTENS.as_secs()))?;
    let mut request = Message::new("kernel_info_request", &Bytes::new(), &json!({}));
    request.parts[0] =
        Bytes::from(json!({"msg_id": OWN, "msg_type": "kernel_info_request", "session": OWN}).to_string());
    shell.send(request.frames(&connection.key()?)).await?;
    shell.recv().await?;
    Ok(())
}

/// The process that runs the cells: evcxr starts itself again, with a mark in the environment.
#[cfg(target_os = "linux")]
fn program_of(evcxr: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.find(|id| {
        let parent = std::fs::read_to_string(format!("/proc/{id}/stat"))
            .ok()
            .and_then(|stat| stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok());
        let marked = || {
            std::fs::read(format!("/proc/{id}/environ"))
                .is_ok_and(|env| env.split(|&b| b == 0).any(|v| v == b"EVCXR_IS_RUNTIME=1"))
        };
        parent == Some(evcxr) && marked()
    })
}

/// The process that runs the cells: evcxr's child of the same name.
#[cfg(not(target_os = "linux"))]
fn program_of(evcxr: u32) -> Option<u32> {
    let table = std::process::Command::new("ps").args(["-A", "-o", "pid=,ppid=,comm="]).output().ok()?;
    String::from_utf8_lossy(&table.stdout).lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (id, parent) = (words.next()?.parse().ok()?, words.next()?.parse::<u32>().ok()?);
        (parent == evcxr && words.next()?.contains("evcxr")).then_some(id)
    })
}

/// Whether SIGINT is caught. Between a computation's last mark and its end it may be not any more, and would be deadly.
#[cfg(target_os = "linux")]
fn handles_interrupts(program: u32) -> bool {
    const SIGINT: u32 = 2;
    let status = std::fs::read_to_string(format!("/proc/{program}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    log(|| format!("program {program} catches {mask:x}"));
    mask >> (SIGINT - 1) & 1 == 1
}

#[cfg(not(target_os = "linux"))]
fn handles_interrupts(_program: u32) -> bool {
    true
}
