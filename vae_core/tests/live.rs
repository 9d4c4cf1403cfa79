//! Live output and SIGINT, each in a process of its own: a test starts this program again with one of the children below.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::unistd::Pid;
use serde_json::Value;
use vae_core::Error;
use vae_core::config::{Budget, RecordAt, RunConfig};
use vae_core::data::dataset::{DatasetConfig, DatasetKind, Limit};
use vae_core::live::{Progress, Screen, Training};
use vae_core::runs::RunStore;
use vae_core::train::{Control, Event, Observer, Outcome, Trainer, checkpoint};

const MARKER: &str = "\u{1e}vaeb-live/1 ";

fn small(epochs: u64) -> RunConfig {
    let limit = Some(Limit { train: 600, eval: 50 });
    let data = DatasetConfig { limit, ..DatasetConfig::new(DatasetKind::SyntheticDigits) };
    let mut config = RunConfig::report(data).latent(3).budget(Budget::Epochs(epochs)).seed(7);
    (config.model.encoder, config.model.decoder) = (vec![16], vec![16]);
    (config.batch, config.record) = (50, RecordAt::Epochs(1));
    config
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

// ---- parents --------------------------------------------------------------------------------------------------------

/// This program again, doing only `child`, with the SIGINT of a program that a terminal starts: one that `nohup` or a script's
/// `&` starts inherits a SIGINT that is ignored.
fn start(child: &str, folder: &Path, live: bool) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", child, "--ignored", "--nocapture", "--test-threads=1"]).env("VAEB_TEST_CHILD", folder);
    command.env_remove("VAEB_LIVE").stdout(Stdio::piped()).stderr(Stdio::inherit());
    if live {
        command.env("VAEB_LIVE", "1");
    }
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: between fork and exec only sigaction is called, which is async-signal-safe.
    unsafe { command.pre_exec(move || Ok(sigaction(Signal::SIGINT, &default).map(|_| ())?)) };
    let mut child = command.spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn wait_for(out: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the child ended before it said {text}");
    }
}

fn interrupt(child: &Child) {
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
}

fn finish(mut child: Child, mut out: impl Read) -> (ExitStatus, String) {
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    (child.wait().unwrap(), text)
}

#[test]
fn an_interrupted_run_is_kept_and_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let config = small(40);
    let store = RunStore::at(folder.path());
    let (child, out) = start("child_runs", folder.path(), false);
    let path = store.path(&config).join("checkpoint.safetensors");
    let begin = Instant::now();
    while !path.exists() && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    interrupt(&child);
    let (status, text) = finish(child, out);
    assert!(status.success(), "{status}: {text}");
    assert!(text.contains("(stopped early: interrupted; run the cell again to go on from here)"), "{text}");
    assert!(text.contains("· test –") && !text.contains("NaN"), "{text}");
    assert!(!text.contains('\u{1e}'), "markers without VAEB_LIVE: {text}");
    let (_, printed) = text.split_once("params ").unwrap();
    let printed: Vec<u32> = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let data = config.data.load().unwrap();
    let kept = checkpoint::load(&config, &data, &path).unwrap();
    assert!(kept.updates() > 0 && kept.updates() < kept.total_updates());
    assert_eq!(kept.history().records.len() as u64, kept.updates() / 12, "a record an epoch");
    assert_eq!(bits(kept.model().params()), printed);
    let run = store.run(&config).unwrap();
    let mut whole = Trainer::new(&config, &data).unwrap();
    whole.fit(&data, &mut []).unwrap();
    assert_eq!(bits(run.model.params()), bits(whole.model().params()));
    assert_eq!(run.history(), whole.history());
}

#[test]
fn an_interrupted_sweep_says_so_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (child, mut out) = start("child_sweeps", folder.path(), true);
    wait_for(&mut out, r#"{"op":"training","state":"begin"}"#);
    interrupt(&child);
    let (status, text) = finish(child, out);
    assert!(status.success(), "{status}: {text}");
    let configs: Vec<RunConfig> = (0..3).map(|seed| small(20).seed(seed)).collect();
    let runs = RunStore::at(folder.path()).run_all(&configs).unwrap();
    assert!(runs.iter().all(|run| run.result.stopped.is_none() && run.history().records.len() == 20));
}

