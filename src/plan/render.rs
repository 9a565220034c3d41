//! What people and workers read of a plan: `plan.md`, `orchestration.md`, `packets/<id>.md`.
//!
//! Pure text from the plan; `report` writes the files. Headings are fixed, because people and tools look for
//! them. Text of the plan is shown as it is, but for characters that could deceive a reader.

use super::order::{effective_after, waves};
use crate::model::id::{CommitId, PacketId, RefName, Slug};
use crate::model::path::is_treacherous;
use crate::model::plan::{Check, Kind, Order, Overlap, Packet, Plan, Severity, Strategy};

/// Which workflow the text is about, and what was pinned when it was split.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The workflow.
    pub slug: &'a Slug,
    /// The base; `None` before the split.
    pub base: Option<&'a CommitId>,
    /// The target; `None` before the split.
    pub target: Option<&'a RefName>,
}

impl Setting<'_> {
    fn base(&self, plan: &Plan) -> String {
        match (self.base, &plan.base) {
            (Some(commit), Some(name)) => format!("{} ({})", code(commit.short()), code(name)),
            (Some(commit), None) => code(commit.short()),
            (None, Some(name)) => format!("{}, pinned when the plan is split", code(name)),
            (None, None) => "HEAD, pinned when the plan is split".to_owned(),
        }
    }

    fn target(&self, plan: &Plan) -> String {
        match (self.target, &plan.integration.target) {
            (Some(name), _) => code(name.short()),
            (None, Some(name)) => code(name),
            (None, None) => "the branch that is checked out when the plan is split".to_owned(),
        }
    }
}

/// Returns `plan.md`.
pub fn plan_md(setting: &Setting<'_>, plan: &Plan) -> String {
    let mut page = Page::new(&format!("Plan: {}", setting.slug));
    page.section("Goal", &plan.goal);
    page.list("Success criteria", plan.success.iter().cloned());
    page.section("Current context", &context(setting, plan));
    page.list("Constraints", plan.constraints.iter().cloned());
    page.list(
        "Risks",
        plan.risks.iter().map(|risk| {
            let severity = match risk.severity {
                Severity::Low => "low",
                Severity::Medium => "medium",
                Severity::High => "high",
            };
            format!("{severity}: {}{}", risk.what, after_dash(&risk.mitigation))
        }),
    );
    page.list(
        "Approval required",
        approvals(plan, &setting.target(plan)).into_iter(),
    );
    page.section("Work packets", &packet_table(plan));
    page.list("Integration policy", policy(setting, plan).into_iter());
    page.list("Verification", verification(plan).into_iter());
    let slug = setting.slug;
    page.section(
        "Reusable artifacts",
        &format!(
            "Everything about this workflow is in {}. When it is finished, {} keeps the shape of this plan in {}.",
            code(&format!(".workflow/{slug}/")),
            code(&format!("dynwf archive {slug} --recipe NAME")),
            code(".workflow/recipes/")
        ),
    );
    page.text
}

/// Returns `orchestration.md`: order, branching rules, prompts and what must hold at the end.
pub fn orchestration_md(setting: &Setting<'_>, plan: &Plan) -> String {
    let slug = setting.slug;
    let mut page = Page::new(&format!("Orchestration: {slug}"));
    let after = effective_after(plan);
    let mut order = String::new();
    for (number, wave) in waves(plan).iter().enumerate() {
        order.push_str(&format!("{}. {}\n", number + 1, ids(wave)));
    }
    order.push_str("\nPackets of one line can run together. ");
    order.push_str("A packet starts as soon as all that it needs is integrated:\n\n");
    for packet in &plan.packets {
        if let Some(needs) = after.get(&packet.id).filter(|needs| !needs.is_empty()) {
            order.push_str(&format!(
                "- {} needs {}\n",
                code(packet.id.as_str()),
                ids(needs)
            ));
        }
    }
    if after.values().all(Vec::is_empty) {
        order.push_str("- no packet needs another\n");
    }
    page.section("Order", &order);
    page.list("Branching rules", branching(setting, plan).into_iter());
    page.heading("Prompts");
    page.paragraph("Each worker gets its page below packets/, and is told:");
    let never = NEVER.iter().map(|rule| format!("do not {rule}"));
    page.items(never.chain(TOLD.map(str::to_owned)));
    for packet in &plan.packets {
        let id = &packet.id;
        let doing = packet
            .run
            .as_deref()
            .map_or(String::new(), |run| format!(" — {}", code(run)));
        let line = format!(
            "### {id}\n\n{}\n\n{} as {}{doing}; see [packets/{id}.md](packets/{id}.md).",
            clean(&packet.objective),
            kind_word(packet.kind),
            code(packet.agent_name())
        );
        page.paragraph(&line);
    }
    let mut audit = vec![
        "every packet is integrated, changed nothing, is done, or was waived with a reason"
            .to_owned(),
        "every change lies in its packet's scope, or a person approved it".to_owned(),
        "every check below holds on the integrated tree, not on an older one".to_owned(),
    ];
    audit.extend(plan.success.iter().map(|line| format!("success: {line}")));
    audit.extend(
        plan.integrated_checks()
            .map(|check| format!("check: {}", check_line(check))),
    );
    page.list("Completion audit", audit.into_iter());
    page.text
}

