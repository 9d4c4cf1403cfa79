//! Jupyter's connection file: ours, which we obey, and evcxr's, which we write.
use std::{
    fs::OpenOptions,
    io::Write,
    net::{IpAddr, TcpListener},
    path::Path,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::wire::Key;

/// Where a kernel listens, and the key that signs its messages.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Connection {
    transport: String,
    ip: String,
    key: String,
    #[serde(default = "sha256")]
    signature_scheme: String,
    /// Requests.
    pub shell_port: u16,
    /// Urgent requests.
    pub control_port: u16,
    /// The kernel's questions to the user.
    pub stdin_port: u16,
    /// Heartbeat.
    pub hb_port: u16,
    /// Output.
    pub iopub_port: u16,
}

fn sha256() -> String {
    "hmac-sha256".to_owned()
}

impl Connection {
    /// Reads Jupyter's file. Only signed messages on the loopback interface are accepted.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let connection: Self =
            serde_json::from_slice(&text).with_context(|| format!("{} is no connection file", file.display()))?;
        connection.check().with_context(|| format!("{} asks for what this kernel refuses", file.display()))?;
        Ok(connection)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.transport != "tcp" {
            bail!("transport `{}`; only tcp is known", self.transport);
        }
        if !(self.ip == "localhost" || self.ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())) {
            bail!("address {}, which others can reach; only the loopback interface (127.0.0.1) is allowed", self.ip);
        }
        if self.signature_scheme != sha256() {
            bail!("signature scheme `{}`; only {} is known", self.signature_scheme, sha256());
        }
        self.key().map(|_| ())
    }

    /// A fresh one: free ports of the loopback interface and a new key.
    pub fn private() -> anyhow::Result<Self> {
        let listeners: Vec<TcpListener> = (0..5)
            .map(|_| TcpListener::bind(("127.0.0.1", 0)))
            .collect::<Result<_, _>>()
            .context("no free ports on 127.0.0.1")?;
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().map(|a| a.port())).collect::<Result<_, _>>()?;
        let &[shell_port, control_port, stdin_port, hb_port, iopub_port] = ports.as_slice() else {
            bail!("no free ports on 127.0.0.1");
        };
        let key = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let (transport, ip, signature_scheme) = ("tcp".to_owned(), "127.0.0.1".to_owned(), sha256());
        Ok(Self { transport, ip, key, signature_scheme, shell_port, control_port, stdin_port, hb_port, iopub_port })
    }

    /// Writes it for this user's eyes only.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(file)
            .and_then(|mut f| f.write_all(&serde_json::to_vec(self)?))
            .with_context(|| format!("{} cannot be written", file.display()))
    }

    /// What signs the messages.
    pub fn key(&self) -> anyhow::Result<Key> {
        Key::new(&self.key)
    }

    /// Where one of the ports is.
    pub fn address(&self, port: u16) -> (&str, u16) {
        (&self.ip, port)
    }

    /// `tcp://127.0.0.1:12345`
    pub fn endpoint(&self, port: u16) -> String {
        match self.ip.parse() {
            Ok(IpAddr::V6(ip)) => format!("tcp://[{ip}]:{port}"),
            _ => format!("tcp://{}:{port}", self.ip),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn jupyters(changes: &[(&str, &str)]) -> anyhow::Result<Connection> {
        let mut file = serde_json::json!({
            "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
            "ip": "127.0.0.1", "key": "a-b-c", "transport": "tcp", "signature_scheme": "hmac-sha256",
            "kernel_name": "vae_core", "jupyter_session": "x.ipynb",
        });
        for (field, value) in changes {
            file[field] = (*value).into();
        }
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("c.json"), file.to_string())?;
        Connection::read(&dir.path().join("c.json"))
    }

    #[test]
    fn jupyters_file_is_obeyed() {
        let connection = jupyters(&[]).unwrap();
        assert_eq!(connection.endpoint(connection.hb_port), "tcp://127.0.0.1:5");
        assert_eq!(jupyters(&[("ip", "::1")]).unwrap().endpoint(1), "tcp://[::1]:1");
    }

    #[test]
    fn unsigned_or_reachable_from_elsewhere_is_refused() {
        for (change, word) in [
            (("key", ""), "no key"),
            (("ip", "0.0.0.0"), "loopback"),
            (("ip", "192.168.1.2"), "loopback"),
            (("transport", "ipc"), "only tcp"),
            (("signature_scheme", "hmac-md5"), "hmac-md5"),
        ] {
            let error = format!("{:#}", jupyters(&[change]).unwrap_err());
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn private_ones_differ_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Connection::private().unwrap(), Connection::private().unwrap());
        assert_ne!(a.key, b.key);
        let file = dir.path().join("c.json");
        a.write(&file).unwrap();
        assert_eq!(Connection::read(&file).unwrap().key, a.key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