#[test]
fn the_second_sigint_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let (child, mut out) = start("child_stuck", folder.path(), false);
    wait_for(&mut out, "TRAINING");
    interrupt(&child);
    wait_for(&mut out, "ASKED");
    interrupt(&child);
    let (status, text) = finish(child, out);
    assert_eq!(status.signal(), Some(2), "{text}");
}

#[test]
fn after_training_sigint_does_what_it_did_before() {
    let folder = tempfile::tempdir().unwrap();
    let (child, mut out) = start("child_after", folder.path(), false);
    wait_for(&mut out, "DONE");
    interrupt(&child);
    assert_eq!(finish(child, out).0.signal(), Some(2));
    let (child, out) = start("child_with_a_handler", folder.path(), false);
    let (status, text) = finish(child, out);
    assert!(status.success(), "{text}");
}

#[test]
fn markers_are_lines_of_json_with_valid_bodies_and_rare() {
    let folder = tempfile::tempdir().unwrap();
    let (child, out) = start("child_slow", folder.path(), true);
    let (status, text) = finish(child, out);
    assert!(status.success(), "{text}");
    let markers: Vec<Value> =
        text.lines().filter_map(|l| l.strip_prefix(MARKER)).map(|json| serde_json::from_str(json).unwrap()).collect();
    assert_eq!(text.matches('\u{1e}').count(), markers.len(), "a marker that does not begin its line: {text}");
    let ops: Vec<&str> = markers.iter().map(|m| m["op"].as_str().unwrap()).collect();
    assert_eq!((ops[0], ops[1], ops[ops.len() - 1]), ("training", "display", "training"), "{ops:?}");
    assert_eq!((&markers[0]["state"], &markers[ops.len() - 1]["state"]), (&"begin".into(), &"end".into()));
    let updates = ops.iter().filter(|op| **op == "update").count();
    // 2.2 seconds or more, then the last state
    let seconds: f64 = text.split_once("SECONDS ").unwrap().1.split_whitespace().next().unwrap().parse().unwrap();
    assert!(updates >= 3 && updates as f64 <= 2.0 * seconds, "{updates} in {seconds} s");
    let mut drawings = Vec::new();
    for marker in &markers[1..markers.len() - 1] {
        assert_eq!(marker["id"], markers[1]["id"]);
        let svg = marker["data"]["image/svg+xml"].as_str().unwrap();
        roxmltree::Document::parse(svg).unwrap();
        assert!(marker["data"]["text/plain"].as_str().unwrap().contains("GFLOP/s"));
        assert!(!drawings.contains(&svg), "the curve does not move");
        drawings.push(svg);
    }
    let last = &markers[markers.len() - 2]["data"];
    assert!(last["text/plain"].as_str().unwrap().contains("finished") && last["image/png"].is_string());
    assert!(!text.contains("SAMPLES/S") && !text.contains(" % · 5"), "lines and markers: {text}");
}

#[test]
fn a_run_from_the_store_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::at(folder.path());
    for seed in 0..2 {
        store.run(&small(1).seed(seed)).unwrap();
    }
    let (child, out) = start("child_reads", folder.path(), true);
    let (status, text) = finish(child, out);
    assert!(status.success() && !text.contains('\u{1e}'), "{text}");
}

/// The same sweep in a notebook and in a terminal. Checkpoints after each update make it long enough to be shown.
#[test]
fn a_sweep_on_the_screen_is_a_table_or_lines_with_its_names() {
    let folder = tempfile::tempdir().unwrap();
    RunStore::at(folder.path()).run(&small(1).seed(1)).unwrap();
    let going_on = "[2/2 · N_z 3 · seed 1] going on from update 12 of 480, where run ";
    let (child, out) = start("child_shows", folder.path(), true);
    let (status, text) = finish(child, out);
    assert!(status.success() && text.contains(going_on), "{text}");
    let tables: Vec<Value> =
        text.lines().filter_map(|l| l.strip_prefix(MARKER)).map(|json| serde_json::from_str(json).unwrap()).collect();
    let tables: Vec<&str> = tables.iter().filter_map(|m| m["data"]["text/markdown"].as_str()).collect();
    assert!(tables.len() > 1 && tables[0].contains("| 1/2 · N_z 3 · seed 0 | "), "{tables:?}");
    assert!(tables[tables.len() - 1].ends_with("2 of 2 runs finished"), "{tables:?}");

    let folder = tempfile::tempdir().unwrap();
    RunStore::at(folder.path()).run(&small(1).seed(1)).unwrap();
    let (child, out) = start("child_shows", folder.path(), false);
    let (status, text) = finish(child, out);
    assert!(status.success() && text.contains(going_on) && !text.contains('\u{1e}'), "{text}");
}

