//! One file from several mirrors: streamed, continued where a connection broke, verified, and only then renamed.
use std::{
    fs,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use ureq::{Agent, Proxy, http::StatusCode};

use super::part::Part;

#[cfg(test)]
mod tests;

/// How long to wait for a server before the next one is tried.
#[derive(Clone, Debug)]
pub struct Patience {
    /// For the name, the connection, the first line of the answer.
    pub connect: Duration,
    /// Without a byte of the file.
    pub read: Duration,
    /// Through which all connections go.
    pub proxy: Option<Proxy>,
}

impl Default for Patience {
    /// With the proxy that `HTTPS_PROXY` and the like name.
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), read: Duration::from_secs(20), proxy: Proxy::try_from_env() }
    }
}

impl Patience {
    fn agent(&self) -> Agent {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(self.connect))
            .timeout_connect(Some(self.connect))
            .timeout_recv_response(Some(self.connect))
            .timeout_per_read(Some(self.read))
            .user_agent(concat!("vae_core/", env!("CARGO_PKG_VERSION")))
            .proxy(self.proxy.clone());
        config.build().new_agent()
    }

    /// What to look at first, if all connections go through a proxy. Its name and password, if it has some, are nobody's business.
    fn advice(&self) -> String {
        self.proxy.as_ref().map_or(String::new(), |proxy| {
            let (host, port) = (proxy.host(), proxy.port());
            format!("All of them were asked through the proxy {host}:{port}, which the environment names (HTTPS_PROXY and the like): if it is not in use any more, unset the variable.\n")
        })
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
    /// Downloads, verifies and installs it.
    ///
    /// # Errors
    /// One sentence that says what failed, what each mirror answered, and where to put the file by hand.
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
            "{name} could not be downloaded; every mirror failed:\n{}\n{}Try again later, or download it in another way, put it at {name} and run the command again to verify it",
            answers.join("\n"),
            patience.advice()
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
