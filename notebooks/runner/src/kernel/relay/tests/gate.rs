//! What a process without the key sends, to each port.
use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use vae_core::{
    rand::Rng as _,
    rng::{Stream, rng},
};

use super::jupyter::Jupyter;

/// A frame: flags (1 more, 2 long, 4 a command), size and body.
fn frame(flags: u8, size: u64, body: &[u8]) -> Vec<u8> {
    let size = if flags & 2 == 0 { vec![size as u8] } else { size.to_be_bytes().to_vec() };
    [vec![flags], size, body.to_vec()].concat()
}

fn ready(kind: &str) -> Vec<u8> {
    let property = [b"\x0bSocket-Type".to_vec(), (kind.len() as u32).to_be_bytes().to_vec(), kind.into()].concat();
    let body = [b"\x05READY".to_vec(), property].concat();
    frame(4, body.len() as u64, &body)
}

fn greeting() -> Vec<u8> {
    let mut greeting = [[0xff].as_slice(), &[0; 8], b"\x7f\x03\x00NULL"].concat();
    greeting.resize(64, 0);
    greeting
}

/// Sends it to every port, and waits until it is read or the connection is cut.
async fn attack(jupyter: &Jupyter, handshake: bool, bytes: &[u8]) {
    let c = &jupyter.connection;
    let dealer = [c.shell_port, c.control_port, c.stdin_port].map(|port| (port, "DEALER"));
    for (port, kind) in dealer.into_iter().chain([(c.hb_port, "REQ"), (c.iopub_port, "SUB")]) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&greeting()).await.unwrap();
        if handshake {
            stream.write_all(&ready(kind)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = tokio::time::timeout(Duration::from_millis(200), stream.read_to_end(&mut Vec::new())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_key_ends_the_relay() {
    let panics = panics();
    let mut jupyter = Jupyter::start().await;
    let long = |kind: u8| frame(kind, 1 << 40, &[0; 100]);
    let deep = frame(1, 0, &[]).repeat(1_000_000);
    let malformed = [
        frame(4, 0, &[]),
        frame(4, 1, b"\xff"),
        frame(4, 6, b"\x05READY\x40"),
        frame(4, 13, b"\x05READY\x01a\xff\xff\xff\xff"),
    ];
    for handshake in [false, true] {
        for bytes in [long(2), long(6), long(3), frame(2, u64::MAX, &[]), deep.clone()] {
            attack(&jupyter, handshake, &bytes).await;
        }
        for bytes in &malformed {
            attack(&jupyter, handshake, bytes).await;
        }
    }
    let mut rng = rng(18, Stream::User, 0);
    for _ in 0..40 {
        let frames: Vec<u8> = (0..25)
            .flat_map(|_| {
                let body: Vec<u8> = (0..rng.random_range(0..60)).map(|_| rng.random()).collect();
                let size = if rng.random_bool(0.9) { body.len() as u64 } else { rng.random() };
                frame(rng.random_range(0..8), size, &body)
            })
            .collect();
        let handshake = rng.random();
        attack(&jupyter, handshake, &frames).await;
    }
    assert_eq!(jupyter.run("result 3").await.reply["status"], "ok");
    assert_eq!(panics.load(std::sync::atomic::Ordering::SeqCst), 0, "the crate panicked");
}

/// Counts the panics in the crate's tasks, from here on.
fn panics() -> std::sync::Arc<std::sync::atomic::AtomicUsize> {
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (own, before) = (count.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        if info.location().is_some_and(|place| !place.file().contains("notebooks/runner")) {
            own.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        before(info);
    }));
    count
}

#[tokio::test]
async fn a_large_cell_passes_the_gate() {
    let mut jupyter = Jupyter::start().await;
    let code = format!("result 5\n{}", "# ".repeat(4 << 20));
    assert_eq!(jupyter.run(&code).await.reply["status"], "ok");
}