// ---- children -------------------------------------------------------------------------------------------------------

fn folder() -> Option<std::path::PathBuf> {
    std::env::var_os("VAEB_TEST_CHILD").map(Into::into)
}

/// A store whose checkpoints follow each update.
fn eager() -> Option<RunStore> {
    let mut store = RunStore::at(folder()?);
    store.checkpoint_every = Duration::ZERO;
    Some(store)
}

#[test]
#[ignore = "a child"]
fn child_runs() {
    let Some(store) = eager() else { return };
    let run = store.run(&small(40)).unwrap();
    println!("{}\nparams {}", run.summary(), serde_json::to_string(&bits(run.model.params())).unwrap());
}

#[test]
#[ignore = "a child"]
fn child_sweeps() {
    let Some(store) = eager() else { return };
    let configs: Vec<RunConfig> = (0..3).map(|seed| small(20).seed(seed)).collect();
    let error = store.run_all(&configs).unwrap_err();
    assert!(matches!(error, Error::Interrupted { finished: 0..3, runs: 3 }), "{error}");
}

#[test]
#[ignore = "a child"]
fn child_shows() {
    let Some(store) = eager() else { return };
    store.watched_by(Screen::default()).run_all(&[small(40).seed(0), small(40).seed(1)]).unwrap();
}

#[test]
#[ignore = "a child"]
fn child_reads() {
    let Some(folder) = folder() else { return };
    let store = RunStore::at(folder);
    store.run(&small(1).seed(0)).unwrap();
    store.run_all(&[small(1).seed(0), small(1).seed(1)]).unwrap();
}

/// At update 5 waits for SIGINT, then says so, and hangs if it should.
struct Wait {
    hang: bool,
}

impl Observer for Wait {
    fn observe(&mut self, event: &Event, _: &Trainer) -> vae_core::Result<Control> {
        let training = Training::begin();
        let begin = Instant::now();
        if event.updates == 5 {
            println!("\nTRAINING");
            while !training.interrupted() && begin.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(1));
            }
            println!("ASKED");
            while self.hang && begin.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(Control::Continue)
    }
}

#[test]
#[ignore = "a child"]
fn child_stuck() {
    if folder().is_none() {
        return;
    }
    let config = small(1);
    let data = config.data.load().unwrap();
    let _ = Trainer::new(&config, &data).unwrap().fit(&data, &mut [&mut Wait { hang: true }]);
}

#[test]
#[ignore = "a child"]
fn child_after() {
    if folder().is_none() {
        return;
    }
    let config = small(1);
    let data = config.data.load().unwrap();
    Trainer::new(&config, &data).unwrap().fit(&data, &mut []).unwrap();
    println!("\nDONE");
    std::thread::sleep(Duration::from_secs(60));
}

static OWN: AtomicU32 = AtomicU32::new(0);

extern "C" fn own(_: i32) {
    OWN.fetch_add(1, Ordering::SeqCst);
}

struct InterruptAt(u64);

impl Observer for InterruptAt {
    fn observe(&mut self, event: &Event, _: &Trainer) -> vae_core::Result<Control> {
        if event.updates == self.0 {
            raise(Signal::SIGINT).unwrap();
        }
        Ok(Control::Continue)
    }
}

#[test]
#[ignore = "a child"]
fn child_with_a_handler() {
    if folder().is_none() {
        return;
    }
    let handler = SigAction::new(SigHandler::Handler(own), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only adds to an atomic.
    unsafe { sigaction(Signal::SIGINT, &handler) }.unwrap();
    let config = small(2);
    let data = config.data.load().unwrap();
    let mut trainer = Trainer::new(&config, &data).unwrap();
    // each fit anew, with other fits beside it
    for update in [3, 9] {
        let mut other = Trainer::new(&config, &data).unwrap();
        let both = Training::begin();
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| {
                while !both.interrupted() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                other.fit(&data, &mut [])
            });
            let outcome = trainer.fit(&data, &mut [&mut InterruptAt(update)]).unwrap();
            assert_eq!(outcome, Outcome::Stopped(Training::INTERRUPTED.into()));
            assert_eq!(trainer.updates(), update);
            assert_eq!(beside.join().unwrap().unwrap(), Outcome::Stopped("interrupted".into()));
        });
        drop(both);
        assert_eq!(OWN.load(Ordering::SeqCst), 0);
    }
    // after the last update nothing is left to stop
    let end = trainer.total_updates();
    assert_eq!(trainer.fit(&data, &mut [&mut InterruptAt(end)]).unwrap(), Outcome::Finished);
    raise(Signal::SIGINT).unwrap();
    assert_eq!(OWN.load(Ordering::SeqCst), 1);
}

