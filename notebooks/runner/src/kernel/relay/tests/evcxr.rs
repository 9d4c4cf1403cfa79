//! A small evcxr.
use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use zeromq::{PubSocket, RouterSocket, Socket, SocketRecv, SocketSend};

use crate::kernel::relay::{
    connection::Connection,
    live::MARK,
    wire::{Key, Message},
};

/// Where the small evcxr listens.
pub struct Kernel {
    shell: RouterSocket,
    control: RouterSocket,
    stdin: RouterSocket,
    iopub: PubSocket,
}

impl Kernel {
    /// On the ports of `connection`.
    pub async fn bind(connection: &Connection) -> zeromq::ZmqResult<Self> {
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
pub async fn evcxr(kernel: Kernel, key: Key, note: PathBuf) {
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
