//! The relay between a small Jupyter and a small evcxr, over real sockets of the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod evcxr;
mod gate;
mod jupyter;

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::timeout;
use zeromq::{ReqSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

use self::jupyter::Jupyter;
use super::{
    live::MARK,
    sockets::Event,
    wire::{Key, Message},
};

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
