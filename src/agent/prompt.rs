//! What an agent is told: a packet as one text, and the words that send it back to a failing check.
//!
//! Invariants: everything comes from the plan and from what its checks printed; no path outside the workspace
//! is named, so that an agent that wanders has nowhere to wander to. The same text is what `dynwf packet show
//! --prompt` prints. Called by `runner` and `cli`.

use crate::model::plan::{Check, Kind, Packet, Plan};
use crate::model::unit::UnitOutcome;

/// How much of a failing check's output goes back to the agent, in bytes: its end, where the reasons are.
const OUTPUT: usize = 12 * 1024;

/// What a packet's prompt is made of.
#[derive(Clone, Copy, Debug)]
pub struct PromptParts<'a> {
    /// The whole plan.
    pub plan: &'a Plan,
    /// The packet.
    pub packet: &'a Packet,
    /// The packets whose integrated result it starts from.
    pub built_on: &'a [&'a Packet],
    /// What was wrong with the last turn: [`failed_check`] texts, a reviewer's comments.
    pub feedback: &'a [String],
    /// The turn that this prompt starts, from 1.
    pub turn: u32,
}

/// Returns the whole prompt of a packet, for an agent that knows nothing yet: the first turn, or a later one
/// whose conversation is gone. Ends with the feedback, if there is any.
pub fn packet_prompt(parts: &PromptParts<'_>) -> String {
    let PromptParts { plan, packet, .. } = parts;
    let mut out = Sections::default();
    out.text("Your task", &packet.objective);
    out.text("Context", &packet.context);
    out.list("Read first", &packet.sources);
    out.list("Do", &packet.steps);
    out.list("Do not", &packet.dont);
    out.list("Files you may change", &scope_lines(packet));
    out.text("Expected result", &packet.expect);
    out.text("Stop when", &packet.stop);
    out.list(
        "It is finished when these exit 0",
        &check_lines(plan, packet),
    );
    out.text("The whole change", &whole_change(plan));
    out.list("How the whole is judged", &plan.success);
    out.list("What must stay true", &plan.constraints);
    out.list("Known risks", &risk_lines(plan));
    out.list("Already in your files", &built_on_lines(parts.built_on));
    out.list("How you work here", &ground_rules(packet));
    out.text("What is still wrong", &parts.feedback.join("\n\n"));
    out.0
}

/// Returns what an agent is told in a conversation that already holds the packet's prompt: only what is still
/// wrong, and that the checks decide.
pub fn continuation(parts: &PromptParts<'_>) -> String {
    let mut out = Sections::default();
    let turns = parts.packet.turns.unwrap_or(1);
    let which = if turns >= parts.turn && turns > 1 {
        format!("This is turn {} of {turns}. ", parts.turn)
    } else {
        String::new()
    };
    out.text(
        "It is not finished yet",
        &format!(
            "{which}Your files are as you left them. Mend what follows, within the same scope and rules as \
             before, and do not weaken or skip a check to make it pass."
        ),
    );
    out.text("What is still wrong", &parts.feedback.join("\n\n"));
    out.list(
        "It is finished when these exit 0",
        &check_lines(parts.plan, parts.packet),
    );
    out.0
}

/// Returns what a planner is told: the task, what makes a good plan, and that the plan is the whole answer.
pub fn planner_prompt(task: &str, schema: &serde_json::Value) -> String {
    let description = schema["description"].as_str().unwrap_or("a plan");
    let mut out = Sections::default();
    out.text("Write a plan for this change", task);
    out.text(
        "What is wanted",
        &format!("{description} You do not make the change yourself."),
    );
    out.list(
        "A good plan",
        &[
            "Read the repository first: the current directory is a checkout of it that you may look through.".to_owned(),
            "Split the work into packets that can be worked on side by side by agents who know nothing but their \
             packet. Give each a short id with a two-digit prefix, such as 01-core."
                .to_owned(),
            "Scopes of packets that may run together do not overlap. A packet that needs another's result names it \
             in `after`."
                .to_owned(),
            "Each packet says how its result is checked: shell commands that exit 0, as narrow as they can be. The \
             plan's own checks run on everything together."
                .to_owned(),
            "Where one shell command does a packet's work, give it as `run`; else name an `agent`.".to_owned(),
            "Name what could go wrong, and put a gate where a person should look first.".to_owned(),
        ],
    );
    out.0
}

