//! What can be seen in the text of a script: what differs from run to run, calls that are not waited for, promises
//! where functions are wanted, phases that the header does not know.
//!
//! Invariants: a name that the script declares anywhere is left alone everywhere, because it may be its own; strings and
//! comments are never looked into.

use std::collections::HashSet;

use oxc_ast::ast::{
    Argument, ArrowFunctionBody, BinaryOperator, BindingIdentifier, CallExpression,
    ComputedMemberExpression, ConditionalExpression, ExportAllDeclaration, ExportDeclaration,
    ExportDefaultDeclaration, ExportFromDeclaration, ExportNamedDeclaration, Expression,
    ExpressionStatement, IfStatement, ImportDeclaration, ImportExpression, NewExpression,
    ObjectPropertyKind, Program, Statement, StaticMemberExpression, TemplateLiteral,
    UnaryExpression, UnaryOperator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan as _, Span};

use super::meta::Meta;
use super::problem::{Problem, Text};

/// The functions that give a promise.
const CALLS: [&str; 9] = [
    "agent",
    "parallel",
    "pipeline",
    "packet",
    "integrate",
    "sh",
    "gate",
    "checkpoint",
    "workflow",
];

/// What other places have and a script has not, and what to do instead.
const ABSENT: [(&str, &str); 14] = [
    (
        "setTimeout",
        "a script has no clock: agents and sh() take the time they need",
    ),
    ("setInterval", "a script has no clock"),
    ("setImmediate", "await something, or use queueMicrotask()"),
    (
        "fetch",
        "a script has no network: let an agent or sh() do it",
    ),
    (
        "XMLHttpRequest",
        "a script has no network: let an agent or sh() do it",
    ),
    ("performance", "pass a time through args"),
    ("crypto", "pass what is random through args"),
    ("WeakRef", "a script must not see when memory is freed"),
    (
        "FinalizationRegistry",
        "a script must not see when memory is freed",
    ),
    ("SharedArrayBuffer", "a script has one thread"),
    ("Atomics", "a script has one thread"),
    ("ArrayBuffer", "use arrays and strings"),
    ("Uint8Array", "use arrays and strings"),
    ("structuredClone", "use JSON.parse(JSON.stringify(value))"),
];

const CLOCK: &str = "pass a time through args";
const RANDOM: &str = "use the index of the item, or pass a seed through args";

/// Returns what is found, in no certain order.
pub(super) fn lint(text: &Text<'_>, program: &Program<'_>, meta: Option<&Meta>) -> Vec<Problem> {
    let mut names = Names(HashSet::new());
    names.visit_program(program);
    let header = program.body.first().map(Statement::span);
    let mut lint = Lint {
        text,
        own: names.0,
        phases: meta
            .map(|meta| {
                meta.phases
                    .iter()
                    .map(|phase| phase.title.clone())
                    .collect()
            })
            .unwrap_or_default(),
        header,
        found: Vec::new(),
    };
    lint.visit_program(program);
    lint.found
}

/// The names that a script declares.
struct Names(HashSet<String>);

impl<'a> Visit<'a> for Names {
    fn visit_binding_identifier(&mut self, name: &BindingIdentifier<'a>) {
        self.0.insert(name.name.to_string());
    }
}

struct Lint<'t> {
    text: &'t Text<'t>,
    own: HashSet<String>,
    phases: HashSet<String>,
    header: Option<Span>,
    found: Vec<Problem>,
}

