//! What the relay does with each message.
use std::{
    collections::VecDeque,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zeromq::{SocketSend, ZmqMessage};

use super::{
    cell::{Cell, Current, Interrupt, error_content, explain, reply_content},
    failure::{self, Failure},
    live::{self, Line, Op, State, parse},
    log::{log, say},
    sockets::{Back, Channel, Event, Front},
    types::Types,
    wire::{Key, Message},
};

/// Printed text is sent at most so often; a cell that prints a hundred thousand lines does not send as many messages.
const TEXT_EVERY: Duration = Duration::from_millis(20);
/// And in pieces of about this size.
const TEXT_AT_MOST: usize = 64 * 1024;
/// A panic that did not end its cell is shown after this time.
const PANIC_SHOWN: Duration = Duration::from_millis(500);
/// The `msg_id` of the relay's own requests to evcxr.
pub const OWN: &str = "vaeb-relay";

/// evcxr's processes, as far as the relay touches them.
pub trait Engine {
    /// Sends SIGINT to the program that runs the cells, if it handles that signal.
    fn interrupt_program(&self) -> anyhow::Result<()>;
    /// Ends everything.
    fn end(&self);
}

/// Text on its way to Jupyter.
struct Text {
    name: &'static str,
    parent: Bytes,
    text: String,
    since: Instant,
}

/// The relay.
pub struct Relay<E> {
    front: Front,
    key: Key,
    back: Option<Back>,
    engine: E,
    note: PathBuf,
    types: Types,
    /// Requests that wait for their turn. evcxr takes one after the other; here they can be aborted.
    queue: VecDeque<Message>,
    current: Option<Current>,
    text: Option<Text>,
    last_text: Instant,
    count: u64,
    progress: Option<String>,
    progress_shown: bool,
    gone: Option<String>,
}

impl<E: Engine> Relay<E> {
    /// A relay whose evcxr is still to come. `note` is the file for [`failure`]'s notes.
    pub fn new(front: Front, key: Key, engine: E, note: PathBuf, types: Types) -> Self {
        Self {
            front,
            key,
            back: None,
            engine,
            note,
            types,
            queue: VecDeque::new(),
            current: None,
            text: None,
            last_text: Instant::now(),
            count: 0,
            progress: None,
            progress_shown: false,
            gone: None,
        }
    }

    /// Works until Jupyter wants the kernel to end.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        self.publish("status", &Bytes::new(), &json!({"execution_state": "starting"})).await;
        loop {
            let wait = async {
                match self.deadline() {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                event = events.recv() => event,
                () = wait => {
                    self.on_time().await;
                    continue;
                }
            };
            let goes_on = match event {
                None | Some(Event::Terminate) => false,
                Some(event) => self.on_event(event).await,
            };
            if !goes_on {
                break;
            }
            self.on_time().await;
        }
        self.flush_text().await;
        self.engine.end();
        // What was sent last is still on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    async fn on_event(&mut self, event: Event) -> bool {
        match event {
            Event::Front(channel, frames) => return self.on_front(channel, frames).await,
            Event::Back(channel, frames) => self.on_back(channel, frames).await,
            Event::Ready { back, preloaded } => {
                log(|| format!("evcxr is ready (vae_core loaded: {preloaded})"));
                if !preloaded {
                    self.types.unload();
                }
                self.back = Some(back);
                self.clear_progress().await;
                self.next().await;
            }
            Event::Progress(text) => {
                self.progress = Some(text);
                self.show_progress().await;
            }
            Event::Gone(reason) => self.on_gone(reason).await,
            Event::Interrupt => self.interrupt().await,
            Event::Terminate => return false,
        }
        true
    }

    /// When something is due although nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let text = self.text.as_ref().map(|_| self.last_text + TEXT_EVERY);
        let cell = self.current.as_ref().and_then(|c| c.cell.as_ref());
        let close = cell.and_then(Cell::closes);
        let panic = cell.filter(|c| c.done.is_none() && c.panics.holds()).map(|c| c.last_message + PANIC_SHOWN);
        [text, close, panic].into_iter().flatten().min()
    }

    async fn on_time(&mut self) {
        let now = Instant::now();
        if self.text.as_ref().is_some_and(|t| now >= self.last_text + TEXT_EVERY || t.text.len() > TEXT_AT_MOST) {
            self.flush_text().await;
        }
        let Some(current) = &mut self.current else { return };
        let Some(cell) = &mut current.cell else { return };
        if cell.closes().is_some_and(|at| now >= at) {
            self.close_cell().await;
        } else if cell.done.is_none() && cell.panics.holds() && now >= cell.last_message + PANIC_SHOWN {
            let text = cell.panics.release();
            let parent = current.request.parts[0].clone();
            self.push_text("stderr", &parent, &text).await;
        }
    }

    // ---- Jupyter's side

    async fn on_front(&mut self, channel: Channel, frames: ZmqMessage) -> bool {
        let message = match Message::read(frames, &self.key) {
            Ok(message) => message,
            Err(error) => {
                log(|| format!("dropped on {channel:?}: {error:#}"));
                return true;
            }
        };
        log(|| format!("{channel:?} ← {} {}", message.header.msg_type, message.header.msg_id));
        match (channel, message.header.msg_type.as_str()) {
            (_, "shutdown_request") => {
                let restart = message.content()["restart"].as_bool().unwrap_or(false);
                let content = json!({"status": "ok", "restart": restart});
                self.reply(channel, &message, &content).await;
                self.publish("shutdown_reply", &message.parts[0], &content).await;
                return false;
            }
            (Channel::Control, "interrupt_request") => {
                self.interrupt().await;
                self.reply(channel, &message, &json!({"status": "ok"})).await;
            }
            (Channel::Control, "kernel_info_request") => self.reply(channel, &message, &kernel_info()).await,
            (Channel::Control, other) => log(|| format!("control request `{other}` is not known")),
            (Channel::Stdin, _) => {
                if let Some(back) = &mut self.back {
                    let frames = Message { ids: Vec::new(), ..message }.frames(&back.key);
                    note_failure(back.stdin.send(frames).await);
                }
            }
            (Channel::Shell, "kernel_info_request") if self.back.is_none() => {
                // Before evcxr is there: the front end may show the notebook.
                self.answer(&message, &kernel_info()).await;
            }
            (Channel::Shell, _) => {
                self.queue.push_back(message);
                self.show_progress().await;
                self.next().await;
            }
            (Channel::Iopub, _) => {}
        }
        true
    }

    /// Takes requests from the queue until evcxr has something to do.
    async fn next(&mut self) {
        while self.current.is_none() && (self.back.is_some() || self.gone.is_some()) {
            let Some(request) = self.queue.pop_front() else { return };
            match request.header.msg_type.as_str() {
                "kernel_info_request" => self.answer(&request, &kernel_info()).await,
                // evcxr has no answer to these two, and a front end would wait for one.
                "history_request" => self.answer(&request, &json!({"status": "ok", "history": []})).await,
                "comm_info_request" => self.answer(&request, &json!({"status": "ok", "comms": {}})).await,
                "execute_request" => self.execute(request).await,
                _ => self.forward(request, None).await,
            }
        }
    }

    async fn execute(&mut self, request: Message) {
        let content = request.content();
        let flag = |name: &str, default| content[name].as_bool().unwrap_or(default);
        if flag("store_history", true) && !flag("silent", false) {
            self.count += 1;
        }
        let code = content["code"].as_str().unwrap_or_default();
        let refusal = match &self.gone {
            Some(reason) => Some(Failure::new("KernelEnded", reason, &["Restart the kernel.".to_owned()])),
            None => self.types.check(code).err(),
        };
        if let Some(failure) = refusal {
            let parent = request.parts[0].clone();
            self.publish("status", &parent, &json!({"execution_state": "busy"})).await;
            self.publish("execute_input", &parent, &json!({"code": code, "execution_count": self.count})).await;
            self.publish("error", &parent, &error_content(&failure)).await;
            self.reply(Channel::Shell, &request, &reply_content(self.count, Some(&failure))).await;
            self.publish("status", &parent, &json!({"execution_state": "idle"})).await;
            if flag("stop_on_error", true) {
                self.abort_queue().await;
            }
            return;
        }
        failure::take(&self.note); // of something that ran on after its cell
        self.forward(request, Some(Cell::new(self.count))).await;
    }

    async fn forward(&mut self, request: Message, cell: Option<Cell>) {
        let Some(back) = &mut self.back else { return };
        let frames = Message { ids: Vec::new(), ..request.clone() }.frames(&back.key);
        note_failure(back.shell.send(frames).await);
        self.current = Some(Current { request, reply: None, idle: None, cell });
    }

    async fn interrupt(&mut self) {
        let cell = self.current.as_mut().and_then(|c| c.cell.as_mut());
        let meaning = cell.map_or(Interrupt::Nothing, Cell::interrupt);
        log(|| format!("interrupt: {meaning:?}"));
        match meaning {
            // Cells that wait for evcxr to start are taken back.
            Interrupt::Nothing if self.back.is_none() => self.abort_queue().await,
            Interrupt::Nothing => {}
            Interrupt::Soft => soft(&self.engine),
            Interrupt::Hard => {
                let Some(back) = &mut self.back else { return };
                let request = Message::new("interrupt_request", &Bytes::new(), &json!({}));
                note_failure(back.control.send(request.frames(&back.key)).await);
            }
        }
    }

    /// Cells that were asked for before an error are not run, as in ipykernel.
    async fn abort_queue(&mut self) {
        let (cells, others) =
            self.queue.drain(..).partition::<VecDeque<_>, _>(|m| m.header.msg_type == "execute_request");
        self.queue = others;
        for request in cells {
            self.answer(&request, &json!({"status": "aborted", "execution_count": self.count})).await;
        }
    }

    async fn on_gone(&mut self, reason: String) {
        say(&reason);
        self.back = None;
        self.clear_progress().await;
        self.flush_text().await;
        if let Some(mut current) = self.current.take() {
            let parent = current.request.parts[0].clone();
            if let Some(cell) = &mut current.cell {
                let text = cell.panics.release();
                let failure = Failure::new("KernelEnded", &reason, &["Restart the kernel.".to_owned()]);
                if !text.is_empty() {
                    self.publish("stream", &parent, &json!({"name": "stderr", "text": text})).await;
                }
                self.publish("error", &parent, &error_content(&failure)).await;
                let content = reply_content(cell.count, Some(&failure));
                self.reply(Channel::Shell, &current.request, &content).await;
                self.gone = Some(reason);
                self.publish("status", &parent, &json!({"execution_state": "idle"})).await;
                self.abort_queue().await;
                return;
            }
            self.publish("status", &parent, &json!({"execution_state": "idle"})).await;
        }
        self.gone = Some(reason);
        self.next().await;
    }

    // ---- evcxr's side

    async fn on_back(&mut self, channel: Channel, frames: ZmqMessage) {
        let Some(key) = self.back.as_ref().map(|b| b.key.clone()) else { return };
        let message = match Message::read(frames, &key) {
            Ok(message) => message,
            Err(error) => return log(|| format!("dropped from evcxr on {channel:?}: {error:#}")),
        };
        let parent_id = message.parent_id();
        if parent_id == OWN {
            return;
        }
        let own = self.current.as_ref().is_some_and(|c| c.request.header.msg_id == parent_id);
        match channel {
            Channel::Iopub => self.on_output(message, own).await,
            Channel::Shell if own => self.on_reply(message).await,
            Channel::Stdin if own => {
                self.flush_text().await;
                let ids = self.current.as_ref().map(|c| c.request.ids.clone()).unwrap_or_default();
                note_failure(self.front.stdin.send(Message { ids, ..message }.frames(&self.key)).await);
            }
            _ => log(|| format!("from evcxr on {channel:?}, not passed on: {}", message.header.msg_type)),
        }
    }

    async fn on_reply(&mut self, message: Message) {
        let Some(current) = &mut self.current else { return };
        if current.cell.is_none() {
            let ids = current.request.ids.clone();
            note_failure(self.front.shell.send(Message { ids, ..message.clone() }.frames(&self.key)).await);
        }
        current.reply = Some(message);
        self.finish_if_done().await;
    }

    async fn on_output(&mut self, message: Message, own: bool) {
        if own && let Some(cell) = self.current.as_mut().and_then(|c| c.cell.as_mut()) {
            cell.last_message = Instant::now();
        }
        match message.header.msg_type.as_str() {
            "stream" => self.on_stream(&message, own).await,
            "status" if own && message.content()["execution_state"] == "idle" => {
                if let Some(current) = &mut self.current {
                    current.idle = Some(message);
                }
                self.finish_if_done().await;
            }
            "error" if own => self.on_error(message).await,
            "execute_input" | "execute_result" if own => self.pass_on(self.numbered(message)).await,
            _ => self.pass_on(message).await,
        }
    }

    /// evcxr counts from 2, and counts what nobody sees.
    fn numbered(&self, mut message: Message) -> Message {
        if let Some(cell) = self.current.as_ref().and_then(|c| c.cell.as_ref()) {
            let mut content = message.content();
            content["execution_count"] = json!(cell.count);
            message.set_content(&content);
        }
        message
    }

    async fn on_error(&mut self, mut message: Message) {
        if let Some(cell) = self.current.as_mut().and_then(|c| c.cell.as_mut()) {
            let (failure, ended) = explain(&message.content(), cell.interrupts > 0);
            if ended {
                message.set_content(&error_content(&failure));
                self.types.forget();
            }
            cell.error = Some(failure);
        }
        self.pass_on(message).await;
    }

    async fn on_stream(&mut self, message: &Message, own: bool) {
        let content = message.content();
        let text = content["text"].as_str().unwrap_or_default();
        let parent = &message.parts[1];
        let cell = self.current.as_mut().and_then(|c| c.cell.as_mut()).filter(|_| own);
        if content["name"] == "stderr" {
            let passed = match cell {
                Some(cell) => text.lines().map(|line| cell.panics.feed(line)).collect(),
                None => text.to_owned(),
            };
            return self.push_text("stderr", parent, &passed).await;
        }
        match parse(text) {
            Line::Text(text) => {
                let newline = cell.and_then(|c| c.live.close_line()).unwrap_or_default();
                self.push_text("stdout", parent, &format!("{newline}{text}")).await;
            }
            Line::Marked(before, op) => {
                self.push_text("stdout", parent, before).await;
                self.on_op(op, message, own).await;
            }
        }
    }

    async fn on_op(&mut self, op: Op, message: &Message, own: bool) {
        let mut stray = live::Live::default();
        let live = match self.current.as_mut().and_then(|c| c.cell.as_mut()).filter(|_| own) {
            Some(cell) => {
                match &op {
                    Op::Training { state: State::End } => cell.trained = Some(Instant::now()),
                    Op::Training { state: State::Begin } if std::mem::take(&mut cell.pending) => soft(&self.engine),
                    _ => {}
                }
                &mut cell.live
            }
            None => &mut stray,
        };
        for (msg_type, content) in live.apply(op, &message.parent_id()) {
            if msg_type == "stream" {
                let text = content["text"].as_str().unwrap_or_default().to_owned();
                self.push_text("stdout", &message.parts[1], &text).await;
            } else {
                self.publish(msg_type, &message.parts[1], &content).await;
            }
        }
    }

    /// A request is done when evcxr has replied and said that it is idle. (To some it never replies.)
    async fn finish_if_done(&mut self) {
        let Some(current) = &mut self.current else { return };
        let replies = ["execute_request", "complete_request", "inspect_request", "is_complete_request"]
            .contains(&current.request.header.msg_type.as_str());
        if current.idle.is_none() || (replies && current.reply.is_none()) {
            return;
        }
        if let Some(cell) = &mut current.cell {
            cell.note = failure::take(&self.note);
            cell.done = Some(Instant::now());
            return; // closed after a short silence
        }
        if let Some(idle) = current.idle.take() {
            self.current = None;
            self.pass_on(idle).await;
        }
        self.next().await;
    }

    async fn close_cell(&mut self) {
        let Some(mut current) = self.current.take() else { return };
        let (Some(mut cell), Some(mut reply)) = (current.cell.take(), current.reply.take()) else { return };
        let parent = current.request.parts[0].clone();
        if let Some(newline) = cell.live.close_line() {
            self.push_text("stdout", &parent, newline).await;
        }
        let failure = cell.failure();
        self.push_text("stderr", &parent, &cell.panics.release()).await;
        if let Some(failure) = &failure {
            self.publish("error", &parent, &error_content(failure)).await;
        }
        let unnamed = || Failure::new("Error", "the cell failed", &[]);
        let failed = reply.content()["status"] == "error";
        let failure = failure.or(cell.error).or_else(|| failed.then(unnamed));
        reply.set_content(&reply_content(cell.count, failure.as_ref()));
        let content = current.request.content();
        if failure.is_none() {
            self.types.ran(content["code"].as_str().unwrap_or_default());
        }
        self.flush_text().await;
        reply.ids = current.request.ids;
        note_failure(self.front.shell.send(reply.frames(&self.key)).await);
        if let Some(idle) = current.idle.take() {
            self.pass_on(idle).await;
        }
        if failure.is_some() && content["stop_on_error"].as_bool().unwrap_or(true) {
            self.abort_queue().await;
        }
        self.next().await;
    }

    // ---- sending

    async fn push_text(&mut self, name: &'static str, parent: &Bytes, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.text.as_ref().is_some_and(|t| t.name != name || t.parent != *parent) {
            self.flush_text().await;
        }
        let since = Instant::now();
        let held = self.text.get_or_insert_with(|| Text { name, parent: parent.clone(), text: String::new(), since });
        held.text.push_str(text);
    }

    async fn flush_text(&mut self) {
        if let Some(held) = self.text.take() {
            log(|| format!("{} bytes of {} after {:?}", held.text.len(), held.name, held.since.elapsed()));
            self.last_text = Instant::now();
            let content = json!({"name": held.name, "text": held.text});
            self.send(Message::new("stream", &held.parent, &content)).await;
        }
    }

    async fn publish(&mut self, msg_type: &str, parent: &Bytes, content: &Value) {
        self.pass_on(Message::new(msg_type, parent, content)).await;
    }

    /// After the text that came before it.
    async fn pass_on(&mut self, message: Message) {
        self.flush_text().await;
        self.send(message).await;
    }

    async fn send(&mut self, mut message: Message) {
        message.ids = vec![Bytes::from(format!("kernel.{}", message.header.msg_type))];
        note_failure(self.front.iopub.send(message.frames(&self.key)).await);
    }

    async fn reply(&mut self, channel: Channel, request: &Message, content: &Value) {
        let frames = Message::reply(request, content).frames(&self.key);
        let socket = if channel == Channel::Control { &mut self.front.control } else { &mut self.front.shell };
        note_failure(socket.send(frames).await);
    }

    /// Reply to a shell request that evcxr does not see.
    async fn answer(&mut self, request: &Message, content: &Value) {
        let parent = request.parts[0].clone();
        self.publish("status", &parent, &json!({"execution_state": "busy"})).await;
        self.reply(Channel::Shell, request, content).await;
        self.publish("status", &parent, &json!({"execution_state": "idle"})).await;
    }

    /// In the first waiting cell: what the kernel is busy with before it can start.
    async fn show_progress(&mut self) {
        let Some(cell) = self.queue.iter().find(|m| m.header.msg_type == "execute_request") else { return };
        if self.back.is_some() || self.gone.is_some() {
            return;
        }
        let parent = cell.parts[0].clone();
        if let Some(text) = self.progress.take() {
            self.publish("stream", &parent, &json!({"name": "stdout", "text": format!("{text}\n")})).await;
            self.progress_shown = true;
        }
    }

    async fn clear_progress(&mut self) {
        if self.progress_shown
            && let Some(cell) = self.queue.iter().find(|m| m.header.msg_type == "execute_request")
        {
            let parent = cell.parts[0].clone();
            self.publish("clear_output", &parent, &json!({"wait": false})).await;
        }
        self.progress_shown = false;
        self.progress = None;
    }
}

fn soft(engine: &impl Engine) {
    if let Err(error) = engine.interrupt_program() {
        log(|| format!("no soft interrupt: {error:#}"));
    }
}

fn note_failure(sent: zeromq::ZmqResult<()>) {
    if let Err(error) = sent {
        log(|| format!("not sent: {error}"));
    }
}

/// What evcxr says of itself, but for the language's name: saved notebooks and JupyterLab spell it "rust".
fn kernel_info() -> Value {
    json!({
        "status": "ok",
        "protocol_version": "5.3",
        "implementation": "evcxr_jupyter",
        "implementation_version": crate::kernel::VERSION,
        "language_info": {
            "name": "rust",
            "version": "",
            "mimetype": "text/rust",
            "file_extension": ".rs",
            "pygment_lexer": "rust",
            "codemirror_mode": "rust",
        },
        "banner": format!("{} (evcxr {})", crate::kernel::DISPLAY_NAME, crate::kernel::VERSION),
        "help_links": [{"text": "Rust std docs", "url": "https://doc.rust-lang.org/stable/std/"}],
    })
}
