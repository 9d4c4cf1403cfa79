//! What the relay does with each message.
mod back;
mod front;
mod sending;

use std::{
    collections::VecDeque,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    cell::{Cell, Current},
    log::log,
    sockets::{Back, Event, Front},
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
    /// A relay whose evcxr is still to come. `note` is the file for [`failure`](super::failure)'s notes.
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
