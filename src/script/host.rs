//! The functions that the prelude builds on: what a script says and asks leaves it here.
//!
//! Invariants: what comes in is counted and measured before it is kept, so that no script fills the host's memory; a
//! call is complete (options read, schema compiled, key computed) before it has an ordinal.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Function, Object, Persistent, Promise, Value};

use super::call::{Body, Call, CallKind, key};
use super::limits::Limits;
use super::setup::{Refuse, Resolve};
use super::source::{Source, Sources};
use super::talk::{Nulled, Said};
use super::{check, schema};

/// A promise that the script holds and the host settles.
pub(super) struct Pending {
    pub(super) resolve: Persistent<Function<'static>>,
    pub(super) reject: Persistent<Function<'static>>,
    pub(super) kind: CallKind,
    pub(super) title: String,
}

/// How the script itself ended.
pub(super) enum Main {
    /// Not yet.
    Running,
    /// With this value.
    Value(Persistent<Value<'static>>),
    /// It threw this.
    Error(Persistent<Value<'static>>),
}

/// What the host's functions share with the thread that runs them.
pub(super) struct Shared {
    pub(super) said: Vec<Said>,
    pub(super) pending: HashMap<u64, Pending>,
    pub(super) main: Main,
    pub(super) sources: Sources,
    limits: Limits,
    resolve: Resolve,
    refuse: Refuse,
    made: u64,
    agents: u64,
    steps: u64,
    lines: u64,
    once: HashSet<String>,
    schemas: HashSet<String>,
}

impl Shared {
    pub(super) fn new(limits: Limits, sources: Sources, resolve: Resolve, refuse: Refuse) -> Self {
        Self {
            said: Vec::new(),
            pending: HashMap::new(),
            main: Main::Running,
            sources,
            limits,
            resolve,
            refuse,
            made: 0,
            agents: 0,
            steps: 0,
            lines: 0,
            once: HashSet::new(),
            schemas: HashSet::new(),
        }
    }

    /// Forgets everything that belongs to the engine; it must be gone before the engine is.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
        self.main = Main::Running;
    }

    /// Says something that counts as a line.
    fn line(&mut self, text: usize, what: &str, said: Said) -> Result<(), String> {
        if text > self.limits.text {
            return Err(too_long(what, text, self.limits.text));
        }
        if self.lines == self.limits.lines {
            return Err(format!(
                "the script wrote {} lines, phases and reports, and that is the most it may",
                self.limits.lines
            ));
        }
        self.lines += 1;
        self.said.push(said);
        Ok(())
    }

    fn say(&mut self, what: &str, text: String, more: Option<String>) -> Result<(), String> {
        let length = text.len() + more.as_ref().map_or(0, String::len);
        match what {
            "log" => self.line(length, "a line", Said::Log(text)),
            "phase" => self.line(length, "a phase", Said::Phase(text)),
            "report" => self.line(
                length,
                "the value of report()",
                Said::Report(well_formed(text)),
            ),
            "nulled" => self.line(
                length,
                "a message",
                Said::Nulled(Nulled {
                    place: text,
                    message: more.unwrap_or_default(),
                }),
            ),
            "once" if !self.once.insert(text.clone()) => Ok(()),
            _ => self.line(length, "a message", Said::Warned(text)),
        }
    }

    /// Makes a call of what the prelude gathered.
    fn call(&mut self, asked: Asked) -> Result<(u64, CallKind, String), String> {
        let Asked {
            kind,
            json,
            label,
            phase,
            place,
        } = asked;
        let function = kind.function();
        let length = json.len() + phase.as_ref().map_or(0, String::len);
        if length > self.limits.text {
            let what = format!("what {function}() was given");
            return Err(too_long(&what, length, self.limits.text));
        }
        let (count, most, what) = if kind.is_agent() {
            (&mut self.agents, self.limits.calls, "agents")
        } else {
            (&mut self.steps, self.limits.steps, "steps")
        };
        if *count == most {
            return Err(format!(
                "workflow agent limit reached: this run has started {most} {what}, and that is the most it may"
            ));
        }
        let body = Body::read(kind, &well_formed(json))
            .map_err(|error| format!("{function}() cannot take these options: {error}"))?;
        if let Some(wanted) = body.schema()
            && !self.schemas.contains(&wanted.to_string())
        {
            schema::usable(wanted).map_err(|why| format!("{function} schema: {why}"))?;
            self.schemas.insert(wanted.to_string());
        }
        if let Some(why) = (self.refuse)(&body) {
            return Err(why);
        }
        *count += 1;
        self.made += 1;
        let fields = body.fields();
        let call = Call {
            ordinal: self.made,
            kind,
            label: Some(short(label)).filter(|label| !label.is_empty()),
            phase,
            place,
            key: key(kind, &fields),
            text: serde_json::Value::Object(fields).to_string(),
            body,
        };
        let title = call.title();
        match self.said.last_mut() {
            Some(Said::Called(calls)) => calls.push(call),
            _ => self.said.push(Said::Called(vec![call])),
        }
        Ok((self.made, kind, title))
    }
}

/// What the prelude gathered for one call.
struct Asked {
    kind: CallKind,
    json: String,
    label: String,
    phase: Option<String>,
    place: String,
}

/// The most characters of a label: it is there to be seen, and nothing depends on it.
const LONGEST_LABEL: usize = 200;

fn short(mut label: String) -> String {
    if let Some((end, _)) = label.char_indices().nth(LONGEST_LABEL) {
        label.truncate(end);
        label.push('…');
    }
    label
}

fn too_long(what: &str, length: usize, most: usize) -> String {
    format!("{what} has {length} bytes, and may have at most {most}")
}

fn kind(name: &str) -> CallKind {
    match name {
        "agent" => CallKind::Agent,
        "packet" => CallKind::Packet,
        "integrate" => CallKind::Integrate,
        "shell" => CallKind::Shell,
        "gate" => CallKind::Gate,
        _ => CallKind::Checkpoint,
    }
}

/// Replaces halves of characters, which JavaScript writes as `\ud800` and no other JSON reader takes.
pub(super) fn well_formed(json: String) -> String {
    if !json.contains("\\ud") {
        return json;
    }
    let half = |at: usize, from: u8| {
        json.as_bytes().get(at..at + 6).is_some_and(|unit| {
            unit.starts_with(b"\\ud") && (from..from + 4).contains(&hex_digit(unit[3]))
        })
    };
    let mut text = String::with_capacity(json.len());
    let mut rest = 0;
    while let Some(found) = json[rest..].find('\\') {
        let at = rest + found;
        text.push_str(&json[rest..at]);
        if half(at, 8) && half(at + 6, 12) {
            text.push_str(&json[at..at + 12]);
            rest = at + 12;
        } else if half(at, 8) || half(at, 12) {
            text.push_str("\\ufffd");
            rest = at + 6;
        } else {
            text.push_str(&json[at..at + 2]);
            rest = at + 2;
        }
    }
    text.push_str(&json[rest..]);
    text
}

fn hex_digit(byte: u8) -> u8 {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
        .unwrap_or_default()
}

/// The host's side of the prelude, as an object; only data and functions of ours are in it.
pub(super) fn object<'js>(
    ctx: &Ctx<'js>,
    shared: &Rc<RefCell<Shared>>,
    settings: &Settings<'_>,
) -> rquickjs::Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    let of = Rc::clone(shared);
    host.set(
        "begin",
        Function::new(
            ctx.clone(),
            move |ctx: Ctx<'js>,
                  name: String,
                  json: String,
                  label: String,
                  phase: Opt<Option<String>>,
                  place: Opt<String>| {
                let asked = Asked {
                    kind: kind(&name),
                    json,
                    label,
                    phase: phase.0.flatten(),
                    place: place.0.unwrap_or_default(),
                };
                begin(&ctx, &of, asked)
            },
        )?,
    )?;
    let of = Rc::clone(shared);
    host.set(
        "say",
        Function::new(
            ctx.clone(),
            move |ctx: Ctx<'js>, what: String, text: String, more: Opt<String>| {
                let said = of.borrow_mut().say(&what, text, more.0);
                said.map_err(|why| Exception::throw_range(&ctx, &why))
            },
        )?,
    )?;
    host.set("nulls", Function::new(ctx.clone(), nulls)?)?;
    host.set(
        "isPromise",
        Function::new(ctx.clone(), |value: Value<'js>| value.is_promise())?,
    )?;
    host.set(
        "isError",
        Function::new(ctx.clone(), |value: Value<'js>| value.is_error())?,
    )?;
    let of = Rc::clone(shared);
    host.set(
        "resolveWorkflow",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, name: String| {
            nested(&ctx, &of, &name)
        })?,
    )?;
    host.set("mostItems", settings.items)?;
    host.set("budget", settings.budget)?;
    host.set("cwd", settings.cwd)?;
    host.set("args", settings.args)?;
    Ok(host)
}

