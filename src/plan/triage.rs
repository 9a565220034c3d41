//! Whether a task is worth a workflow: advice, never more. Nothing is started from here.
//!
//! The rule: orchestration pays if at least two of six things hold: there are independent tracks, a written
//! contract would reduce drift, it is risky, it needs verification of its own, the pattern can be used again,
//! or the person asks for it. What holds is guessed from the words of the task; the reasons name the words, so
//! that a reader can disagree.

/// Whether to orchestrate, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Whether at least two reasons hold.
    pub orchestrate: bool,
    /// The reasons that hold, a line each, with the words that speak for them.
    pub reasons: Vec<String>,
}

/// How many reasons must hold.
const ENOUGH: usize = 2;

/// A reason and the beginnings of words, or of phrases, that speak for it.
const REASONS: [(&str, &[&str]); 6] = [
    (
        "it has independent tracks",
        &[
            "each ",
            "every ",
            "all crates",
            "all packages",
            "all modules",
            "all services",
            "all files",
            "across ",
            "in parallel",
            "parallel",
            "monorepo",
            "crates",
            "packages",
            "services",
            "modules",
            "codebase",
            "workspace",
            "everywhere",
            "codemod",
        ],
    ),
    (
        "a written contract would reduce drift",
        &[
            "refactor",
            "rewrite",
            "redesign",
            "api",
            "interface",
            "consistent",
            "convention",
            "standard",
            "rename",
            "replace ",
            "split ",
            "port ",
            "unify",
            "architecture",
        ],
    ),
    (
        "it is risky",
        &[
            "migrat",
            "delete",
            "drop ",
            "remove",
            "security",
            "auth",
            "credential",
            "secret",
            "payment",
            "billing",
            "production",
            "deploy",
            "database",
            "schema",
            "breaking",
            "upgrade",
            "history",
            "permission",
        ],
    ),
    (
        "it needs verification of its own",
        &[
            "test",
            "verify",
            "verification",
            "benchmark",
            "audit",
            "review",
            "prove",
            "regression",
            "coverage",
            "without breaking",
            "compatib",
            "performance",
        ],
    ),
    (
        "the pattern can be used again",
        &[
            "recipe",
            "reusable",
            "again",
            "every release",
            "each release",
            "weekly",
            "monthly",
            "pattern",
            "template",
            "same way",
            "regularly",
            "repeat",
        ],
    ),
    (
        "it was asked for",
        &[
            "workflow",
            "orchestrat",
            "subagent",
            "sub-agent",
            "agents",
            "work packet",
            "packets",
            "delegate",
            "dynwf",
            "fan out",
        ],
    ),
];

/// Judges a task by its text.
pub fn triage(task: &str) -> Advice {
    let words: Vec<&str> = task.split_whitespace().collect();
    // Spaces around it let a phrase be found at the beginning of a word only.
    let text = format!(" {} ", words.join(" ").to_lowercase());
    let text: String = text
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                ' '
            }
        })
        .collect();
    let mut reasons = Vec::new();
    for (reason, signs) in REASONS {
        let said: Vec<&str> = signs
            .iter()
            .filter(|sign| text.contains(&format!(" {sign}")))
            .map(|sign| sign.trim())
            .collect();
        if !said.is_empty() {
            let quoted: Vec<String> = said.iter().map(|sign| format!("\"{sign}\"")).collect();
            reasons.push(format!("{reason}: {}", quoted.join(", ")));
        }
    }
    Advice {
        orchestrate: reasons.len() >= ENOUGH,
        reasons,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_change_is_worth_a_workflow() {
        for task in [
            "Migrate every service from log to tracing and keep the tests green",
            "Refactor the public API of all crates",
            "Use subagents to audit the auth code",
        ] {
            let advice = triage(task);
            assert!(advice.orchestrate, "{task}: {advice:?}");
        }
        let advice = triage("Refactor the public API of all crates");
        assert_eq!(
            advice.reasons[0],
            "it has independent tracks: \"all crates\", \"crates\""
        );
        assert_eq!(
            advice.reasons[1],
            "a written contract would reduce drift: \"refactor\", \"api\""
        );
    }

    #[test]
    fn a_small_task_is_done_directly() {
        for task in [
            "Fix the typo in the README",
            "",
            "Add a flag --quiet",
            "Explain this function",
            "rename x to y",
        ] {
            let advice = triage(task);
            assert!(!advice.orchestrate, "{task}: {advice:?}");
        }
    }

    #[test]
    fn signs_are_beginnings_of_words() {
        assert_eq!(triage("the latest contest in eachother").reasons, [""; 0]);
        assert_eq!(
            triage("TESTS,").reasons,
            ["it needs verification of its own: \"test\""]
        );
    }
}
