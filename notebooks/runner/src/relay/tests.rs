//! The relay between a small Jupyter and a small evcxr, over real sockets of the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use zeromq::{
    DealerSocket, PubSocket, ReqSocket, RouterSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket,
    ZmqMessage, util::PeerIdentity,
};

use super::{
    connection::Connection,
    core::{Engine, Relay},
    live::MARK,
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

/// Where the small evcxr listens.
struct Kernel {
    shell: RouterSocket,
    control: RouterSocket,
    stdin: RouterSocket,
    iopub: PubSocket,
}

impl Kernel {
    async fn bind(connection: &Connection) -> zeromq::ZmqResult<Self> {
        let (mut shell, mut control) = (RouterSocket::new(), RouterSocket::new());
        let (mut stdin, mut iopub) = (RouterSocket::new(), PubSocket::new());
        shell.bind(&connection.endpoint(connection.shell_port)).await?;
        control.bind(&connection.endpoint(connection.control_port)).await?;
        stdin.bind(&connection.endpoint(connection.stdin_port)).await?;
        iopub.bind(&connection.endpoint(connection.iopub_port)).await?;
        Ok(Self { shell, control, stdin, iopub })
    }
}

/// A kernel that does what the lines of a cell say, with evcxr's habits.
async fn evcxr(kernel: Kernel, key: Key, note: PathBuf) {
    let Kernel { mut shell, mut control, mut stdin, mut iopub } = kernel;
    loop {
        let request = Message::read(shell.recv().await.unwrap(), &key).unwrap();
        let publish = async |iopub: &mut PubSocket, kind: &str, content: Value| {
            iopub.send(Message::new(kind, &request.parts[0], &content).frames(&key)).await.unwrap();
        };
        publish(&mut iopub, "status", json!({"execution_state": "busy"})).await;
        let mut reply = json!({"status": "ok", "execution_count": 2});
        let mut late = None;
        for line in request.content()["code"].as_str().unwrap_or_default().lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let text = format!("{rest}\n");
            match word {
                "out" => publish(&mut iopub, "stream", json!({"name": "stdout", "text": text})).await,
                "mark" => {
                    publish(&mut iopub, "stream", json!({"name": "stdout", "text": format!("{MARK}{text}")})).await
                }
                "err" => publish(&mut iopub, "stream", json!({"name": "stderr", "text": text})).await,
                "late" => late = Some(text),
                "note" => std::fs::write(&note, rest.replace('|', "\n")).unwrap(),
                "many" => {
                    for i in 0..rest.parse().unwrap() {
                        publish(&mut iopub, "stream", json!({"name": "stdout", "text": format!("{i}\n")})).await;
                    }
                }
                "fail" => {
                    publish(&mut iopub, "error", json!({"ename": "Error", "evalue": rest, "traceback": [rest]})).await;
                    reply["status"] = json!("error");
                }
                "result" => {
                    let content = json!({"execution_count": 2, "data": {"text/plain": rest}, "metadata": {}});
                    publish(&mut iopub, "execute_result", content).await;
                }
                // Works until evcxr is asked to end the program.
                "hang" => {
                    let interrupt = Message::read(control.recv().await.unwrap(), &key).unwrap();
                    assert_eq!(interrupt.header.msg_type, "interrupt_request");
                    let text = "Subprocess terminated with status: signal: 9 (SIGKILL)";
                    publish(&mut iopub, "error", json!({"ename": "Error", "evalue": text, "traceback": [text]})).await;
                    reply["status"] = json!("error");
                }
                "sleep" => tokio::time::sleep(Duration::from_millis(rest.parse().unwrap())).await,
                "ask" => {
                    let ids = request.ids.clone();
                    let question = Message::new("input_request", &request.parts[0], &json!({"prompt": rest}));
                    stdin.send(Message { ids, ..question }.frames(&key)).await.unwrap();
                    let answer = Message::read(stdin.recv().await.unwrap(), &key).unwrap();
                    let text = answer.content()["value"].as_str().unwrap().to_owned();
                    publish(&mut iopub, "stream", json!({"name": "stdout", "text": text})).await;
                }
                _ => {}
            }
        }
        shell.send(Message::reply(&request, &reply).frames(&key)).await.unwrap();
        publish(&mut iopub, "status", json!({"execution_state": "idle"})).await;
        if let Some(text) = late {
            publish(&mut iopub, "stream", json!({"name": "stderr", "text": text})).await;
        }
    }
}

