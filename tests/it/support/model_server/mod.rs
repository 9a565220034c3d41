//! A scripted model server on loopback, so that real clients can be tested without a service.
//!
//! One port speaks three wire formats: OpenAI Responses (`…/responses`), Anthropic Messages (`…/messages`) and OpenAI
//! Chat Completions (`…/chat/completions`), each as a stream of server-sent events. A prompt names its script by a
//! marker, `[[script=NAME]]` or `[[script=NAME cwd=/a/folder]]`. Which step comes next is read from the request
//! itself: every tool call and every text of the assistant after the last marker is a step that was played. So
//! repeated requests, conversations that go on and clients side by side need no memory here; only faults that
//! happen a number of times are counted, by script and step.

mod conversation;
mod http;
mod script;
mod wire;

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use conversation::Conversation;
use http::Request;
use script::{Action, Lasts, Tokens};
pub(crate) use script::{Fault, Step};
pub(crate) use wire::Wire;

/// A request that a model was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) wire: Wire,
    /// The script that its marker names.
    pub(crate) script: Option<String>,
    /// The step that was due.
    pub(crate) step: usize,
    /// The key that came with it.
    pub(crate) key: Option<String>,
    pub(crate) body: Value,
}

/// The server. It stops with the value.
pub(crate) struct ModelServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    scripts: BTreeMap<String, Vec<Step>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    /// The faults that have happened, by wire, script, step and place there.
    happened: HashSet<(Wire, String, usize, usize)>,
    /// Held answers may go out.
    open: bool,
    stopping: bool,
}

impl ModelServer {
    /// Starts it with these scripts.
    pub(crate) fn start<N: Into<String>>(
        scripts: impl IntoIterator<Item = (N, Vec<Step>)>,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let scripts = scripts
            .into_iter()
            .map(|(name, steps)| (name.into(), steps));
        let shared = Arc::new(Shared {
            scripts: scripts.collect(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let served = Arc::clone(&shared);
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if served.lock().stopping {
                    return;
                }
                let served = Arc::clone(&served);
                // A client that hangs up in the middle is its own business.
                std::thread::spawn(move || drop(served.serve(stream)));
            }
        });
        Self {
            shared,
            address,
            listener: Some(listener),
        }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests of one script, in the order in which they came.
    pub(crate) fn asked(&self, script: &str) -> Vec<Asked> {
        let state = self.shared.lock();
        let of_script = |asked: &&Asked| asked.script.as_deref() == Some(script);
        state.asked.iter().filter(of_script).cloned().collect()
    }

    /// Lets every held answer out, those to come too, and ends what goes wrong until then.
    pub(crate) fn open(&self) {
        self.shared.lock().open = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let (request, mut stream) = Request::read(stream)?;
        let Some(wire) = Wire::of(&request.method, request.path()) else {
            return http::answer(&mut stream, side_call(&request), &[], request.is_head());
        };
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            let said = (
                400,
                json!({"error": {"message": "the request is not JSON"}}),
            );
            return http::answer(&mut stream, said, &[], false);
        };
        let talk = Conversation::read(wire, &body);
        self.lock().asked.push(Asked {
            wire,
            script: talk.script.clone(),
            step: talk.step,
            key: request.key(),
            body: body.clone(),
        });
        let due = talk.script.as_ref().filter(|_| !talk.tools.is_empty());
        let Some(name) = due else {
            // Titles and the like are no part of a script.
            return wire.write(
                &mut stream,
                &body,
                &Action::Say("ok".into()).on(&talk),
                Tokens::default(),
            );
        };
        let step = self.step(name, talk.step);
        for (place, fault) in step.faults.iter().enumerate() {
            if self.happens(fault, (wire, name.clone(), talk.step, place)) {
                return fail(wire, fault, stream, &body);
            }
        }
        if step.held && !self.wait_until_open() {
            return Ok(());
        }
        wire.write(&mut stream, &body, &step.action.on(&talk), step.tokens)
    }

    fn step(&self, script: &str, number: usize) -> Step {
        let over = || Step::say(format!("the script `{script}` has no step {number}"));
        let steps = self.scripts.get(script);
        steps
            .and_then(|steps| steps.get(number).cloned())
            .unwrap_or_else(over)
    }

    fn happens(&self, fault: &Fault, key: (Wire, String, usize, usize)) -> bool {
        let mut state = self.lock();
        match fault.lasts {
            Lasts::Once => state.happened.insert(key),
            Lasts::UntilOpen => !state.open,
            Lasts::Always => true,
        }
    }

    /// Whether held answers were let out, and not the server stopped.
    fn wait_until_open(&self) -> bool {
        let state = self.lock();
        let state = self
            .changed
            .wait_while(state, |state| !state.open && !state.stopping);
        state.is_ok_and(|state| state.open)
    }
}

/// Answers with an error, or begins an answer and ends there.
fn fail(wire: Wire, fault: &Fault, mut stream: TcpStream, body: &Value) -> std::io::Result<()> {
    if let Some(status) = fault.status {
        let error = wire::error(status, &fault.message);
        return http::answer(&mut stream, (status, error), &fault.headers, false);
    }
    wire.begin(&mut stream, body)?;
    stream.flush()
}

/// What clients ask beside the model itself.
fn side_call(request: &Request) -> (u16, Value) {
    if request.path().ends_with("/count_tokens") {
        (200, json!({"input_tokens": 100}))
    } else if request.path().ends_with("/models") {
        (200, json!({"object": "list", "data": [], "models": []}))
    } else if request.is_head() {
        (200, json!({}))
    } else {
        (404, json!({"error": {"message": "there is nothing here"}}))
    }
}
