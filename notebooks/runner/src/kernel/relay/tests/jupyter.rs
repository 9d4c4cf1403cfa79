//! A small Jupyter, the relay, and the small evcxr behind it.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use zeromq::{DealerSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage, util::PeerIdentity};

use super::evcxr::{Kernel, evcxr};
use crate::kernel::relay::{
    connection::Connection,
    core::{Engine, Relay},
    sockets::{self, Event, Events},
    types::Types,
    wire::{Key, Message},
};

/// What the relay did to evcxr's processes.
#[derive(Clone, Default)]
struct Processes(Arc<Mutex<Vec<&'static str>>>);

impl Engine for Processes {
    fn interrupt_program(&self) -> anyhow::Result<()> {
        self.0.lock().unwrap().push("SIGINT");
        Ok(())
    }
    fn end(&self) {
        self.0.lock().unwrap().push("end");
    }
}

/// A front end, the relay and the kernel behind it.
pub struct Jupyter {
    pub key: Key,
    pub connection: Connection,
    pub shell: DealerSocket,
    pub control: DealerSocket,
    pub stdin: DealerSocket,
    iopub: SubSocket,
    pub events: Events,
    inner: Connection,
    processes: Processes,
    pub relay: JoinHandle<()>,
    _kernel: JoinHandle<()>,
    _dir: tempfile::TempDir,
    requests: u32,
}

#[derive(Debug)]
pub struct Done {
    pub outputs: Vec<(String, Value)>,
    pub reply: Value,
}

impl Done {
    /// What came, neighbouring pieces of text taken together.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = self.outputs.iter().map(|(kind, _)| kind.as_str()).collect();
        kinds.dedup_by(|a, b| a == b && *a == "stream");
        kinds
    }
    pub fn text(&self, name: &str) -> String {
        let streams = self.outputs.iter().filter(|(kind, content)| kind == "stream" && content["name"] == name);
        streams.map(|(_, content)| content["text"].as_str().unwrap()).collect()
    }
}

impl Jupyter {
    pub async fn start() -> Self {
        let mut jupyter = Self::before_evcxr().await;
        jupyter.evcxr_comes().await;
        jupyter
    }

    pub async fn before_evcxr() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("note");
        let (events, received) = mpsc::channel(64);
        // A free port may be taken by another test before it is bound.
        let (connection, inner, kernel, front) = loop {
            let (connection, inner) = (Connection::private().unwrap(), Connection::private().unwrap());
            if let (Ok(kernel), Ok(front)) = (Kernel::bind(&inner).await, sockets::bind(&connection, &events).await) {
                break (connection, inner, kernel, front);
            }
        };
        let kernel = tokio::spawn(evcxr(kernel, inner.key().unwrap(), note.clone()));
        let processes = Processes::default();
        let types = Types::new(dir.path().to_owned());
        let relay = Relay::new(front, connection.key().unwrap(), processes.clone(), note, types);
        let relay = tokio::spawn(relay.run(received));
        let identity = PeerIdentity::new();
        let dealer = async |port| {
            let mut options = SocketOptions::default();
            options.peer_identity(identity.clone());
            let mut socket = DealerSocket::with_options(options);
            socket.connect(&connection.endpoint(port)).await.unwrap();
            socket
        };
        let mut iopub = SubSocket::new();
        iopub.connect(&connection.endpoint(connection.iopub_port)).await.unwrap();
        iopub.subscribe("").await.unwrap();
        Self {
            key: connection.key().unwrap(),
            shell: dealer(connection.shell_port).await,
            control: dealer(connection.control_port).await,
            stdin: dealer(connection.stdin_port).await,
            connection: connection.clone(),
            iopub,
            events,
            inner,
            processes,
            relay,
            _kernel: kernel,
            _dir: dir,
            requests: 0,
        }
    }

    pub async fn evcxr_comes(&mut self) {
        let back = sockets::connect(&self.inner, &self.events).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await; // subscriptions arrive
        self.events.send(Event::Ready { back, preloaded: true }).await.unwrap_or_else(|_| panic!("no relay"));
    }

    pub fn request(&mut self, kind: &str, content: &Value) -> (String, ZmqMessage) {
        self.requests += 1;
        let id = format!("request-{}", self.requests);
        let mut message = Message::new(kind, &Bytes::new(), content);
        message.parts[0] =
            Bytes::from(json!({"msg_id": id, "msg_type": kind, "session": "s", "username": "u"}).to_string());
        (id, message.frames(&self.key))
    }

    pub async fn send(&mut self, code: &str) -> String {
        let (id, frames) = self.request("execute_request", &json!({"code": code, "stop_on_error": true}));
        self.shell.send(frames).await.unwrap();
        id
    }

    async fn output(&mut self) -> Message {
        let frames = timeout(Duration::from_secs(10), self.iopub.recv()).await.expect("output").unwrap();
        Message::read(frames, &self.key).unwrap()
    }

    pub async fn reply(&mut self) -> Message {
        let frames = timeout(Duration::from_secs(10), self.shell.recv()).await.expect("a reply").unwrap();
        Message::read(frames, &self.key).unwrap()
    }

    /// Follows a request to its end.
    pub async fn done(&mut self, id: &str) -> Done {
        let mut outputs = Vec::new();
        loop {
            let message = self.output().await;
            if message.parent_id() != id {
                continue;
            }
            let content = message.content();
            match message.header.msg_type.as_str() {
                "status" if content["execution_state"] == "idle" => break,
                "status" => {}
                kind => outputs.push((kind.to_owned(), content)),
            }
        }
        let reply = self.reply().await;
        assert_eq!(reply.parent_id(), id);
        Done { outputs, reply: reply.content() }
    }

    pub async fn run(&mut self, code: &str) -> Done {
        let id = self.send(code).await;
        self.done(&id).await
    }

    pub async fn interrupt(&mut self) {
        let (_, frames) = self.request("interrupt_request", &json!({}));
        self.control.send(frames).await.unwrap();
        let reply = timeout(Duration::from_secs(10), self.control.recv()).await.expect("a reply").unwrap();
        assert_eq!(Message::read(reply, &self.key).unwrap().header.msg_type, "interrupt_reply");
    }

    pub fn signals(&self) -> Vec<&'static str> {
        self.processes.0.lock().unwrap().clone()
    }
}