impl Lint<'_> {
    fn error(&mut self, span: Span, message: &str, help: &str) {
        self.found.push(self.text.error(span, message, Some(help)));
    }

    fn warning(&mut self, span: Span, message: String, help: &str) {
        self.found
            .push(self.text.warning(span, message, Some(help)));
    }

    /// The global that an expression names: `Date`, `globalThis.Date`, `globalThis['Date']`.
    fn global(&self, expression: &Expression<'_>) -> Option<String> {
        let free = |name: &str| !self.own.contains(name);
        match expression {
            Expression::Identifier(name) if free(&name.name) => Some(name.name.to_string()),
            Expression::StaticMemberExpression(member) => {
                let root = self.global(&member.object)?;
                (root == "globalThis").then(|| member.property.name.to_string())
            }
            Expression::ComputedMemberExpression(member) => {
                let root = self.global(&member.object)?;
                if root == "globalThis" {
                    folded(&member.expression)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// The function of ours that an expression calls.
    fn called(&self, expression: &Expression<'_>) -> Option<(&'static str, Span)> {
        let Expression::CallExpression(call) = expression else {
            return None;
        };
        let name = self.global(&call.callee)?;
        let known = CALLS.iter().find(|known| **known == name)?;
        Some((known, call.span))
    }

    fn member(&mut self, object: &Expression<'_>, property: Option<String>, span: Span) {
        let Some(property) = property else {
            return;
        };
        if let Some((name, _)) = self.called(object)
            && !matches!(property.as_str(), "then" | "catch" | "finally")
        {
            self.not_awaited(name, span, "its value is not there yet");
        }
        let Some(global) = self.global(object) else {
            return;
        };
        match (global.as_str(), property.as_str()) {
            ("Date", "now") => self.error(span, "Date.now() differs on every run", CLOCK),
            ("Math", "random") => self.error(span, "Math.random() differs on every run", RANDOM),
            ("process", other) if other != "cwd" => {
                let message = format!("process.{other} is not there in a script");
                self.warning(
                    span,
                    message,
                    "a script has process.cwd() alone: pass the rest through args",
                );
            }
            _ => {}
        }
    }

    fn not_awaited(&mut self, name: &str, span: Span, what: &str) {
        let message = format!("{name}() is not awaited: {what}");
        self.warning(span, message, &format!("write `await {name}(…)`"));
    }

    fn condition(&mut self, test: &Expression<'_>) {
        if let Some((name, span)) = self.called(test) {
            self.not_awaited(name, span, "a promise is always true");
        }
    }

    /// A promise where `parallel()` wants a function.
    fn thunks(&mut self, list: &Expression<'_>) {
        const HELP: &str = "wrap each call: () => agent(…)";
        match list {
            Expression::ArrayExpression(array) => {
                for element in &array.elements {
                    let Some(expression) = element.as_expression() else {
                        continue;
                    };
                    if let Some((name, span)) = self.called(awaited(expression)) {
                        let message =
                            format!("parallel() wants functions, and {name}() gives a promise");
                        self.error(span, &message, HELP);
                    }
                }
            }
            Expression::CallExpression(call) => {
                let Expression::StaticMemberExpression(member) = &call.callee else {
                    return;
                };
                if member.property.name != "map" {
                    return;
                }
                let made = match call.arguments.first() {
                    Some(Argument::ArrowFunctionExpression(arrow)) => {
                        if arrow.r#async {
                            Some(("the async function", arrow.span))
                        } else {
                            result(&arrow.body).and_then(|value| self.called(value))
                        }
                    }
                    Some(Argument::FunctionExpression(function)) if function.r#async => {
                        Some(("the async function", function.span))
                    }
                    _ => None,
                };
                if let Some((name, span)) = made {
                    let name = if CALLS.contains(&name) {
                        format!("{name}()")
                    } else {
                        name.to_owned()
                    };
                    let message = format!("parallel() wants functions, and {name} gives a promise");
                    self.error(
                        span,
                        &message,
                        "return a function for each item: .map(item => () => agent(…))",
                    );
                }
            }
            _ => {}
        }
    }

    fn phase(&mut self, title: &Expression<'_>) {
        let Some(name) = folded(title) else {
            return;
        };
        if !self.phases.is_empty() && !self.phases.contains(&name) {
            let message = format!("the phase `{name}` is not in meta.phases");
            self.warning(
                title.span(),
                message,
                "titles are compared letter by letter; an unknown one becomes a group of its own",
            );
        }
    }

    fn module(&mut self, span: Span, what: &str) {
        self.error(
            span,
            &format!("{what}: a script is one file"),
            "only `export const meta` is exported, and nothing is imported",
        );
    }
}

/// The value of an arrow function that does nothing but give one.
fn result<'b, 'a>(body: &'b ArrowFunctionBody<'a>) -> Option<&'b Expression<'a>> {
    match body {
        ArrowFunctionBody::FunctionBody(body) => match body.statements.as_slice() {
            [Statement::ReturnStatement(statement)] => statement.argument.as_ref(),
            _ => None,
        },
        other => other.as_expression(),
    }
}

/// What is awaited, or the expression itself.
fn awaited<'b, 'a>(expression: &'b Expression<'a>) -> &'b Expression<'a> {
    match expression {
        Expression::AwaitExpression(inner) => &inner.argument,
        other => other,
    }
}

/// The string that an expression certainly is.
fn folded(expression: &Expression<'_>) -> Option<String> {
    match expression {
        Expression::StringLiteral(string) => Some(string.value.to_string()),
        Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
            let quasi = template.quasis.first()?;
            Some(quasi.value.cooked.as_ref()?.to_string())
        }
        Expression::BinaryExpression(sum) if sum.operator == BinaryOperator::Addition => {
            Some(folded(&sum.left)? + &folded(&sum.right)?)
        }
        _ => None,
    }
}

