//! What stands between Jupyter's ports and the ZeroMQ crate: any process of the machine can connect to a port, and the signature of a
//! message is known only when all of it is there.
//!
//! The crate (0.6) reserves as many bytes as a frame announces, which aborts the program at 2⁴⁰, calls itself once a frame of a message,
//! and panics in a malformed command; it has no setting for any of it. So it listens in a folder of this user, and on the
//! ports the gate lets through what ZMTP 3 allows, up to bounds that no front end comes near. It hands on bytes and keeps none.
use std::{
    io::{Error, ErrorKind, Result},
    path::PathBuf,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy},
    net::{TcpListener, TcpStream, UnixStream},
};

/// Bytes of a message. Front ends send code, and files that a user opens in a widget.
const MESSAGE: u64 = 32 << 20;
/// Bytes of a command: READY with its properties, a subscription.
const COMMAND: u64 = 4096;
/// Frames of a message: identities, the six of the protocol, binary buffers.
const FRAMES: usize = 256;

/// The folder that the crate listens in.
pub struct Gate(TempDir);

impl Gate {
    /// A new one. Not in the checkout, whose path may be longer than a socket's may be.
    pub fn new() -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        builder.prefix("vaeb-kernel-").tempdir().map(Self)
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Where the crate is to listen for what comes through the gate of this name.
    pub fn behind(&self, name: &str) -> String {
        format!("ipc://{}", self.0.path().join(name).display())
    }

    /// Opens a port, behind which the crate listens already.
    pub async fn open(&self, address: (&str, u16), name: &str) -> Result<()> {
        let listener = TcpListener::bind(address).await?;
        let inside = self.0.path().join(name);
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((outside, _)) => drop(tokio::spawn(pass(outside, inside.clone()))),
                    // Too many open files, for instance.
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                }
            }
        });
        Ok(())
    }
}

/// Carries a connection until either side ends it, or does what it may not.
async fn pass(outside: TcpStream, inside: PathBuf) -> Result<()> {
    outside.set_nodelay(true)?;
    let (from_outside, mut to_outside) = outside.into_split();
    let (mut from_inside, to_inside) = UnixStream::connect(inside).await?.into_split();
    let ended = tokio::select! {
        ended = check(BufReader::new(from_outside), to_inside) => ended,
        ended = copy(&mut from_inside, &mut to_outside) => ended.map(drop),
    };
    if let Err(error) = &ended {
        super::log::log(|| format!("a connection is cut: {error}"));
    }
    ended
}

/// Hands on ZMTP 3 as long as it is within the bounds.
async fn check(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> Result<()> {
    copy(&mut (&mut from).take(64), &mut to).await?; // the greeting, which the crate reads without fault
    let (mut bytes, mut frames) = (0u64, 0);
    loop {
        let flags = match from.read_u8().await {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            flags => flags?,
        };
        let (more, long, command) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        let size = if long { from.read_u64().await? } else { from.read_u8().await?.into() };
        let mut head = vec![flags];
        if long {
            head.extend(size.to_be_bytes())
        } else {
            head.push(size as u8)
        }
        if command {
            if size > COMMAND {
                return Err(refused(format!("a command of {size} bytes")));
            }
            let mut body = vec![0; size as usize];
            from.read_exact(&mut body).await?;
            is_whole(&body).ok_or_else(|| refused("a malformed command".into()))?;
            to.write_all(&[head, body].concat()).await?;
            continue;
        }
        (bytes, frames) = (bytes.saturating_add(size), frames + 1);
        if bytes > MESSAGE || frames > FRAMES {
            return Err(refused(format!("a message of {bytes} bytes in {frames} frames")));
        }
        to.write_all(&head).await?;
        if copy(&mut (&mut from).take(size), &mut to).await? < size {
            return Ok(());
        }
        if !more {
            (bytes, frames) = (0, 0);
        }
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::InvalidData, format!("{what}, which no front end sends"))
}

/// Whether a command's name and its properties end where they should.
fn is_whole(body: &[u8]) -> Option<()> {
    let (name, mut rest) = body.split_first().and_then(|(n, rest)| rest.split_at_checked(usize::from(*n)))?;
    while name == b"READY" && !rest.is_empty() {
        let (_, value) = rest.split_first().and_then(|(n, rest)| rest.split_at_checked(usize::from(*n)))?;
        let (size, value) = value.split_first_chunk::<4>()?;
        rest = value.split_at_checked(u32::from_be_bytes(*size) as usize)?.1;
    }
    Some(())
}