/// A front end, the relay and the kernel behind it.
struct Jupyter {
    key: Key,
    connection: Connection,
    shell: DealerSocket,
    control: DealerSocket,
    stdin: DealerSocket,
    iopub: SubSocket,
    events: Events,
    inner: Connection,
    processes: Processes,
    relay: JoinHandle<()>,
    _kernel: JoinHandle<()>,
    _dir: tempfile::TempDir,
    requests: u32,
}

#[derive(Debug)]
struct Done {
    outputs: Vec<(String, Value)>,
    reply: Value,
}

impl Done {
    /// What came, neighbouring pieces of text taken together.
    fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = self.outputs.iter().map(|(kind, _)| kind.as_str()).collect();
        kinds.dedup_by(|a, b| a == b && *a == "stream");
        kinds
    }
    fn text(&self, name: &str) -> String {
        let streams = self.outputs.iter().filter(|(kind, content)| kind == "stream" && content["name"] == name);
        streams.map(|(_, content)| content["text"].as_str().unwrap()).collect()
    }
}

impl Jupyter {
    async fn start() -> Self {
        let mut jupyter = Self::before_evcxr().await;
        jupyter.evcxr_comes().await;
        jupyter
    }

    async fn before_evcxr() -> Self {
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

    async fn evcxr_comes(&mut self) {
        let back = sockets::connect(&self.inner, &self.events).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await; // subscriptions arrive
        self.events.send(Event::Ready { back, preloaded: true }).await.unwrap_or_else(|_| panic!("no relay"));
    }

    fn request(&mut self, kind: &str, content: &Value) -> (String, ZmqMessage) {
        self.requests += 1;
        let id = format!("request-{}", self.requests);
        let mut message = Message::new(kind, &Bytes::new(), content);
        message.parts[0] =
            Bytes::from(json!({"msg_id": id, "msg_type": kind, "session": "s", "username": "u"}).to_string());
        (id, message.frames(&self.key))
    }

    async fn send(&mut self, code: &str) -> String {
        let (id, frames) = self.request("execute_request", &json!({"code": code, "stop_on_error": true}));
        self.shell.send(frames).await.unwrap();
        id
    }

    async fn output(&mut self) -> Message {
        let frames = timeout(Duration::from_secs(10), self.iopub.recv()).await.expect("output").unwrap();
        Message::read(frames, &self.key).unwrap()
    }

    async fn reply(&mut self) -> Message {
        let frames = timeout(Duration::from_secs(10), self.shell.recv()).await.expect("a reply").unwrap();
        Message::read(frames, &self.key).unwrap()
    }

    /// Follows a request to its end.
    async fn done(&mut self, id: &str) -> Done {
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

    async fn run(&mut self, code: &str) -> Done {
        let id = self.send(code).await;
        self.done(&id).await
    }

    async fn interrupt(&mut self) {
        let (_, frames) = self.request("interrupt_request", &json!({}));
        self.control.send(frames).await.unwrap();
        let reply = timeout(Duration::from_secs(10), self.control.recv()).await.expect("a reply").unwrap();
        assert_eq!(Message::read(reply, &self.key).unwrap().header.msg_type, "interrupt_reply");
    }

    fn signals(&self) -> Vec<&'static str> {
        self.processes.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_good_cell_passes_through() {
    let mut jupyter = Jupyter::start().await;
    let done = jupyter.run("out one\nerr warning: two\nresult 3").await;
    assert_eq!(done.kinds(), ["stream", "execute_result"]);
    assert_eq!((done.text("stdout").as_str(), done.text("stderr").as_str()), ("one\n", "warning: two\n"));
    assert_eq!(done.outputs.last().unwrap().1["execution_count"], 1, "counted from 1");
    assert_eq!(done.reply["status"], "ok");
    assert_eq!(jupyter.run("result 4").await.reply["execution_count"], 2);
}

#[tokio::test]
async fn marks_become_displays_while_the_cell_runs() {
    let mut jupyter = Jupyter::start().await;
    let code = r#"mark {"op":"display","id":"a","data":{"text/plain":"1"}}
mark {"op":"update","id":"a","data":{"text/plain":"2"}}
mark {"op":"text","id":"t","text":"10 %"}
mark {"op":"text","id":"t","text":"20 %"}
mark {"op":"clear","wait":true}
mark {"op":"text","id":"t","text":"30 %"}
out end
mark {"op":"unknown"}"#;
    let done = jupyter.run(code).await;
    assert_eq!(done.kinds(), ["display_data", "update_display_data", "stream", "clear_output", "stream"]);
    assert_eq!(done.outputs[0].1["transient"], done.outputs[1].1["transient"]);
    assert_eq!(done.text("stdout"), format!("10 %\r20 %30 %\nend\n{MARK}{{\"op\":\"unknown\"}}\n"));
}

#[tokio::test]
async fn a_failed_question_mark_is_an_error_and_stops_the_queue() {
    let mut jupyter = Jupyter::start().await;
    let failing = jupyter.send("out before\nnote error|core::num::error::ParseIntError|invalid digit").await;
    let next = jupyter.send("out never").await;
    let done = jupyter.done(&failing).await;
    assert_eq!(done.kinds(), ["stream", "error"]);
    assert_eq!(done.outputs[1].1["ename"], "ParseIntError");
    assert_eq!((&done.reply["status"], &done.reply["evalue"]), (&json!("error"), &json!("invalid digit")));
    let aborted = jupyter.done(&next).await;
    assert_eq!((aborted.reply["status"].as_str(), aborted.outputs.len()), (Some("aborted"), 0));
    assert_eq!(jupyter.run("result 1").await.reply["status"], "ok");
}

#[tokio::test]
async fn a_panic_is_an_error_with_its_message_even_if_that_comes_late() {
    let mut jupyter = Jupyter::start().await;
    let panic = "err thread 'main' (1) panicked at src/lib.rs:1:1:\nerr boom\nerr stack backtrace:\nerr    0: f";
    let done = jupyter.run(&format!("{panic}\nnote panic")).await;
    assert_eq!(done.kinds(), ["error"], "no backtrace");
    assert_eq!((&done.reply["ename"], &done.reply["evalue"]), (&json!("panic"), &json!("boom")));
    let caught = jupyter.run(&format!("{panic}\nresult 1")).await;
    assert_eq!((caught.text("stderr").as_str(), &caught.reply["status"]), ("panicked: boom\n", &json!("ok")));
}

#[tokio::test]
async fn what_is_printed_last_arrives_before_idle() {
    let mut jupyter = Jupyter::start().await;
    assert_eq!(jupyter.run("late warning: slow").await.text("stderr"), "warning: slow\n");
}

#[tokio::test]
async fn many_lines_arrive_whole_and_in_few_messages() {
    let mut jupyter = Jupyter::start().await;
    let done = jupyter.run("many 20000").await;
    assert_eq!(done.text("stdout").lines().count(), 20_000);
    assert_eq!(done.text("stdout").lines().last(), Some("19999"));
    assert!(done.outputs.len() < 2_000, "{}", done.outputs.len());
}

#[tokio::test]
async fn evcxrs_errors_get_what_the_specification_asks_for() {
    let mut jupyter = Jupyter::start().await;
    let done = jupyter.run("fail mismatched types").await;
    assert_eq!(done.kinds(), ["error"]);
    for field in ["ename", "evalue", "traceback"] {
        assert_eq!(done.reply[field], done.outputs[0].1[field], "{field}");
    }
    let done = jupyter.run("fail Subprocess terminated with status: exit status: 3").await;
    assert_eq!(done.reply["ename"], "Ended");
}

#[tokio::test]
async fn the_first_interrupt_of_a_training_is_soft_and_the_second_is_evcxrs() {
    let mut jupyter = Jupyter::start().await;
    let id = jupyter.send("mark {\"op\":\"training\",\"state\":\"begin\"}\nhang").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    jupyter.interrupt().await;
    assert_eq!(jupyter.signals(), ["SIGINT"]);
    jupyter.interrupt().await;
    let done = jupyter.done(&id).await;
    assert_eq!(jupyter.signals(), ["SIGINT"]);
    assert_eq!(done.reply["ename"], "Interrupted");
}

#[tokio::test]
async fn an_interrupt_without_training_is_evcxrs_and_without_a_cell_nothing() {
    let mut jupyter = Jupyter::start().await;
    jupyter.interrupt().await;
    let id = jupyter.send("hang").await;
    let waiting = jupyter.send("out never").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    jupyter.interrupt().await;
    assert_eq!(jupyter.done(&id).await.reply["ename"], "Interrupted");
    assert_eq!(jupyter.done(&waiting).await.reply["status"], "aborted");
    assert!(jupyter.signals().is_empty());
}

#[tokio::test]
async fn unsigned_and_foreign_messages_are_dropped() {
    let mut jupyter = Jupyter::start().await;
    let (_, frames) = jupyter.request("execute_request", &json!({"code": "out stolen"}));
    let mut unsigned = frames.clone().into_vec();
    unsigned[1] = Bytes::new();
    jupyter.shell.send(unsigned.try_into().unwrap()).await.unwrap();
    let foreign = Message::new("shutdown_request", &Bytes::new(), &json!({})).frames(&Key::new("other").unwrap());
    jupyter.control.send(foreign).await.unwrap();
    jupyter.shell.send(ZmqMessage::from("nonsense")).await.unwrap();
    let done = jupyter.run("out mine").await;
    assert_eq!(done.text("stdout"), "mine\n");
    assert_eq!(done.reply["execution_count"], 1);
}

#[tokio::test]
async fn before_evcxr_is_there_the_front_end_is_answered_and_cells_wait() {
    let mut jupyter = Jupyter::before_evcxr().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (_, frames) = jupyter.request("kernel_info_request", &json!({}));
    jupyter.shell.send(frames).await.unwrap();
    assert_eq!(jupyter.reply().await.content()["language_info"]["name"], "rust");
    let id = jupyter.send("result 1").await;
    jupyter.events.send(Event::Progress("compiling".into())).await.unwrap_or_else(|_| panic!());
    tokio::time::sleep(Duration::from_millis(50)).await;
    jupyter.evcxr_comes().await;
    let done = jupyter.done(&id).await;
    assert_eq!(done.kinds(), ["stream", "clear_output", "execute_result"]);
}

#[tokio::test]
async fn the_end_of_evcxr_is_said_in_the_cell_and_in_later_ones() {
    let mut jupyter = Jupyter::start().await;
    let id = jupyter.send("out one\nsleep 60000").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    jupyter.events.send(Event::Gone("evcxr has ended".into())).await.unwrap_or_else(|_| panic!());
    let done = jupyter.done(&id).await;
    assert_eq!(done.kinds(), ["stream", "error"]);
    assert_eq!(done.reply["evalue"], "evcxr has ended");
    assert_eq!(jupyter.run("out two").await.reply["ename"], "KernelEnded");
}

#[tokio::test]
async fn questions_to_the_user_and_the_answers_pass() {
    let mut jupyter = Jupyter::start().await;
    let id = jupyter.send("ask name?").await;
    let question = timeout(Duration::from_secs(10), jupyter.stdin.recv()).await.expect("a question").unwrap();
    assert_eq!(Message::read(question, &jupyter.key).unwrap().content()["prompt"], "name?");
    let (_, answer) = jupyter.request("input_reply", &json!({"value": "Ada"}));
    jupyter.stdin.send(answer).await.unwrap();
    assert_eq!(jupyter.done(&id).await.text("stdout"), "Ada");
}

#[tokio::test]
async fn heartbeat_other_requests_and_shutdown() {
    let mut jupyter = Jupyter::start().await;
    let mut heart = ReqSocket::new();
    heart.connect(&jupyter.connection.endpoint(jupyter.connection.hb_port)).await.unwrap();
    for beat in ["1", "2"] {
        heart.send(ZmqMessage::from(beat)).await.unwrap();
        assert_eq!(heart.recv().await.unwrap().into_vec(), ZmqMessage::from(beat).into_vec());
    }
    for kind in ["history_request", "comm_info_request", "complete_request"] {
        let (id, frames) = jupyter.request(kind, &json!({"code": "x", "cursor_pos": 1}));
        jupyter.shell.send(frames).await.unwrap();
        assert_eq!(jupyter.done(&id).await.reply["status"], "ok", "{kind}");
    }
    let (_, frames) = jupyter.request("shutdown_request", &json!({"restart": true}));
    jupyter.control.send(frames).await.unwrap();
    let reply = Message::read(jupyter.control.recv().await.unwrap(), &jupyter.key).unwrap();
    assert_eq!((&reply.content()["status"], &reply.content()["restart"]), (&json!("ok"), &json!(true)));
    timeout(Duration::from_secs(5), &mut jupyter.relay).await.expect("the end").unwrap();
    assert_eq!(jupyter.signals(), ["end"]);
}
