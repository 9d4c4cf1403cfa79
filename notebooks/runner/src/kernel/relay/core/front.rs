//! Jupyter's side: requests, their queue, interrupts.
use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};
use zeromq::{SocketSend, ZmqMessage};

use super::{Engine, Relay, note_failure, soft};
use crate::kernel::relay::{
    cell::{Cell, Current, Interrupt, error_content, reply_content},
    failure::{self, Failure},
    log::log,
    sockets::Channel,
    wire::Message,
};

impl<E: Engine> Relay<E> {
    pub(super) async fn on_front(&mut self, channel: Channel, frames: ZmqMessage) -> bool {
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
    pub(super) async fn next(&mut self) {
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

    pub(super) async fn interrupt(&mut self) {
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
    pub(super) async fn abort_queue(&mut self) {
        let (cells, others) =
            self.queue.drain(..).partition::<VecDeque<_>, _>(|m| m.header.msg_type == "execute_request");
        self.queue = others;
        for request in cells {
            self.answer(&request, &json!({"status": "aborted", "execution_count": self.count})).await;
        }
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
