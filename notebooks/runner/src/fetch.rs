//! `cargo notebooks fetch`: downloads the real data sets.
//!
//! A file is streamed to `<name>.part` beside its destination, verified by SHA-256, and only then renamed. What a broken
//! connection leaves behind is continued by the next mirror or the next call; files that are already right are skipped.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use ureq::Agent;
use ureq::http::StatusCode;
use vae_core::data::{DataFile, locate, verify_file};

/// A data set that can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Set {
    /// MNIST: 70,000 handwritten digits, four files, 11 MB
    Mnist,
    /// Frey Face: 1965 frames of one face, one file, 1.1 MB
    Frey,
}

impl Set {
    fn files(self) -> &'static [DataFile] {
        match self {
            Self::Mnist => &DataFile::MNIST,
            Self::Frey => &DataFile::FREY,
        }
    }
}

/// Folders that hold the four MNIST files, compressed.
const MNIST_MIRRORS: [&str; 3] = [
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://yann.lecun.com/exdb/mnist/",
];
/// Folders that hold `frey_rawface.mat`.
const FREY_MIRRORS: [&str; 3] = [
    "https://cs.nyu.edu/~roweis/data/",
    "https://www.cs.nyu.edu/~roweis/data/",
    "https://web.archive.org/web/2020id_/https://cs.nyu.edu/~roweis/data/",
];

/// Downloads what is missing of `what` (everything, if it is empty) into `dir` (see [`vae_core::data::data_dir`]).
///
/// # Errors
/// One sentence that says what failed, what each mirror answered, and where to put the file by hand.
pub fn fetch(dir: &Path, what: &[Set]) -> Result<()> {
    let what = if what.is_empty() { &[Set::Mnist, Set::Frey] } else { what };
    for &file in what.iter().flat_map(|set| set.files()) {
        if let Some(path) = locate::find(file, &[dir.to_owned()])? {
            match verify_file(&path, file) {
                Ok(()) => {
                    eprintln!("{}: already there and verified", path.display());
                    continue;
                }
                // The download replaces its own destination, but a file found elsewhere would still be found first.
                Err(error) if path != dir.join(file.destination()) => {
                    bail!("{error}; remove that file, then fetch again");
                }
                Err(error) => eprintln!("{error}; downloading it again"),
            }
        }
        Download::of(file, dir).run(&Patience::default())?;
    }
    Ok(())
}

/// How long to wait for a server before the next one is tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the name, the connection, the first line of the answer.
    pub connect: Duration,
    /// Without a byte of the file.
    pub read: Duration,
    /// Whether `HTTPS_PROXY` and the like are respected.
    pub environment_proxy: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), read: Duration::from_secs(20), environment_proxy: true }
    }
}

impl Patience {
    fn agent(&self) -> Agent {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(self.connect))
            .timeout_connect(Some(self.connect))
            .timeout_recv_response(Some(self.connect))
            .timeout_per_read(Some(self.read))
            .user_agent(concat!("vae_core/", env!("CARGO_PKG_VERSION")));
        if !self.environment_proxy {
            config = config.proxy(None);
        }
        config.build().new_agent()
    }
}

/// Says why a file is not the wanted one, if it is not.
pub type Verify = Box<dyn Fn(&Path) -> Result<(), String>>;

/// One file to download.
pub struct Download {
    /// Where it is to be.
    pub destination: PathBuf,
    /// Addresses to try, in order.
    pub mirrors: Vec<String>,
    /// No more bytes than this are taken from a server.
    pub limit: u64,
    /// Decides whether what came is right.
    pub verify: Verify,
}

/// Why an attempt failed.
enum Failure {
    /// The mirror's fault: the next one may do better.
    Mirror(String),
    /// This machine's: no mirror can help.
    Local(anyhow::Error),
}

impl Download {
    /// The download of a data file into the data folder `dir`.
    pub fn of(file: DataFile, dir: &Path) -> Self {
        let destination = dir.join(file.destination());
        let (mirrors, suffix) = match file {
            DataFile::FreyFaces => (FREY_MIRRORS, ""),
            _ => (MNIST_MIRRORS, ".gz"),
        };
        Self {
            destination,
            mirrors: mirrors.iter().map(|folder| format!("{folder}{}{suffix}", file.stem())).collect(),
            limit: file.limit(),
            verify: Box::new(move |path| verify_file(path, file).map_err(|error| error.to_string())),
        }
    }