/// What the prelude is told once.
pub(super) struct Settings<'a> {
    pub(super) items: u32,
    pub(super) budget: Option<f64>,
    pub(super) cwd: &'a str,
    pub(super) args: Option<&'a str>,
}

fn begin<'js>(
    ctx: &Ctx<'js>,
    shared: &RefCell<Shared>,
    asked: Asked,
) -> rquickjs::Result<Promise<'js>> {
    let called = shared.borrow_mut().call(asked);
    let (ordinal, kind, title) = called.map_err(|why| Exception::throw_message(ctx, &why))?;
    let (promise, resolve, reject) = ctx.promise()?;
    let pending = Pending {
        resolve: Persistent::save(ctx, resolve),
        reject: Persistent::save(ctx, reject),
        kind,
        title,
    };
    shared.borrow_mut().pending.insert(ordinal, pending);
    Ok(promise)
}

/// An array with `count` own elements, made so that no prototype is consulted; nor is it when they are written to.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a function of the script is given its context"
)]
fn nulls(ctx: Ctx<'_>, count: usize) -> rquickjs::Result<Value<'_>> {
    let mut text = "null,".repeat(count);
    text.pop();
    ctx.json_parse(format!("[{text}]"))
}

/// Finds, checks and compiles a workflow within the workflow.
fn nested<'js>(
    ctx: &Ctx<'js>,
    shared: &RefCell<Shared>,
    name: &str,
) -> rquickjs::Result<Object<'js>> {
    let found = (shared.borrow().resolve)(name);
    let (file, text) = found.map_err(|why| {
        Exception::throw_message(ctx, &format!("workflow({name:?}) is not there: {why}"))
    })?;
    let checked = check::check(&file, &text);
    if let Some(problem) = checked.errors().next() {
        let why = format!("workflow({name:?}) cannot run: {problem}");
        return Err(Exception::throw_syntax(ctx, why.trim_end()));
    }
    let title = checked
        .meta
        .as_ref()
        .map_or_else(|| name.to_owned(), |meta| meta.name.clone());
    let source = Source::nested(&file, &text, checked.export);
    let found = Object::new(ctx.clone())?;
    found.set("title", title)?;
    found.set("enter", source.compile(ctx)?)?;
    shared.borrow_mut().sources.add(&source);
    Ok(found)
}
