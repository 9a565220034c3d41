//! Writes a plan as tidy `plan.toml`: what a person would have written, without the noise of defaults.
//!
//! Reading the text back gives the same plan; a property test holds that.

use crate::model::plan::{
    Budget, Check, CheckWhen, Integration, Kind, Order, Overlap, Packet, Plan, PlanGate, Risk,
    Severity, Strategy,
};

/// How wide a list may be before each of its items gets a line.
const WIDTH: usize = 100;

/// Returns the plan as TOML.
pub fn toml_text(plan: &Plan) -> String {
    let mut out = Writer::new("");
    out.plan(plan);
    out.text
}

/// Returns the plan as TOML below a table, for a file that holds more than the plan.
pub(super) fn toml_text_below(plan: &Plan, table: &str) -> String {
    let mut out = Writer::new(&format!("{table}."));
    out.text = format!("[{table}]\n");
    out.plan(plan);
    out.text
}

/// Builds lines of `key = value`. `start` goes before the name of every table.
pub(super) struct Writer {
    /// What was written so far.
    pub(super) text: String,
    start: String,
}

impl Writer {
    pub(super) fn new(start: &str) -> Self {
        Self {
            text: String::new(),
            start: start.to_owned(),
        }
    }

    fn plan(&mut self, plan: &Plan) {
        self.always("goal", &plan.goal);
        self.list("success", &plan.success);
        self.words("context", &plan.context);
        self.list("constraints", &plan.constraints);
        self.maybe("base", plan.base.as_deref());
        self.integration(&plan.integration);
        self.budget(&plan.budget);
        for risk in &plan.risks {
            self.risk(risk);
        }
        for gate in &plan.gates {
            self.gate(gate);
        }
        for check in &plan.checks {
            self.check(check);
        }
        for packet in &plan.packets {
            self.packet(packet);
        }
    }

    fn integration(&mut self, integration: &Integration) {
        if *integration == Integration::default() {
            return;
        }
        self.table("integration");
        self.maybe("target", integration.target.as_deref());
        match integration.strategy {
            Strategy::Merge => {}
            Strategy::Squash => self.always("strategy", "squash"),
            Strategy::Rebase => self.always("strategy", "rebase"),
        }
        match integration.order {
            Order::Plan => {}
            Order::SmallestFirst => self.always("order", "smallest-first"),
        }
        match integration.overlap {
            Overlap::Error => {}
            Overlap::Serialize => self.always("overlap", "serialize"),
            Overlap::Allow => self.always("overlap", "allow"),
        }
        if let Some(bisect) = integration.bisect {
            self.line("bisect", &bisect.to_string());
        }
    }

    fn budget(&mut self, budget: &Budget) {
        if *budget == Budget::default() {
            return;
        }
        self.table("budget");
        self.number("concurrency", budget.concurrency);
        self.number("minutes", budget.minutes);
        self.number("tokens", budget.tokens);
        if let Some(dollars) = budget.dollars {
            self.line("dollars", &format!("{dollars:?}"));
        }
        self.number("packets", budget.packets);
    }

    fn risk(&mut self, risk: &Risk) {
        self.item("risk");
        self.always("what", &risk.what);
        match risk.severity {
            Severity::Low => self.always("severity", "low"),
            Severity::Medium => {}
            Severity::High => self.always("severity", "high"),
        }
        self.words("mitigation", &risk.mitigation);
    }

    fn gate(&mut self, gate: &PlanGate) {
        self.item("gate");
        self.always("before", &gate.before);
        self.words("why", &gate.why);
    }

    fn check(&mut self, check: &Check) {
        self.item("check");
        self.always("name", &check.name);
        self.always("run", &check.run);
        match check.when {
            CheckWhen::Packet => self.always("when", "packet"),
            CheckWhen::Integrated => {}
            CheckWhen::Both => self.always("when", "both"),
        }
        self.number("minutes", check.minutes);
        if check.must_pass {
            self.line("must_pass", "true");
        }
    }

    fn packet(&mut self, packet: &Packet) {
        self.item("packet");
        self.always("id", packet.id.as_str());
        self.always("objective", &packet.objective);
        self.words("context", &packet.context);
        self.maybe("owner", packet.owner.as_deref());
        self.list("scope", &packet.scope);
        self.list("sources", &packet.sources);
        self.list("do", &packet.steps);
        self.list("dont", &packet.dont);
        self.words("expect", &packet.expect);
        self.words("stop", &packet.stop);
        self.list("checks", &packet.checks);
        let after: Vec<String> = packet.after.iter().map(ToString::to_string).collect();
        self.list("after", &after);
        self.maybe("agent", packet.agent.as_deref());
        self.maybe("run", packet.run.as_deref());
        match packet.kind {
            Kind::Edit => {}
            Kind::Research => self.always("kind", "research"),
            Kind::Resolve => self.always("kind", "resolve"),
            Kind::Review => self.always("kind", "review"),
        }
        self.number("turns", packet.turns);
        self.number("minutes", packet.minutes);
        self.number("total_minutes", packet.total_minutes);
        self.number("tokens", packet.tokens);
        if let Some(dollars) = packet.dollars {
            self.line("dollars", &format!("{dollars:?}"));
        }
        if let Some(schema) = &packet.schema
            && let Ok(value) = toml::Value::try_from(schema)
        {
            self.line("schema", &value.to_string());
        }
    }

    fn table(&mut self, name: &str) {
        let start = &self.start;
        self.text.push_str(&format!("\n[{start}{name}]\n"));
    }

    pub(super) fn item(&mut self, name: &str) {
        let start = &self.start;
        self.text.push_str(&format!("\n[[{start}{name}]]\n"));
    }

    fn line(&mut self, key: &str, value: &str) {
        self.text.push_str(&format!("{key} = {value}\n"));
    }

    fn number<N: std::fmt::Display>(&mut self, key: &str, value: Option<N>) {
        if let Some(value) = value {
            self.line(key, &value.to_string());
        }
    }

    pub(super) fn always(&mut self, key: &str, text: &str) {
        self.line(key, &quoted(text));
    }

    pub(super) fn words(&mut self, key: &str, text: &str) {
        self.maybe(key, Some(text).filter(|text| !text.is_empty()));
    }

    pub(super) fn maybe(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.always(key, text);
        }
    }

    pub(super) fn list(&mut self, key: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
        let line = format!("[{}]", items.join(", "));
        if key.len() + line.len() + 3 <= WIDTH && !line.contains('\n') {
            return self.line(key, &line);
        }
        let lines = items.join(",\n    ");
        self.line(key, &format!("[\n    {lines},\n]"));
    }
}

/// Quotes a text; one of several lines keeps its lines.
fn quoted(text: &str) -> String {
    let lines = text.contains('\n');
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(if lines { "\"\"\"\n" } else { "\"" });
    let mut quotes = 0;
    for c in text.chars() {
        quotes = if c == '"' { quotes + 1 } else { 0 };
        match c {
            // Within three quotes one or two are text; a third would end it.
            '"' if lines && quotes < 3 => out.push('"'),
            '"' => {
                out.push_str("\\\"");
                quotes = 0;
            }
            '\\' => out.push_str("\\\\"),
            '\n' if lines => out.push('\n'),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    // A last quote that is not escaped yet would stand beside the closing ones.
    if lines && quotes > 0 {
        out.pop();
        out.push_str("\\\"");
    }
    out.push_str(if lines { "\"\"\"" } else { "\"" });
    out
}

#[cfg(test)]
#[path = "toml_text_tests.rs"]
mod tests;