    /// Downloads, verifies and installs it.
    ///
    /// # Errors
    /// See [`fetch`].
    pub fn run(&self, patience: &Patience) -> Result<()> {
        let name = self.destination.display();
        if let Some(folder) = self.destination.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        let mut part = Part::open(&self.destination)?;
        // A call that was killed just before the renaming left a complete file.
        if part.len()? > 0 && (self.verify)(&part.path).is_ok() {
            return part.install(&self.destination);
        }
        let agent = patience.agent();
        let mut answers = Vec::new();
        for url in &self.mirrors {
            loop {
                let resumed = part.len()? > 0;
                eprintln!("{name}: {} {url}", if resumed { "continuing from" } else { "downloading from" });
                let outcome = self.transfer(&agent, url, &mut part).and_then(|()| match (self.verify)(&part.path) {
                    Ok(()) => Ok(()),
                    Err(reason) => {
                        part.clear().map_err(Failure::Local)?;
                        Err(Failure::Mirror(format!("corrupt: {reason}")))
                    }
                });
                match outcome {
                    Ok(()) => return part.install(&self.destination),
                    Err(Failure::Local(error)) => return Err(error),
                    // The beginning may have come from a mirror that packs the file differently.
                    Err(Failure::Mirror(_)) if resumed && part.len()? == 0 => continue,
                    Err(Failure::Mirror(reason)) => answers.push(format!("  {url}: {reason}")),
                }
                break;
            }
        }
        part.remove_if_empty();
        bail!(
            "{name} could not be downloaded; every mirror failed:\n{}\nTry again later, or download it in another way, put it at {name} and run the command again to verify it",
            answers.join("\n")
        )
    }

    /// Appends what `url` has beyond the part's length; starts anew where the server cannot do that.
    fn transfer(&self, agent: &Agent, url: &str, part: &mut Part) -> Result<(), Failure> {
        let mut have = part.len().map_err(Failure::Local)?;
        // "identity", so that a .gz is not unpacked on the way, which would make positions meaningless.
        let mut request = agent.get(url).header("Accept-Encoding", "identity");
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| Failure::Mirror(explain(&error)))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        match response.status() {
            StatusCode::PARTIAL_CONTENT if header("content-range").and_then(range_start) == Some(have) => {}
            StatusCode::OK => {
                part.clear().map_err(Failure::Local)?;
                have = 0;
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                part.clear().map_err(Failure::Local)?;
                return Err(Failure::Mirror("cannot continue an interrupted download".into()));
            }
            StatusCode::NOT_FOUND => return Err(Failure::Mirror("the file is not there (HTTP 404)".into())),
            status => return Err(Failure::Mirror(format!("HTTP status {status}"))),
        }
        let announced = header("content-length").and_then(|length| length.parse::<u64>().ok());
        let total = announced.map(|length| length.saturating_add(have));
        if total.is_some_and(|total| total > self.limit) {
            return Err(Failure::Mirror(format!("announces more than the {} bytes it may have", self.limit)));
        }
        let bar = progress_bar(total, have);
        let result = self.receive(response.into_body().into_reader(), part, have, &bar);
        bar.finish_and_clear();
        let received = result?;
        match total {
            Some(total) if received < total => {
                Err(Failure::Mirror(format!("the connection broke off after {received} of {total} bytes")))
            }
            _ => Ok(()),
        }
    }

    /// Copies to the part until the end; gives the part's new length.
    fn receive(&self, mut body: impl Read, part: &mut Part, have: u64, bar: &ProgressBar) -> Result<u64, Failure> {
        let mut received = have;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    let reason = explain(&ureq::Error::from(error));
                    return Err(Failure::Mirror(format!("{reason}, after {received} bytes")));
                }
            };
            received += count as u64;
            if received > self.limit {
                part.clear().map_err(Failure::Local)?;
                return Err(Failure::Mirror(format!("sends more than the {} bytes it may have", self.limit)));
            }
            part.write(&buffer[..count]).map_err(Failure::Local)?;
            bar.set_position(received);
        }
        Ok(received)
    }
}

