//! The scripted model server itself: what it promises to the tests of real clients.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Fault, ModelServer, Step, Wire};

/// Sends a request; returns the head of the answer and its body.
fn send(server: &ModelServer, head: &str, body: &[u8]) -> (String, String) {
    let address = server.url().replace("http://", "");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.write_all(head.as_bytes()).expect("a head");
    stream.write_all(b"\r\n\r\n").expect("its end");
    stream.write_all(body).expect("a body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

fn post(server: &ModelServer, path: &str, body: &Value) -> (String, String) {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: {}",
        body.len()
    );
    send(server, &head, body.as_bytes())
}

/// The events of a stream.
fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let data = data.filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).expect("an event is JSON"))
        .collect()
}

/// A request of each format with this prompt, and its path.
fn requests(prompt: &str) -> [(&'static str, Value); 3] {
    [
        (
            "/v1/responses",
            json!({"stream": true, "model": "m", "tools": [{"type": "function", "name": "exec_command"},
                    {"type": "custom", "name": "apply_patch"}],
                "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}]}),
        ),
        (
            "/v1/messages?beta=true",
            json!({"stream": true, "model": "m", "tools": [{"name": "Bash"}, {"name": "Write"}],
                "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}]}),
        ),
        (
            "/v1/chat/completions",
            json!({"stream": true, "model": "m", "tools": [{"type": "function", "function": {"name": "bash"}}],
                "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": prompt}]}),
        ),
    ]
}

/// Adds what the client remembers of an answer and of what its tool said.
fn remember(request: &mut Value, events: &[Value]) {
    if let Some(input) = request["input"].as_array_mut() {
        let done = events
            .iter()
            .find(|event| event["type"] == "response.output_item.done");
        input.push(done.expect("an item ends")["item"].clone());
        input.push(json!({"type": "function_call_output", "call_id": "c", "output": "fine"}));
        return;
    }
    let is_chat = request["messages"][0]["role"] == "system";
    let messages = request["messages"].as_array_mut().expect("messages");
    if is_chat {
        messages.push(json!({"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]}));
        messages.push(json!({"role": "tool", "tool_call_id": "c", "content": "fine"}));
    } else {
        messages.push(json!({"role": "assistant", "content": [{"type": "tool_use", "id": "c"}]}));
        let result = json!({"type": "tool_result", "tool_use_id": "c", "content": "fine"});
        messages.push(json!({"role": "user", "content": [result]}));
    }
}

#[test]
fn every_format_walks_through_its_script() {
    let steps = vec![
        Step::run("ls -l"),
        Step::write("a b", "it's\n"),
        Step::say("over").costs(7, 3),
    ];
    let server = ModelServer::start([("walk", steps)]);
    for (path, mut request) in requests("Go. [[script=walk cwd=/some where]] Now.") {
        let said: Vec<String> = (0..3)
            .map(|_| {
                let (head, body) = post(&server, path, &request);
                assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                remember(&mut request, &events(&body));
                body
            })
            .collect();
        assert!(said[0].contains("ls -l"), "{}", said[0]);
        let written = match path {
            "/v1/responses" => r"*** Add File: a b\n+it's\n*** End Patch",
            "/v1/chat/completions" => r"printf %s 'it'\\\\''s\\n' > 'a b'",
            _ => "/some where/a b",
        };
        assert!(said[1].contains(written), "{path}: {}", said[1]);
        assert!(
            said[2].contains("over") && said[2].contains("_tokens\":7"),
            "{}",
            said[2]
        );
        let (_, beyond) = post(&server, path, &request);
        assert!(beyond.contains("has no step"), "{beyond}");
    }
    let asked = server.asked("walk");
    let wires: Vec<Wire> = asked.iter().map(|asked| asked.wire).collect();
    let walked = [Wire::Responses, Wire::Messages, Wire::Chat].map(|wire| [wire; 4]);
    assert_eq!(wires, walked.concat());
    let steps: Vec<usize> = asked.iter().map(|asked| asked.step).collect();
    assert_eq!(steps, [0, 1, 2, 3].repeat(3));
    assert!(asked.iter().all(|asked| asked.key.as_deref() == Some("k")));
}

#[test]
fn the_last_marker_counts_and_without_tools_there_is_no_script() {
    let server = ModelServer::start([
        ("one", vec![Step::say("first")]),
        ("two", vec![Step::say("second")]),
    ]);
    for (path, mut request) in requests("[[script=one]] and then [[script=two]]") {
        assert!(post(&server, path, &request).1.contains("second"));
        request["tools"] = json!([]);
        let (_, body) = post(&server, path, &request);
        assert!(body.contains("ok") && !body.contains("second"), "{body}");
    }
    assert!(server.asked("one").is_empty());
}

#[test]
fn faults_happen_as_often_as_they_are_said_to() {
    let twice = Step::say("well")
        .after(Fault::status(500, "broken").once())
        .after(Fault::status(429, "slow down").retry_after(2).once());
    let script = || vec![twice.clone().after(Fault::cut().until_open())];
    let server = ModelServer::start([
        ("bad", script()),
        (
            "refused",
            vec![Step::say("no").after(Fault::status(401, "who?"))],
        ),
    ]);
    for (path, request) in requests("[[script=bad]]") {
        let ask = || post(&server, path, &request);
        let (head, body) = ask();
        assert!(
            head.starts_with("HTTP/1.1 500 ") && body.contains("broken"),
            "{head}"
        );
        let (head, _) = ask();
        assert!(
            head.starts_with("HTTP/1.1 429 ") && head.contains("retry-after: 2"),
            "{head}"
        );
        let (head, body) = ask();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(events(&body).len(), 1, "{body}");
        assert!(!body.contains("well") && !body.contains("[DONE]"), "{body}");
    }
    server.open();
    for (path, request) in requests("[[script=bad]]") {
        assert!(post(&server, path, &request).1.contains("well"));
    }
    for (path, request) in requests("[[script=refused]]") {
        for _ in 0..2 {
            let (head, body) = post(&server, path, &request);
            assert!(
                head.starts_with("HTTP/1.1 401 ") && body.contains("who?"),
                "{head}"
            );
        }
    }
}

#[test]
fn a_held_answer_waits_for_the_test() {
    let server = ModelServer::start([("held", vec![Step::say("at last").held()])]);
    let [(path, request), ..] = requests("[[script=held]]");
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| post(&server, path, &request).1);
        while server.asked("held").is_empty() {
            assert!(!answer.is_finished(), "it did not wait");
            std::thread::yield_now();
        }
        server.open();
        assert!(answer.join().expect("an answer").contains("at last"));
    });
}

#[test]
fn a_structured_answer_takes_the_tool_where_there_is_one() {
    let server = ModelServer::start([("judge", vec![Step::answer(json!({"score": 7}))])]);
    for (path, mut request) in requests("[[script=judge]]") {
        let (_, body) = post(&server, path, &request);
        assert!(body.contains(r#"{\"score\":7}"#), "{body}");
        let tools = request["tools"].as_array_mut().expect("tools");
        tools.push(json!({"name": "StructuredOutput"}));
        assert!(post(&server, path, &request).1.contains("StructuredOutput"));
    }
}

#[test]
fn what_clients_ask_beside_the_model_is_answered() {
    let server = ModelServer::start([("say", vec![Step::say("hello")])]);
    let (head, body) = send(&server, "GET /v1/models HTTP/1.1\r\nHost: x", b"");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && body.contains("data"),
        "{head}"
    );
    let (head, body) = send(&server, "HEAD / HTTP/1.1\r\nHost: x", b"");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && body.is_empty(),
        "{head}"
    );
    let (head, _) = send(&server, "GET /else HTTP/1.1\r\nHost: x", b"");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    // A body in chunks, and an answer in one piece.
    let [_, (path, mut request), _] = requests("[[script=say]]");
    request["stream"] = json!(false);
    let request = request.to_string();
    let (one, two) = request.split_at(20);
    let chunks = format!(
        "{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked");
    let (_, body) = send(&server, &head, chunks.as_bytes());
    let message: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(message["content"][0]["text"], "hello");
}
