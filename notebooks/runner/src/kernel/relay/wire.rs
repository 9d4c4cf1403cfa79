//! Jupyter's messages on the wire: frames, signatures, and the few fields that the relay reads.
//!
//! A message is kept as it came, so that what the relay does not understand passes through unchanged.
//!
//! Not `jupyter-zmq-client` 3: it parses messages and writes them anew, refuses those whose content it does not expect, works without a
//! key, and needs zeromq 0.7. Nor `jupyter-protocol` 2 for the connection file: there that is a struct that checks nothing.
use std::time::SystemTime;

use anyhow::{Context, bail};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use zeromq::ZmqMessage;

const DELIMITER: &[u8] = b"<IDS|MSG>";
/// The version of the protocol that our own messages follow.
const PROTOCOL: &str = "5.3";

/// Signs and verifies.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// A key; an empty one would mean unsigned messages and is refused.
    pub fn new(key: &str) -> anyhow::Result<Self> {
        if key.is_empty() {
            bail!("the connection file has no key; this kernel refuses to work without signed messages");
        }
        Ok(Self(Hmac::new_from_slice(key.as_bytes()).context("the key cannot be used")?))
    }

    fn mac(&self, parts: &[Bytes; 4]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }

    fn sign(&self, parts: &[Bytes; 4]) -> String {
        self.mac(parts).finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// In constant time.
    fn verifies(&self, parts: &[Bytes; 4], signature: &[u8]) -> bool {
        let digits = std::str::from_utf8(signature).unwrap_or_default();
        let bytes: Option<Vec<u8>> = (0..digits.len())
            .step_by(2)
            .map(|i| digits.get(i..i + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect();
        bytes.is_some_and(|bytes| self.mac(parts).verify_slice(&bytes).is_ok())
    }
}

/// The fields of a header that the relay reads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Names the message.
    pub msg_id: String,
    /// What it is.
    pub msg_type: String,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Routing identities or topic.
    pub ids: Vec<Bytes>,
    /// Header, parent header, metadata and content, as JSON text.
    pub parts: [Bytes; 4],
    /// Binary buffers.
    pub buffers: Vec<Bytes>,
    /// Read from the header.
    pub header: Header,
}

impl Message {
    /// Takes frames apart and refuses what the key did not sign.
    pub fn read(frames: ZmqMessage, key: &Key) -> anyhow::Result<Self> {
        let mut frames = frames.into_vec();
        let at = frames.iter().position(|f| f.as_ref() == DELIMITER).context("a message without delimiter")?;
        if frames.len() < at + 6 {
            bail!("a message of {} frames after the delimiter", frames.len() - at - 1);
        }
        let buffers = frames.split_off(at + 6);
        let mut body = frames.split_off(at).into_iter().skip(1);
        let signature = body.next().unwrap_or_default();
        let mut part = || body.next().unwrap_or_default();
        let parts = [part(), part(), part(), part()];
        if !key.verifies(&parts, &signature) {
            bail!("a message with a missing or wrong signature");
        }
        let header = serde_json::from_slice(&parts[0]).context("a message whose header is no JSON object")?;
        Ok(Self { ids: frames, parts, buffers, header })
    }

    /// A message of our own, in answer to the request whose header is `parent`.
    pub fn new(msg_type: &str, parent: &Bytes, content: &Value) -> Self {
        let session = serde_json::from_slice::<Value>(parent).ok().and_then(|p| p.get("session").cloned());
        let header = Header { msg_id: uuid::Uuid::new_v4().to_string(), msg_type: msg_type.to_owned() };
        let text = json!({
            "msg_id": header.msg_id,
            "msg_type": msg_type,
            "session": session.unwrap_or_else(|| json!("relay")),
            "username": "kernel",
            "date": humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            "version": PROTOCOL,
        });
        let parent = if parent.is_empty() { Bytes::from_static(b"{}") } else { parent.clone() };
        let parts = [bytes(&text), parent, Bytes::from_static(b"{}"), bytes(content)];
        Self { ids: Vec::new(), parts, buffers: Vec::new(), header }
    }

    /// A reply to `request`, to whoever sent it.
    pub fn reply(request: &Self, content: &Value) -> Self {
        let msg_type = request.header.msg_type.replace("_request", "_reply");
        Self { ids: request.ids.clone(), ..Self::new(&msg_type, &request.parts[0], content) }
    }

    /// The content; null if it is no JSON.
    pub fn content(&self) -> Value {
        serde_json::from_slice(&self.parts[3]).unwrap_or_default()
    }

    /// Replaces the content.
    pub fn set_content(&mut self, content: &Value) {
        self.parts[3] = bytes(content);
    }

    /// The `msg_id` of the request that this answers.
    pub fn parent_id(&self) -> String {
        serde_json::from_slice::<Header>(&self.parts[1]).unwrap_or_default().msg_id
    }

    /// The frames, signed.
    pub fn frames(self, key: &Key) -> ZmqMessage {
        let mut frames = self.ids;
        frames.push(Bytes::from_static(DELIMITER));
        frames.push(Bytes::from(key.sign(&self.parts)));
        frames.extend(self.parts);
        frames.extend(self.buffers);
        // Never empty: the delimiter is there.
        ZmqMessage::try_from(frames).unwrap_or_else(|_| ZmqMessage::from(Vec::new()))
    }
}

fn bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Signature by Python's `hmac.new(b"key", b'{"msg_id":"1","msg_type":"a_request"}{}{}{"x":1}', "sha256")`.
    const SIGNATURE: &str = "76c423044da669439675793613d52ed0b20043dbf5a597307ab865e166fcfa81";

    fn frames(signature: &str) -> ZmqMessage {
        let frames: Vec<Bytes> = [
            "peer",
            "<IDS|MSG>",
            signature,
            r#"{"msg_id":"1","msg_type":"a_request"}"#,
            "{}",
            "{}",
            r#"{"x":1}"#,
            "buffer",
        ]
        .map(|f| Bytes::copy_from_slice(f.as_bytes()))
        .to_vec();
        frames.try_into().unwrap()
    }

    #[test]
    fn a_signed_message_survives_the_passage() {
        let key = Key::new("key").unwrap();
        let message = Message::read(frames(SIGNATURE), &key).unwrap();
        assert_eq!((message.header.msg_id.as_str(), message.header.msg_type.as_str()), ("1", "a_request"));
        assert_eq!(message.content()["x"], 1);
        assert_eq!(message.buffers.len(), 1);
        assert_eq!(message.clone().frames(&key).into_vec(), frames(SIGNATURE).into_vec());
        let other = Key::new("other").unwrap();
        assert_ne!(message.frames(&other).into_vec(), frames(SIGNATURE).into_vec());
    }

    #[test]
    fn unsigned_and_foreign_messages_are_refused() {
        let key = Key::new("key").unwrap();
        let wrong = SIGNATURE.replace(&SIGNATURE[..1], "f");
        for signature in ["", "00", "zz", "é", &SIGNATURE[..62], wrong.as_str()] {
            if signature != SIGNATURE {
                assert!(Message::read(frames(signature), &key).is_err(), "{signature}");
            }
        }
        assert!(Message::read(frames(SIGNATURE), &Key::new("kez").unwrap()).is_err());
        assert!(Key::new("").is_err());
        assert!(Message::read(ZmqMessage::from("<IDS|MSG>"), &key).is_err());
        assert!(Message::read(ZmqMessage::from("nothing"), &key).is_err());
    }

    #[test]
    fn replies_name_their_request_and_its_sender() {
        let key = Key::new("key").unwrap();
        let request = Message::read(frames(SIGNATURE), &key).unwrap();
        let reply = Message::reply(&request, &json!({"status": "ok"}));
        assert_eq!(reply.header.msg_type, "a_reply");
        assert_eq!(reply.parent_id(), "1");
        assert_eq!(reply.ids, request.ids);
        assert!(Message::read(reply.frames(&key), &key).is_ok());
    }
}