/// The unfinished file, locked against a second download.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn open(destination: &Path) -> Result<Self> {
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

    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|error| self.local("read", error))?.len())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| self.local("write", error))
    }

    fn clear(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|error| self.local("truncate", error))
    }

    fn install(self, destination: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| self.local("save", error))?;
        fs::rename(&self.path, destination).map_err(|error| self.local("rename", error))?;
        // Makes the new name durable; not every system lets a folder be synchronised.
        if let Some(folder) = destination.parent() {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        eprintln!("{}: verified", destination.display());
        Ok(())
    }

    fn remove_if_empty(self) {
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

/// First position of `bytes 100-199/200`.
fn range_start(header: &str) -> Option<u64> {
    header.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// A transport error in words.
fn explain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the server's name cannot be resolved (is this machine offline?)".into(),
        ureq::Error::Timeout(_) => "the server does not answer in time".into(),
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => "the server does not answer in time".into(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                format!("the connection broke off ({error})")
            }
            _ => format!("no connection ({error})"),
        },
        ureq::Error::ConnectionFailed => "no connection".into(),
        error => error.to_string(),
    }
}

/// Drawn on a terminal only.
fn progress_bar(total: Option<u64>, have: u64) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "  {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left"),
        None => (ProgressBar::no_length(), "  {spinner} {bytes} {bytes_per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_position(have)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    /// Answers each connection with `answer(the request's Range header, the connection)`.
    fn server(answer: impl Fn(Option<String>, TcpStream) + Send + Sync + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                std::thread::spawn(move || {
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(|line| line.ok());
                    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                    let range = head.iter().find_map(|line| {
                        line.to_lowercase().strip_prefix("range: bytes=").map(|range| range.to_owned())
                    });
                    answer(range, stream);
                });
            }
        });
        url
    }

    /// Announces `length` bytes and sends `body`.
    fn send(mut stream: &TcpStream, status: &str, length: usize, body: &[u8]) {
        let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(body);
        let _ = stream.flush();
    }

    fn good() -> String {
        server(|_, stream| send(&stream, "200 OK", content().len(), &content()))
    }

    fn content() -> Vec<u8> {
        (0..300_000u64).map(|i| (i * i % 251) as u8).collect()
    }

    /// A fresh folder, and a download into it.
    fn download(mirrors: Vec<String>) -> (tempfile::TempDir, Download) {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("sub").join("file");
        let verify: Verify = Box::new(|path| match fs::read(path) {
            Ok(bytes) if bytes == content() => Ok(()),
            _ => Err("wrong hash".into()),
        });
        (folder, Download { destination, mirrors, limit: 400_000, verify })
    }

    fn quick() -> Patience {
        let soon = Duration::from_secs(1);
        Patience { connect: soon, read: soon, environment_proxy: false }
    }

    fn succeeds(download: &Download) {
        download.run(&quick()).unwrap();
        assert_eq!(fs::read(&download.destination).unwrap(), content());
        let files = fs::read_dir(download.destination.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "something was left behind");
    }

    /// Fails with this in its message, leaves no destination, and then succeeds from a good mirror.
    fn fails_then_recovers(mut download: Download, message: &str) {
        let error = download.run(&quick()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert!(error.contains("put it at") && error.contains(&download.mirrors[0]), "{error}");
        assert!(!download.destination.exists());
        download.mirrors.push(good());
        succeeds(&download);
    }

    #[test]
    fn good_server() {
        let (_folder, download) = download(vec![good()]);
        succeeds(&download);
    }

    #[test]
    fn truncated_answer() {
        let url = server(|_, stream| send(&stream, "200 OK", content().len(), &content()[..100_000]));
        let (_folder, download) = download(vec![url]);
        fails_then_recovers(download, "broke off");
    }

    #[test]
    fn corrupt_answer() {
        let url = server(|_, stream| send(&stream, "200 OK", 5, b"wrong"));
        let (_folder, download) = download(vec![url]);
        fails_then_recovers(download, "corrupt: wrong hash");
    }

    #[test]
    fn not_found() {
        let url = server(|_, stream| send(&stream, "404 Not Found", 0, b""));
        let (folder, download) = download(vec![url]);
        fails_then_recovers(download, "404");
        drop(folder);
    }

    #[test]
    fn stalled_server() {
        let silent = server(|_, stream| {
            std::thread::sleep(Duration::from_secs(4));
            drop(stream);
        });
        let (_folder, before) = download(vec![silent]);
        fails_then_recovers(before, "does not answer in time");
        let midway = server(|_, stream| {
            send(&stream, "200 OK", content().len(), &content()[..50_000]);
            std::thread::sleep(Duration::from_secs(4));
        });
        let (_folder, during) = download(vec![midway]);
        fails_then_recovers(during, "does not answer in time");
    }

    #[test]
    fn endless_answer() {
        let announced = server(|_, stream| send(&stream, "200 OK", 1 << 40, &[0; 1000]));
        let (_folder, first) = download(vec![announced]);
        fails_then_recovers(first, "announces more than");
        let silent = server(|_, mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[7; 10_000]).is_ok() {}
        });
        let (_folder, second) = download(vec![silent]);
        fails_then_recovers(second, "sends more than");
    }

    #[test]
    fn nobody_listens() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (_folder, download) = download(vec![format!("http://{free}/file")]);
        fails_then_recovers(download, "no connection");
    }

    /// A server that honours `Range`, and the ranges it was asked for.
    fn resuming() -> (String, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let url = server(move |range, mut stream| {
            log.lock().unwrap().push(range.clone().unwrap_or_default());
            let Some(start) = range.and_then(|range| range.trim_end_matches('-').parse::<usize>().ok()) else {
                return send(&stream, "200 OK", content().len(), &content());
            };
            if start >= content().len() {
                return send(&stream, "416 Range Not Satisfiable", 0, b"");
            }
            let (last, rest) = (content().len() - 1, &content()[start..]);
            let _ = write!(
                stream,
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{last}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                last + 1,
                rest.len()
            );
            let _ = stream.write_all(rest);
        });
        (url, asked)
    }

    fn with_part(part: &[u8]) -> (tempfile::TempDir, Download, Arc<Mutex<Vec<String>>>) {
        let (url, asked) = resuming();
        let (folder, download) = download(vec![url]);
        fs::create_dir_all(download.destination.parent().unwrap()).unwrap();
        fs::write(download.destination.with_extension("part"), part).unwrap();
        (folder, download, asked)
    }

    #[test]
    fn an_interrupted_download_is_continued() {
        let (_folder, download, asked) = with_part(&content()[..123_456]);
        succeeds(&download);
        assert_eq!(*asked.lock().unwrap(), ["123456-"]);
    }

    #[test]
    fn a_wrong_beginning_is_started_anew() {
        for wrong in [vec![9; 1000], vec![9; 350_000]] {
            let (_folder, download, asked) = with_part(&wrong);
            succeeds(&download);
            assert_eq!(*asked.lock().unwrap(), [format!("{}-", wrong.len()), String::new()]);
        }
    }

    #[test]
    fn a_server_without_ranges_starts_anew() {
        let (_folder, mut download, _) = with_part(&content()[..1000]);
        download.mirrors = vec![good()];
        succeeds(&download);
    }

    #[test]
    fn a_complete_part_needs_no_network() {
        let (_folder, download, asked) = with_part(&content());
        succeeds(&download);
        assert!(asked.lock().unwrap().is_empty());
    }

    #[test]
    fn an_unwritable_place_stops_at_once() {
        let (folder, mut download) = download(vec![good()]);
        fs::write(folder.path().join("sub"), "a file where a folder should be").unwrap();
        download.mirrors.push(good());
        assert!(download.run(&quick()).unwrap_err().to_string().contains("cannot create the folder"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let file = File::options().append(true).open("/dev/full").unwrap();
        let mut part = Part { path: "/dev/full".into(), file };
        assert!(part.write(b"x").unwrap_err().to_string().contains("the disk is full"));
    }

    #[test]
    fn a_damaged_file_in_another_layout_is_not_shadowed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("frey_rawface.mat"), "damaged").unwrap();
        let error = fetch(folder.path(), &[Set::Frey]).unwrap_err().to_string();
        assert!(error.contains("frey_rawface.mat") && error.contains("remove that file"), "{error}");
    }

    #[test]
    fn the_real_addresses_are_well_formed() {
        for file in DataFile::MNIST.iter().chain(&DataFile::FREY) {
            let download = Download::of(*file, Path::new("data"));
            assert!(download.mirrors.len() >= 2);
            for url in &download.mirrors {
                assert!(url.parse::<ureq::http::Uri>().is_ok() && url.starts_with("https://"), "{url}");
            }
        }
    }
}
