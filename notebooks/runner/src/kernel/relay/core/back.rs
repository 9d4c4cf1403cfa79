//! evcxr's side: replies, output, and the end of a cell or of evcxr.
use std::time::Instant;

use serde_json::json;
use zeromq::{SocketSend, ZmqMessage};

use super::{Engine, OWN, Relay, note_failure, soft};
use crate::kernel::relay::{
    cell::{error_content, explain, reply_content},
    failure::{self, Failure},
    live::{self, Line, Op, State, parse},
    log::{log, say},
    sockets::Channel,
    wire::Message,
};

impl<E: Engine> Relay<E> {
    pub(super) async fn on_back(&mut self, channel: Channel, frames: ZmqMessage) {
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

    pub(super) async fn close_cell(&mut self) {
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

    pub(super) async fn on_gone(&mut self, reason: String) {
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
}