/// Returns the feedback for a check that did not pass: what was run, how it ended, the end of what it printed.
pub fn failed_check(check: &Check, outcome: &UnitOutcome, output: &str) -> String {
    let what = if check.name == check.run {
        format!("The check {} did not pass", code(&check.run))
    } else {
        format!(
            "The check \"{}\", {}, did not pass",
            check.name,
            code(&check.run)
        )
    };
    let output = end_of(output.trim_end(), OUTPUT);
    if output.is_empty() {
        return format!("{what} ({outcome}). It printed nothing.");
    }
    format!("{what} ({outcome}). It printed:\n\n{}", fenced(output))
}

/// Markdown sections; empty ones are left out.
#[derive(Default)]
struct Sections(String);

impl Sections {
    fn text(&mut self, title: &str, body: &str) {
        if body.trim().is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0
            .push_str(&format!("## {title}\n\n{}\n", body.trim_end()));
    }

    fn list(&mut self, title: &str, items: &[String]) {
        let lines: Vec<String> = items
            .iter()
            .filter(|item| !item.trim().is_empty())
            .map(|item| format!("- {}", item.trim().replace('\n', "\n  ")))
            .collect();
        self.text(title, &lines.join("\n"));
    }
}

fn whole_change(plan: &Plan) -> String {
    let mut text = format!(
        "Your task is one part of a larger change, whose goal is: {}",
        plan.goal.trim()
    );
    if !plan.context.trim().is_empty() {
        text.push_str("\n\n");
        text.push_str(plan.context.trim());
    }
    text
}

fn scope_lines(packet: &Packet) -> Vec<String> {
    if packet.scope.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> = packet.scope.iter().map(|glob| code(glob)).collect();
    lines.push("Nothing else: a change outside these paths makes the task fail.".into());
    lines
}

fn check_lines(plan: &Plan, packet: &Packet) -> Vec<String> {
    plan.checks_of(packet)
        .iter()
        .map(|check| code(&check.run))
        .collect()
}

fn risk_lines(plan: &Plan) -> Vec<String> {
    plan.risks
        .iter()
        .map(|risk| match risk.mitigation.trim() {
            "" => risk.what.clone(),
            mitigation => format!("{} ({mitigation})", risk.what.trim()),
        })
        .collect()
}

fn built_on_lines(built_on: &[&Packet]) -> Vec<String> {
    built_on
        .iter()
        .map(|packet| format!("{}: {}", packet.id, packet.objective.trim()))
        .collect()
}

fn ground_rules(packet: &Packet) -> Vec<String> {
    let mut rules = vec![
        "Work in the current directory, a checkout that is yours alone. Do not look for others.".to_owned(),
        "Others work on other parts at the same time. Leave their files alone, and do not revert a change \
         that you did not make."
            .to_owned(),
    ];
    if packet.expects_commit() {
        rules.push(
            "Just edit the files. They are collected from here when you are done: nothing needs to be \
             committed, pushed or merged, and the branch stays as it is."
                .to_owned(),
        );
        rules.push(
            "If there is nothing to change, change nothing and say so: that is a good answer."
                .to_owned(),
        );
    } else {
        rules.push("No changed files are expected: your answer is the result.".to_owned());
    }
    rules.push(
        "Nobody can answer questions. Decide yourself, keep to the task, and name open points at the end."
            .to_owned(),
    );
    rules.push(match packet.kind {
        Kind::Research | Kind::Review => {
            "End with the complete result as your last message.".to_owned()
        }
        Kind::Edit | Kind::Resolve => {
            "End with a short summary: what you changed, why, what you checked, what is left."
                .to_owned()
        }
    });
    rules
}

/// The text as inline code.
fn code(text: &str) -> String {
    if text.contains('\n') {
        return fenced(text);
    }
    if text.contains('`') {
        return format!("`` {text} ``");
    }
    format!("`{text}`")
}

/// The text in a fence that it cannot close itself.
fn fenced(text: &str) -> String {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{text}\n{fence}")
}

