//! The sockets on both sides. Each is read by a task of its own, which turns what comes into events.
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use zeromq::{
    DealerSendHalf, DealerSocket, PubSocket, RepSocket, RouterSendHalf, RouterSocket, Socket, SocketOptions,
    SocketRecv, SocketSend, SubSocket, ZmqMessage, util::PeerIdentity,
};

use super::{connection::Connection, gate::Gate};

/// What happens to the relay.
pub enum Event {
    /// Frames from Jupyter.
    Front(Channel, ZmqMessage),
    /// Frames from evcxr.
    Back(Channel, ZmqMessage),
    /// evcxr is ready.
    Ready {
        /// Where we write.
        back: Back,
        /// Whether `vae_core` is loaded already.
        preloaded: bool,
    },
    /// What the launcher is doing.
    Progress(String),
    /// evcxr is gone, or never came; why.
    Gone(String),
    /// Ctrl-C.
    Interrupt,
    /// The relay shall end.
    Terminate,
}

/// A channel of Jupyter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Requests.
    Shell,
    /// Urgent requests.
    Control,
    /// Questions to the user.
    Stdin,
    /// Output.
    Iopub,
}

/// Events on their way. Bounded: a cell that prints faster than Jupyter reads is slowed down, as it is without a relay.
pub type Events = mpsc::Sender<Event>;

/// Jupyter's side, where we write.
pub struct Front {
    /// Replies.
    pub shell: RouterSendHalf,
    /// Urgent replies.
    pub control: RouterSendHalf,
    /// Questions to the user.
    pub stdin: RouterSendHalf,
    /// Output.
    pub iopub: PubSocket,
    /// In front of them.
    pub gate: Gate,
}

/// evcxr's side, where we write.
pub struct Back {
    /// Requests.
    pub shell: DealerSendHalf,
    /// Urgent requests.
    pub control: DealerSendHalf,
    /// The user's answers.
    pub stdin: DealerSendHalf,
    /// What signs.
    pub key: super::wire::Key,
}

/// Opens Jupyter's ports, answers the heartbeat, and reads requests.
pub async fn bind(connection: &Connection, events: &Events) -> anyhow::Result<Front> {
    let gate = Gate::new().context("no folder for the kernel's sockets can be made")?;
    let mut heartbeat = RepSocket::new();
    open(connection, &gate, &mut heartbeat, "heartbeat", connection.hb_port).await?;
    tokio::spawn(async move {
        loop {
            match heartbeat.recv().await {
                Ok(beat) => drop(heartbeat.send(beat).await),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    let router = async |channel, name, port| -> anyhow::Result<RouterSendHalf> {
        let mut socket = RouterSocket::new();
        open(connection, &gate, &mut socket, name, port).await?;
        let (send, recv) = socket.split();
        tokio::spawn(read(recv, events.clone(), move |frames| Event::Front(channel, frames)));
        Ok(send)
    };
    let mut iopub = PubSocket::new();
    open(connection, &gate, &mut iopub, "iopub", connection.iopub_port).await?;
    Ok(Front {
        control: router(Channel::Control, "control", connection.control_port).await?,
        stdin: router(Channel::Stdin, "stdin", connection.stdin_port).await?,
        shell: router(Channel::Shell, "shell", connection.shell_port).await?,
        iopub,
        gate,
    })
}

/// A socket behind the gate, and its port.
async fn open(
    connection: &Connection,
    gate: &Gate,
    socket: &mut impl Socket,
    name: &str,
    port: u16,
) -> anyhow::Result<()> {
    socket.bind(&gate.behind(name)).await.with_context(|| format!("the kernel's {name} socket cannot be made"))?;
    let opened = gate.open(connection.address(port), name).await;
    opened.with_context(|| format!("Jupyter's {name} port {port} cannot be used"))
}

/// Connects to evcxr, waiting until it listens, and reads what it says.
pub async fn connect(connection: &Connection, events: &Events) -> anyhow::Result<Back> {
    // evcxr asks for input on the stdin channel whoever sent the request on the shell channel: one identity for both.
    let identity = PeerIdentity::new();
    let dealer = async |channel, port| -> anyhow::Result<DealerSendHalf> {
        let mut options = SocketOptions::default();
        options.peer_identity(identity.clone());
        let mut socket = DealerSocket::with_options(options);
        socket.connect(&connection.endpoint(port)).await.context("evcxr does not listen")?;
        let (send, recv) = socket.split();
        tokio::spawn(read(recv, events.clone(), move |frames| Event::Back(channel, frames)));
        Ok(send)
    };
    let mut iopub = SubSocket::new();
    iopub.connect(&connection.endpoint(connection.iopub_port)).await.context("evcxr does not listen")?;
    iopub.subscribe("").await.context("evcxr's output cannot be subscribed to")?;
    tokio::spawn(read(iopub, events.clone(), |frames| Event::Back(Channel::Iopub, frames)));
    Ok(Back {
        shell: dealer(Channel::Shell, connection.shell_port).await?,
        control: dealer(Channel::Control, connection.control_port).await?,
        stdin: dealer(Channel::Stdin, connection.stdin_port).await?,
        key: connection.key()?,
    })
}

async fn read(mut socket: impl SocketRecv, events: Events, event: impl Fn(ZmqMessage) -> Event) {
    loop {
        match socket.recv().await {
            Ok(frames) => {
                if events.send(event(frames)).await.is_err() {
                    return;
                }
            }
            // The other side is gone; it may come back (a front end that reconnects).
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        if events.is_closed() {
            return;
        }
    }
}