/// Returns `packets/<id>.md`: all that a worker needs to know, without another page.
pub fn packet_md(setting: &Setting<'_>, plan: &Plan, packet: &Packet) -> String {
    let mut page = Page::new(&format!("Packet {} of {}", packet.id, setting.slug));
    page.section("Packet ID", packet.id.as_str());
    page.section("Objective", &packet.objective);
    let mut words = vec![format!("The whole change: {}", plan.goal.trim())];
    words.extend(
        [&plan.context, &packet.context]
            .into_iter()
            .filter(|text| !text.trim().is_empty())
            .cloned(),
    );
    if !packet.after.is_empty() {
        words.push(format!(
            "It starts from the integrated result of {}.",
            ids(&packet.after)
        ));
    }
    page.section("Context", &words.join("\n\n"));
    page.list(
        "Files / sources",
        packet.sources.iter().map(|source| code(source)),
    );
    page.heading("Ownership");
    let owner = packet
        .owner
        .as_deref()
        .map_or("nobody is named".to_owned(), clean);
    page.paragraph(&format!(
        "Owner: {owner}. Worker: {}.",
        code(packet.agent_name())
    ));
    if packet.scope.is_empty() {
        page.paragraph("This packet changes no files.");
    } else {
        page.paragraph("Only these paths may change:");
        page.items(packet.scope.iter().map(|pattern| code(pattern)));
    }
    let run = packet.run.iter().map(|run| format!("run {}", code(run)));
    page.list("Do", packet.steps.iter().cloned().chain(run));
    let constraints = plan
        .constraints
        .iter()
        .map(|line| format!("break this: {line}"));
    let rules = packet.dont.iter().cloned().chain(constraints);
    page.list("Do not", rules.chain(NEVER.map(str::to_owned)));
    page.section("Expected output", &packet.expect);
    page.section("Stop condition", &stop(packet));
    page.list(
        "Verification",
        plan.checks_of(packet).iter().map(check_line),
    );
    page.text
}

/// What no worker may do, in words that complete "do not …".
const NEVER: [&str; 2] = [
    "change files outside the packet's scope: such work is refused",
    "revert or reformat what others did: other packets are being worked on at the same time",
];

/// What every worker is told beside it.
const TOLD: [&str; 2] = [
    "dynwf collects the files and commits them; committing is allowed and not needed",
    "say at the end what was done, what was not, and what remains risky",
];

fn context(setting: &Setting<'_>, plan: &Plan) -> String {
    let pinned = format!("Work starts from {}.", setting.base(plan));
    if plan.context.trim().is_empty() {
        pinned
    } else {
        format!("{}\n\n{pinned}", plan.context.trim_end())
    }
}

fn approvals(plan: &Plan, target: &str) -> Vec<String> {
    let asked = plan.gates.iter();
    let mut lines: Vec<String> = asked
        .map(|gate| format!("before {}{}", code(&gate.before), after_dash(&gate.why)))
        .collect();
    lines.push("before a packet is merged that is large or touches a protected path".to_owned());
    lines.push(format!("before {target} moves"));
    lines.push("before anything is pushed".to_owned());
    lines
}