/// Makes an update last.
struct Slow(Duration);

impl Observer for Slow {
    fn observe(&mut self, _: &Event, _: &Trainer) -> vae_core::Result<Control> {
        std::thread::sleep(self.0);
        Ok(Control::Continue)
    }
}

#[test]
#[ignore = "a child"]
fn child_slow() {
    if folder().is_none() {
        return;
    }
    let config = small(4);
    let data = config.data.load().unwrap();
    let mut trainer = Trainer::new(&config, &data).unwrap();
    let begin = Instant::now();
    println!();
    trainer.fit(&data, &mut [&mut Progress::new("", 12), &mut Slow(Duration::from_millis(46))]).unwrap();
    println!("SECONDS {}", begin.elapsed().as_secs_f64());
}

/// Nobody listens after the first line. To be run alone: `exit` comes before the test program's own last words, which would fail.
#[test]
#[ignore = "a child"]
fn child_without_listeners() {
    let Some(folder) = folder() else { return };
    let begin = Instant::now();
    println!("\nHERE");
    // until the parent has closed the pipe
    while begin.elapsed() < Duration::from_millis(300) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let store = RunStore::at(folder).watched_by(Screen::default());
    store.run_all(&[small(3).seed(0)]).unwrap().remove(0).evcxr_display();
    std::process::exit(0);
}

#[test]
fn a_training_goes_on_when_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let (config, store) = (small(3).seed(0), RunStore::at(folder.path()));
    store.run(&small(1).seed(0)).unwrap(); // so that there is something to tell: where it goes on from
    let (mut child, mut out) = start("child_without_listeners", folder.path(), false);
    wait_for(&mut out, "HERE");
    drop(out);
    assert!(child.wait().unwrap().success());
    assert!(store.read(&config).unwrap().is_some());
}

/// Runs a configuration whose lock another process has.
#[test]
#[ignore = "a child"]
fn child_waits() {
    let Some(folder) = folder() else { return };
    let error = RunStore::at(folder).watched_by(Screen::default()).run_all(&[small(3).seed(0)]).unwrap_err();
    println!("{error}");
}

#[test]
fn an_interrupt_ends_the_wait_for_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let here = RunStore::at(folder.path()).path(&small(3).seed(0));
    std::fs::create_dir_all(&here).unwrap();
    let lock = std::fs::File::create(here.join("lock")).unwrap();
    lock.lock().unwrap();
    let (child, mut out) = start("child_waits", folder.path(), false);
    wait_for(&mut out, "waiting for it");
    interrupt(&child);
    let (status, text) = finish(child, out);
    assert!(status.success() && text.contains("interrupted when 0 of 1 runs were finished"), "{status}: {text}");
}

#[test]
#[ignore = "a child"]
fn child_trains_for_ever() {
    let Some(folder) = folder() else { return };
    let config = RunConfig { record: RecordAt::LogSpaced, ..small(1).budget(Budget::UntilInterrupted) };
    let run = RunStore::at(folder).watched_by(Screen::default()).run(&config).unwrap();
    println!("{}", run.summary());
}

#[test]
fn a_run_without_an_end_shows_itself_and_goes_on_from_its_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    let updates = || {
        let (child, mut out) = start("child_trains_for_ever", folder.path(), true);
        wait_for(&mut out, "until interrupted");
        interrupt(&child);
        let (status, text) = finish(child, out);
        assert!(status.success() && text.contains("(stopped early: interrupted;"), "{status}: {text}");
        let (_, after) = text.split_once("seed 7, ").unwrap();
        after.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let first = updates();
    assert!(first > 0 && updates() > first);
}