/// The last whole lines of the text that fit into so many bytes.
fn end_of(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let cut = text.len() - bytes;
    let from = text.as_bytes()[cut..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(cut, |at| cut + at + 1);
    // One endless line: cut it anywhere that is no middle of a character.
    (from..=text.len())
        .find_map(|at| text.get(at..))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        serde_json::from_value(serde_json::json!({
            "goal": "Replace log by tracing",
            "context": "The workspace has nine crates.",
            "success": ["no crate depends on log"],
            "constraints": ["keep the public API"],
            "risk": [{"what": "features differ", "mitigation": "check --all-features"}],
            "check": [{"name": "lint", "run": "cargo clippy", "when": "both"},
                      {"name": "tests", "run": "cargo test"}],
            "packet": [
                {"id": "01-net", "objective": "Move net to tracing", "context": "net is small",
                 "scope": ["crates/net/**"], "sources": ["docs/log.md"], "do": ["edit"],
                 "dont": ["touch core"], "expect": "it builds", "stop": "after net",
                 "checks": ["cargo check -p net"], "agent": "codex", "turns": 3},
                {"id": "02-look", "objective": "Find macros", "kind": "research", "agent": "pi",
                 "after": ["01-net"]}
            ]
        }))
        .expect("a plan")
    }

    fn parts<'a>(plan: &'a Plan, index: usize, feedback: &'a [String]) -> PromptParts<'a> {
        PromptParts {
            plan,
            packet: &plan.packets[index],
            built_on: &[],
            feedback,
            turn: 2,
        }
    }

    #[test]
    fn the_prompt_says_all_that_the_packet_says() {
        let plan = plan();
        let text = packet_prompt(&parts(&plan, 0, &[]));
        for part in [
            "Move net to tracing",
            "net is small",
            "- `crates/net/**`",
            "- docs/log.md",
            "- edit",
            "- touch core",
            "it builds",
            "after net",
            "- `cargo check -p net`",
            "- `cargo clippy`",
            "Replace log by tracing",
            "nine crates",
            "no crate depends on log",
            "keep the public API",
            "features differ (check --all-features)",
            "nothing needs to be committed",
            "do not revert",
        ] {
            assert!(text.contains(part), "{part}\n---\n{text}");
        }
        assert!(
            !text.contains("cargo test"),
            "a check of the integrated tree"
        );
        assert!(!text.contains("still wrong") && !text.contains("Already in your files"));
        let dir = std::env::current_dir().unwrap();
        assert!(!text.contains(&*dir.to_string_lossy()));
    }

    #[test]
    fn research_answers_and_names_what_it_builds_on() {
        let plan = plan();
        let on = [&plan.packets[0]];
        let text = packet_prompt(&PromptParts {
            built_on: &on,
            ..parts(&plan, 1, &[])
        });
        assert!(text.contains("your answer is the result"));
        assert!(text.contains("- 01-net: Move net to tracing"));
        assert!(!text.contains("Files you may change") && !text.contains("committed"));
    }

    #[test]
    fn a_continuation_is_the_failing_output_and_no_more() {
        let plan = plan();
        let check = &plan.checks_of(&plan.packets[0])[0];
        let feedback = [failed_check(
            check,
            &UnitOutcome::Exited(101),
            "error[E0425]\n",
        )];
        let text = continuation(&parts(&plan, 0, &feedback));
        assert!(text.contains("turn 2 of 3"));
        assert!(text.contains("`cargo check -p net` did not pass (exit 101)"));
        assert!(text.contains("```\nerror[E0425]\n```"));
        assert!(!text.contains("nine crates"));
        assert!(packet_prompt(&parts(&plan, 0, &feedback)).contains("error[E0425]"));
    }

    #[test]
    fn output_is_cut_at_its_start_and_cannot_leave_its_fence() {
        let plan = plan();
        let check = &plan.checks[0];
        let lines: Vec<String> = (0..5000).map(|n| format!("line {n}")).collect();
        let long = lines.join("\n");
        let text = failed_check(check, &UnitOutcome::TimedOut, &long);
        assert!(text.len() < OUTPUT + 300);
        assert!(text.contains("line 4999") && !text.contains("line 10\n"));
        assert!(text.starts_with("The check \"lint\", `cargo clippy`, did not pass"));
        let text = failed_check(check, &UnitOutcome::Exited(1), "a\n````\nb");
        assert!(text.contains("`````\na\n````\nb\n`````"));
        let text = failed_check(check, &UnitOutcome::Exited(1), &"ü".repeat(OUTPUT));
        assert!(text.len() < OUTPUT + 300);
        assert!(failed_check(check, &UnitOutcome::Exited(1), " \n").contains("printed nothing"));
    }
}