fn packet_table(plan: &Plan) -> String {
    if plan.packets.is_empty() {
        return String::new();
    }
    let mut table =
        "| packet | objective | scope | worker | needs |\n|---|---|---|---|---|\n".to_owned();
    for packet in &plan.packets {
        let scope: Vec<String> = packet.scope.iter().map(|pattern| code(pattern)).collect();
        let objective = packet
            .objective
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let cells = [
            format!("[{0}](packets/{0}.md)", packet.id),
            clean(&objective),
            scope.join(", "),
            code(packet.agent_name()),
            ids(&packet.after),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

fn policy(setting: &Setting<'_>, plan: &Plan) -> Vec<String> {
    let integration = &plan.integration;
    let strategy = match integration.strategy {
        Strategy::Merge => "one merge commit per packet",
        Strategy::Squash => "one ordinary commit per packet",
        Strategy::Rebase => "each packet's own commits, replayed",
    };
    let order = match integration.order {
        Order::Plan => "in the order of the plan",
        Order::SmallestFirst => "the smallest change first",
    };
    let overlap = match integration.overlap {
        Overlap::Error => "no two packets that run together may change the same file",
        Overlap::Serialize => {
            "of two packets that may change the same file the later one starts from the earlier one's result"
        }
        Overlap::Allow => {
            "packets may change the same files; a conflict is resolved when it is merged"
        }
    };
    vec![
        format!("{strategy}, {order}"),
        overlap.to_owned(),
        format!(
            "merged on {}",
            code(setting.slug.integration_branch().short())
        ),
        format!("lands on {}", setting.target(plan)),
    ]
}

fn verification(plan: &Plan) -> Vec<String> {
    let on_packets = plan
        .checks
        .iter()
        .filter(|check| check.when != crate::model::plan::CheckWhen::Integrated);
    let mut lines: Vec<String> = plan
        .integrated_checks()
        .map(|check| format!("integrated tree: {}", check_line(check)))
        .collect();
    lines.extend(on_packets.map(|check| format!("each packet: {}", check_line(check))));
    for packet in &plan.packets {
        let own = packet
            .checks
            .iter()
            .map(|run| format!("{}: {}", code(packet.id.as_str()), code(run)));
        lines.extend(own);
    }
    lines
}

fn branching(setting: &Setting<'_>, plan: &Plan) -> Vec<String> {
    let slug = setting.slug;
    let budget = &plan.budget;
    let mut lines = vec![
        format!("base: {}", setting.base(plan)),
        format!("each packet works on {}", code(&format!("dynwf/{slug}/<packet>"))),
        "a packet that needs others starts from the integration branch as it is then; every other one from the base"
            .to_owned(),
    ];
    lines.extend(policy(setting, plan));
    lines.extend(
        budget
            .concurrency
            .map(|count| format!("at most {count} units at once")),
    );
    lines.extend(
        budget
            .minutes
            .map(|minutes| format!("at most {minutes} minutes of units' time")),
    );
    lines.extend(
        budget
            .tokens
            .map(|tokens| format!("at most {tokens} tokens")),
    );
    lines.extend(
        budget
            .dollars
            .map(|dollars| format!("at most {dollars} US dollars")),
    );
    lines.extend(
        budget
            .packets
            .map(|packets| format!("agents begin at most {packets} packets")),
    );
    lines
}

fn stop(packet: &Packet) -> String {
    let mut words = vec![packet.stop.trim().to_owned()];
    words.extend(
        packet
            .turns
            .map(|turns| format!("After {turns} turns at the latest.")),
    );
    words.extend(
        packet
            .minutes
            .map(|minutes| format!("After {minutes} minutes a turn.")),
    );
    words.extend(
        packet
            .total_minutes
            .map(|minutes| format!("After {minutes} minutes in all.")),
    );
    words.extend(
        packet
            .dollars
            .map(|dollars| format!("After {dollars} US dollars.")),
    );
    words.extend(
        packet
            .tokens
            .map(|tokens| format!("After {tokens} tokens.")),
    );
    words.retain(|text| !text.is_empty());
    words.join("\n")
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Edit => "Edits files",
        Kind::Research => "Research",
        Kind::Resolve => "Resolves a conflict",
        Kind::Review => "Reviews",
    }
}

fn check_line(check: &Check) -> String {
    if check.name == check.run {
        code(&check.run)
    } else {
        format!("{}: {}", clean(&check.name), code(&check.run))
    }
}

fn ids(list: &[PacketId]) -> String {
    let ids: Vec<String> = list.iter().map(|id| code(id.as_str())).collect();
    ids.join(", ")
}

fn after_dash(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!(" — {text}"),
    }
}

/// Puts a text between enough backticks that its own do not end it.
fn code(text: &str) -> String {
    let text = clean(text).replace('\n', " ");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    if text.starts_with('`') || text.ends_with('`') {
        format!("{ticks} {text} {ticks}")
    } else {
        format!("{ticks}{text}{ticks}")
    }
}

/// Escapes what could deceive a reader; line ends and tabs stay.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        if is_treacherous(c) && c != '\n' && c != '\t' {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// A page of Markdown, built from the top.
struct Page {
    text: String,
}

impl Page {
    fn new(title: &str) -> Self {
        Self {
            text: format!("# {title}\n"),
        }
    }

    fn heading(&mut self, heading: &str) {
        self.text.push_str(&format!("\n## {heading}\n"));
    }

    fn paragraph(&mut self, text: &str) {
        self.text
            .push_str(&format!("\n{}\n", clean(text).trim_end()));
    }

    fn section(&mut self, heading: &str, text: &str) {
        self.heading(heading);
        let text = if text.trim().is_empty() {
            "Nothing is stated."
        } else {
            text
        };
        self.paragraph(text);
    }

    fn list(&mut self, heading: &str, items: impl Iterator<Item = String>) {
        let mut items = items.peekable();
        self.heading(heading);
        if items.peek().is_none() {
            self.paragraph("Nothing is stated.");
        } else {
            self.items(items);
        }
    }

    fn items(&mut self, items: impl Iterator<Item = String>) {
        self.text.push('\n');
        for item in items {
            // Lines that follow belong to the item as long as they are indented.
            let item = clean(item.trim()).replace('\n', "\n  ");
            self.text.push_str(&format!("- {item}\n"));
        }
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
