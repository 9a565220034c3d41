//! How the text of a script becomes something to run, and how places in it are found again.
//!
//! Invariants: the text is wrapped without a line before it, and only the word `export` is blanked out, so every line
//! keeps its number and every column, but for those of line 1, which are put right here.

use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt as _, Ctx, Function};

use super::talk::Place;

const MAIN: &str = "(async()=>{";
const NESTED: &str = "((args,workflow,agent,packet,integrate,sh,gate,checkpoint,phase)=>async()=>{";
const END: &str = "\n})";

/// A script that can be compiled.
pub(super) struct Source {
    file: String,
    text: String,
    shift: usize,
}

impl Source {
    /// A script of its own; `export` is where the word `export` of its header is.
    pub(super) fn main(file: &str, text: &str, export: Option<usize>) -> Self {
        Self::wrapped(MAIN, file, text, export)
    }

    /// A workflow within a workflow: a function of what differs for it.
    pub(super) fn nested(file: &str, text: &str, export: Option<usize>) -> Self {
        Self::wrapped(NESTED, file, text, export)
    }

    fn wrapped(prefix: &str, file: &str, text: &str, export: Option<usize>) -> Self {
        let mut wrapped = String::with_capacity(prefix.len() + text.len() + END.len());
        wrapped.push_str(prefix);
        match export {
            Some(at) => {
                let end = at + "export".len();
                // A first line that names an interpreter is a comment here.
                wrapped.push_str(&text[..at].replacen(
                    "#!",
                    "//",
                    usize::from(text.starts_with("#!")),
                ));
                wrapped.push_str("      ");
                wrapped.push_str(&text[end..]);
            }
            None => wrapped.push_str(text),
        }
        wrapped.push_str(END);
        Self {
            file: file.to_owned(),
            text: wrapped,
            shift: prefix.chars().count(),
        }
    }

    /// Compiles the text to a function.
    pub(super) fn compile<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Function<'js>> {
        let mut options = EvalOptions::default();
        options.filename = Some(name(&self.file));
        ctx.eval_with_options(self.text.as_str(), options)
    }
}

/// The name by which the engine knows a file: one that it can print in a stack.
fn name(file: &str) -> String {
    file.replace(['\0', '\n', '\r'], " ")
}

/// The files that the frames of a stack may name.
#[derive(Default)]
pub(super) struct Sources(Vec<(String, usize)>);

impl Sources {
    /// Knows one more file.
    pub(super) fn add(&mut self, source: &Source) {
        let file = name(&source.file);
        if !self.0.iter().any(|(known, _)| *known == file) {
            self.0.push((file, source.shift));
        }
    }

    /// The frames of these files in a stack of the engine, with columns as in the sources, and the innermost place.
    pub(super) fn frames(&self, stack: &str) -> (String, Option<Place>) {
        let mut kept = String::new();
        let mut first = None;
        for line in stack.lines() {
            let Some((before, place)) = self.frame(line) else {
                continue;
            };
            kept.push_str(&format!(
                "    at {before}{place}{}\n",
                if before.is_empty() { "" } else { ")" }
            ));
            first.get_or_insert(place);
        }
        (kept.trim_end().to_owned(), first)
    }

    /// `    at work (file.js:2:27)` or `    at file.js:2:27`.
    fn frame<'a>(&self, line: &'a str) -> Option<(&'a str, Place)> {
        let line = line.trim().strip_prefix("at ")?;
        let inner = line.strip_suffix(')').unwrap_or(line);
        for (file, shift) in &self.0 {
            let Some(found) = inner.rfind(&format!("{file}:")) else {
                continue;
            };
            let mut numbers = inner[found + file.len() + 1..].splitn(2, ':');
            let number = numbers.next()?.parse().ok()?;
            let column: usize = numbers.next()?.parse().ok()?;
            let column = if number == 1 {
                column.saturating_sub(*shift).max(1)
            } else {
                column
            };
            let place = Place {
                file: file.clone(),
                line: number,
                column: u32::try_from(column).ok()?,
            };
            return Some((&inner[..found], place));
        }
        None
    }
}

/// Compiles a script without running it, in an engine of its own; the first error if it cannot be compiled.
pub(super) fn compiles(
    file: &str,
    text: &str,
    export: Option<usize>,
) -> Result<(), (String, Option<Place>)> {
    let source = Source::main(file, text, export);
    let mut sources = Sources::default();
    sources.add(&source);
    let failed = |error: rquickjs::Error| (error.to_string(), None);
    let runtime = rquickjs::Runtime::new().map_err(failed)?;
    let context = rquickjs::Context::builder()
        .with::<rquickjs::context::intrinsic::Eval>()
        .with::<rquickjs::context::intrinsic::RegExpCompiler>()
        .with::<rquickjs::context::intrinsic::RegExp>()
        .with::<rquickjs::context::intrinsic::Promise>()
        .build(&runtime)
        .map_err(failed)?;
    context.with(|ctx| {
        // The text is an expression that makes a function; making it runs nothing of the script.
        source
            .compile(&ctx)
            .catch(&ctx)
            .map(drop)
            .map_err(|error| match error {
                rquickjs::CaughtError::Exception(exception) => {
                    let (_, place) = sources.frames(&exception.stack().unwrap_or_default());
                    (exception.message().unwrap_or_default(), place)
                }
                other => (other.to_string(), None),
            })
    })
}
