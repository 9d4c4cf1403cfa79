//! Downloads from small servers of the loopback interface that do what real ones do wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::*;

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
                let range = head
                    .iter()
                    .find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(|range| range.to_owned()));
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
    Patience { connect: soon, read: soon, proxy: None }
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

#[test]
fn a_dead_proxy_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_folder, download) = download(vec![good()]);
    let proxy = Proxy::new(&format!("http://user:secret@{closed}")).unwrap();
    let error = download.run(&Patience { proxy: Some(proxy), ..quick() }).unwrap_err().to_string();
    assert!(error.contains(&format!("through the proxy {closed}")) && error.contains("unset the variable"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    succeeds(&download);
}
