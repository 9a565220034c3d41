//! The check of a script before anything runs: header, syntax, and what would certainly go wrong later.
//!
//! Invariants: what the check calls an error would have failed at run time, or breaks the contract of the header;
//! whatever may be right is a warning or nothing. The engine stays the judge of what a script does. Called by
//! `dynwf script check`, by the engine before it starts, and for every `workflow()`.

mod lint;
mod meta;
mod problem;

use oxc_allocator::Allocator;
use oxc_ast::ast::Statement;
use oxc_parser::{ParseOptions, Parser};
use oxc_span::{SourceType, Span};

pub use meta::{Meta, MetaPhase};
use problem::Text;
pub use problem::{Problem, Severity};

use super::source;

/// The longest script that is read, in bytes: what the Workflow tool of Claude Code takes.
pub const LONGEST: usize = 512 * 1024;

/// What the check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The header, if it can be read.
    pub meta: Option<Meta>,
    /// What is wrong, in the order of the text.
    pub problems: Vec<Problem>,
    /// Where the word `export` of the header is, in bytes.
    pub(super) export: Option<usize>,
}

impl Checked {
    /// The problems that keep the script from running.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
    }
}

/// Checks a script; `file` is how it is called in messages.
pub fn check(file: &str, source: &str) -> Checked {
    let text = Text::new(file, source);
    if let Some(problem) = unreadable(&text, source) {
        return Checked {
            meta: None,
            problems: vec![problem],
            export: None,
        };
    }
    let allocator = Allocator::default();
    let options = ParseOptions {
        allow_return_outside_function: true,
        parse_regular_expression: true,
        preserve_parens: false,
        ..ParseOptions::default()
    };
    let parsed = Parser::new(&allocator, source, SourceType::mjs())
        .with_options(options)
        .parse();
    let mut problems: Vec<Problem> = parsed
        .diagnostics
        .errors()
        .map(|found| {
            let span = found
                .labels
                .first()
                .map_or(Span::new(0, 0), oxc_span::LabeledSpan::span);
            let message = found.message.trim_end_matches('.').to_owned();
            let help = found.help.as_ref().map(ToString::to_string);
            text.error(span, message, help.as_deref())
        })
        .collect();
    if parsed.panicked || !problems.is_empty() {
        if problems.is_empty() {
            problems.push(text.error(Span::new(0, 0), "this cannot be read as JavaScript", None));
        }
        return Checked {
            meta: None,
            problems,
            export: None,
        };
    }
    let (meta, export) = match meta::read(&text, &parsed.program) {
        Ok((meta, export)) => (Some(meta), Some(export)),
        Err(mut found) => {
            problems.append(&mut found);
            (None, None)
        }
    };
    problems.extend(lint::lint(&text, &parsed.program, meta.as_ref()));
    let header_only =
        |statement: &Statement<'_>| matches!(statement, Statement::ExportDeclaration(_));
    if !problems.iter().any(|one| one.severity == Severity::Error)
        && parsed.program.body.first().is_some_and(header_only)
        && let Err((message, place)) = source::compiles(file, source, export)
    {
        // What the parser leaves to a later stage: names declared twice, regular expressions, and the like.
        problems.push(text.at(place.as_ref(), message));
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    Checked {
        meta,
        problems,
        export,
    }
}

fn unreadable(text: &Text<'_>, source: &str) -> Option<Problem> {
    let start = Span::new(0, 0);
    if source.len() > LONGEST {
        let message = format!(
            "the script has {} bytes, and may have at most {LONGEST}",
            source.len()
        );
        return Some(text.error(
            start,
            message,
            Some("pass data through args, or let agents read files"),
        ));
    }
    let nul = u32::try_from(source.find('\0')?).ok()?;
    Some(text.error(
        Span::new(nul, nul + 1),
        "there is a zero byte here, so this is no text",
        None,
    ))
}