impl<'a> Visit<'a> for Lint<'_> {
    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        let property = Some(member.property.name.to_string());
        self.member(&member.object, property, member.span);
        walk::walk_static_member_expression(self, member);
    }

    fn visit_computed_member_expression(&mut self, member: &ComputedMemberExpression<'a>) {
        self.member(&member.object, folded(&member.expression), member.span);
        walk::walk_computed_member_expression(self, member);
    }

    fn visit_unary_expression(&mut self, unary: &UnaryExpression<'a>) {
        // `typeof Date.now` asks nothing of the clock, and is how a script finds out what there is.
        if unary.operator == UnaryOperator::Typeof {
            return;
        }
        if unary.operator == UnaryOperator::LogicalNot {
            self.condition(&unary.argument);
        }
        walk::walk_unary_expression(self, unary);
    }

    fn visit_new_expression(&mut self, made: &NewExpression<'a>) {
        match self.global(&made.callee).as_deref() {
            Some("Date") if made.arguments.is_empty() => {
                self.error(
                    made.span,
                    "new Date() without a time differs on every run",
                    CLOCK,
                );
            }
            Some("Function") => self.error(
                made.span,
                "Function() makes code from text",
                "write the code itself; a script is checked before it runs",
            ),
            Some(name) => self.absent(name, made.span),
            None => {}
        }
        walk::walk_new_expression(self, made);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let first = call.arguments.first().and_then(Argument::as_expression);
        match self.global(&call.callee).as_deref() {
            Some("Date") => self.error(
                call.span,
                "Date() is the time of the run, and differs on every run",
                CLOCK,
            ),
            Some(name @ ("eval" | "Function")) => {
                let message = format!("{name}() makes code from text");
                self.error(
                    call.span,
                    &message,
                    "write the code itself; a script is checked before it runs",
                );
            }
            Some("require") => self.error(
                call.span,
                "require() is not there: a script has no modules",
                "let an agent or sh() do what the module would do",
            ),
            Some("parallel") => {
                if let Some(list) = first {
                    self.thunks(list);
                }
            }
            Some("phase") => {
                if let Some(title) = first {
                    self.phase(title);
                }
            }
            Some("agent" | "packet") => {
                if let Some(Argument::ObjectExpression(options)) = call.arguments.get(1) {
                    for property in &options.properties {
                        if let ObjectPropertyKind::ObjectProperty(property) = property
                            && property.key.static_name().as_deref() == Some("phase")
                        {
                            self.phase(&property.value);
                        }
                    }
                }
            }
            Some(name) => self.absent(name, call.span),
            None => {}
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_expression_statement(&mut self, statement: &ExpressionStatement<'a>) {
        if let Some((name, span)) = self.called(&statement.expression) {
            self.not_awaited(name, span, "the script goes on without it");
        }
        walk::walk_expression_statement(self, statement);
    }

    fn visit_template_literal(&mut self, template: &TemplateLiteral<'a>) {
        for expression in &template.expressions {
            if let Some((name, span)) = self.called(expression) {
                self.not_awaited(name, span, "the text will be [object Promise]");
            }
        }
        walk::walk_template_literal(self, template);
    }

    fn visit_if_statement(&mut self, statement: &IfStatement<'a>) {
        self.condition(&statement.test);
        walk::walk_if_statement(self, statement);
    }

    fn visit_conditional_expression(&mut self, choice: &ConditionalExpression<'a>) {
        self.condition(&choice.test);
        walk::walk_conditional_expression(self, choice);
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        self.module(import.span, "nothing can be imported");
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        self.module(import.span, "import() is not there");
        walk::walk_import_expression(self, import);
    }

    fn visit_export_declaration(&mut self, export: &ExportDeclaration<'a>) {
        if Some(export.span) != self.header {
            self.module(export.span, "only meta can be exported");
        }
        walk::walk_export_declaration(self, export);
    }

    fn visit_export_named_declaration(&mut self, export: &ExportNamedDeclaration<'a>) {
        self.module(export.span, "only meta can be exported");
    }

    fn visit_export_from_declaration(&mut self, export: &ExportFromDeclaration<'a>) {
        self.module(export.span, "only meta can be exported");
    }

    fn visit_export_default_declaration(&mut self, export: &ExportDefaultDeclaration<'a>) {
        self.module(export.span, "only meta can be exported");
        walk::walk_export_default_declaration(self, export);
    }

    fn visit_export_all_declaration(&mut self, export: &ExportAllDeclaration<'a>) {
        self.module(export.span, "only meta can be exported");
    }
}

impl Lint<'_> {
    /// What is not there fails where it is reached, which may be never.
    fn absent(&mut self, name: &str, span: Span) {
        if let Some((name, help)) = ABSENT.iter().find(|(known, _)| *known == name) {
            self.warning(span, format!("{name} is not there in a script"), help);
        }
    }
}
