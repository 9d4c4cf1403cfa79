//! Messages to Jupyter: text in pieces, outputs after the text that came before them, replies.
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use zeromq::SocketSend;

use super::{Engine, Relay, Text, note_failure};
use crate::kernel::relay::{log::log, sockets::Channel, wire::Message};

impl<E: Engine> Relay<E> {
    pub(super) async fn push_text(&mut self, name: &'static str, parent: &Bytes, text: &str) {
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

    pub(super) async fn flush_text(&mut self) {
        if let Some(held) = self.text.take() {
            log(|| format!("{} bytes of {} after {:?}", held.text.len(), held.name, held.since.elapsed()));
            self.last_text = Instant::now();
            let content = json!({"name": held.name, "text": held.text});
            self.send(Message::new("stream", &held.parent, &content)).await;
        }
    }

    pub(super) async fn publish(&mut self, msg_type: &str, parent: &Bytes, content: &Value) {
        self.pass_on(Message::new(msg_type, parent, content)).await;
    }

    /// After the text that came before it.
    pub(super) async fn pass_on(&mut self, message: Message) {
        self.flush_text().await;
        self.send(message).await;
    }

    async fn send(&mut self, mut message: Message) {
        message.ids = vec![Bytes::from(format!("kernel.{}", message.header.msg_type))];
        note_failure(self.front.iopub.send(message.frames(&self.key)).await);
    }

    pub(super) async fn reply(&mut self, channel: Channel, request: &Message, content: &Value) {
        let frames = Message::reply(request, content).frames(&self.key);
        let socket = if channel == Channel::Control { &mut self.front.control } else { &mut self.front.shell };
        note_failure(socket.send(frames).await);
    }

    /// Reply to a shell request that evcxr does not see.
    pub(super) async fn answer(&mut self, request: &Message, content: &Value) {
        let parent = request.parts[0].clone();
        self.publish("status", &parent, &json!({"execution_state": "busy"})).await;
        self.reply(Channel::Shell, request, content).await;
        self.publish("status", &parent, &json!({"execution_state": "idle"})).await;
    }

    /// In the first waiting cell: what the kernel is busy with before it can start.
    pub(super) async fn show_progress(&mut self) {
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

    pub(super) async fn clear_progress(&mut self) {
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
