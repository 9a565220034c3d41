//! What may be pushed.

use jiff::Timestamp;

use super::{Repo, run};
use crate::gate::binding_for_push;
use crate::hook::{Push, Verdict, decide};
use crate::journal::{Journal, Store};
use crate::model::event::{Answer, EventKind};
use crate::model::gate::{Gate, GateKind, GateStatus, Policy, PushPlan, PushWatch};
use crate::model::id::{GateId, OpId, Slug};
use crate::model::op::{Op, OpOutcome, RefUpdate};

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().expect("a time")
}

fn slug() -> Slug {
    "refactor".parse().expect("a slug")
}

fn gate_id() -> GateId {
    GateId::push("origin").expect("an id")
}

/// A commit as dynwf makes it.
const MADE: &str = "merge 01-a\n\nDynwf-Workflow: refactor\nDynwf-Packet: 01-a";

const ZERO: &str = "0000000000000000000000000000000000000000";

/// A repository whose `main` is at the remote, with a commit of dynwf's on top.
struct Case {
    repo: Repo,
    old: String,
    new: String,
}

impl Case {
    fn new() -> Self {
        let repo = Repo::new();
        run(&repo.top(), &["push", "-q", "origin", "main"]);
        let old = repo.id("HEAD");
        let new = repo.commit(MADE);
        Self { repo, old, new }
    }

    fn store(&self) -> Store {
        Store::new(self.repo.git.common_dir())
    }

    /// The line of a push of `main`.
    fn line(&self) -> String {
        format!(
            "refs/heads/main {} refs/heads/main {}\n",
            self.new, self.old
        )
    }

    fn plan(&self) -> PushPlan {
        let update = RefUpdate {
            name: "refs/heads/main".parse().expect("a name"),
            old: Some(self.old.parse().expect("an id")),
            new: Some(self.new.parse().expect("an id")),
        };
        let repository = self.store().repository_id().expect("has one");
        let url = self.repo.remote();
        let binding = binding_for_push(
            &repository,
            &Policy::default(),
            "origin",
            &url,
            vec![update],
            String::new(),
        );
        PushPlan {
            gate: gate_id(),
            binding,
        }
    }

    fn opened(&self) -> EventKind {
        EventKind::GateOpened {
            gate: Gate {
                id: gate_id(),
                kind: GateKind::Push,
                binding: self.plan().binding,
                why: Vec::new(),
                status: GateStatus::Waiting,
                opened: now(),
                decision: None,
            },
        }
    }

    /// Records facts and returns the journal, which holds the lock.
    fn record(&self, facts: Vec<EventKind>) -> Journal {
        let (mut journal, _) = Journal::open(&self.store(), &slug()).expect("opens");
        journal.append(facts, now()).expect("records");
        journal
    }

    fn ask(&self, watch: PushWatch, lines: &str) -> Verdict {
        self.ask_as("origin", watch, lines)
    }

    fn ask_as(&self, remote: &str, watch: PushWatch, lines: &str) -> Verdict {
        let url = self.repo.remote();
        let push = Push {
            remote,
            url: &url,
            lines: lines.as_bytes(),
        };
        decide(&self.repo.git, &self.store(), watch, push, now()).expect("decides")
    }

    fn refused(&self, lines: &str) -> String {
        match self.ask(PushWatch::Workflow, lines) {
            Verdict::Refused(text) => text.join("\n"),
            Verdict::Allowed => panic!("allowed: {lines}"),
        }
    }

    fn allowed(&self, lines: &str) -> bool {
        self.ask(PushWatch::Workflow, lines) == Verdict::Allowed
    }
}

fn answered(answer: Answer) -> EventKind {
    EventKind::GateDecided {
        gate: gate_id(),
        answer,
        request: "1-a".parse().expect("an id"),
        by: "A <a@example.org>".to_owned(),
        attended: true,
        why: String::new(),
    }
}

fn approved(until: &str) -> EventKind {
    answered(Answer::Approved {
        until: until.parse().expect("a time"),
    })
}

const TOMORROW: &str = "2026-03-02T10:00:00Z";

#[test]
fn ordinary_commits_and_an_empty_push_pass() {
    let case = Case::new();
    assert!(case.allowed(""));
    run(
        &case.repo.top(),
        &["checkout", "-q", "-b", "topic", &case.old],
    );
    let own = case
        .repo
        .commit("mine\n\nSigned-off-by: A <a@example.org>\nsays Dynwf-Workflow: x");
    assert!(case.allowed(&format!("HEAD {own} refs/heads/topic {ZERO}\n")));
    assert!(case.allowed(&format!("(delete) {ZERO} refs/heads/main {}\n", case.old)));
}

#[test]
fn commits_of_dynwf_are_refused_in_every_disguise_with_the_way_to_an_approval() {
    let case = Case::new();
    drop(case.record(vec![EventKind::RunEnded { code: 0 }]));
    let (old, new) = (&case.old, &case.new);
    let text = case.refused(&case.line());
    assert!(text.contains("1 commit of workflow refactor"), "{text}");
    assert!(text.contains("dynwf push refactor"), "{text}");
    let top = case.repo.top();
    run(&top, &["tag", "-a", "-m", "release", "v1"]);
    let tag = case.repo.id("v1");
    assert_ne!(&tag, new);
    run(
        &top,
        &[
            "commit",
            "-q",
            "--amend",
            "--allow-empty",
            "-m",
            "again\n\ndynwf-workflow: refactor",
        ],
    );
    let copy = case.repo.id("HEAD");
    let above = case.repo.commit("a person's commit on top");
    for line in [
        format!("HEAD^{{/some words}} {new} refs/heads/new {ZERO}\n"),
        format!("refs/tags/v1 {tag} refs/tags/v1 {ZERO}\n"),
        format!("{new} {new} refs/for/main {ZERO}\n"),
        format!("HEAD~1 {copy} refs/heads/main {old}\n"),
        format!("HEAD {above} refs/heads/main {old}\n"),
        format!("main {new} refs/heads/main {}\n", "a".repeat(40)),
        format!("x {old} refs/heads/x {ZERO}\nmain {new} refs/heads/main {old}\n"),
    ] {
        let text = case.refused(&line);
        assert!(text.contains("dynwf push refactor"), "{line}{text}");
    }
}

#[test]
fn exactly_what_was_approved_passes_until_it_expires() {
    let case = Case::new();
    drop(case.record(vec![case.opened()]));
    assert!(case.refused(&case.line()).contains("waits"));
    drop(case.record(vec![approved(TOMORROW)]));
    assert!(case.allowed(&case.line()));
    let other = case.repo.commit(MADE);
    let (old, new) = (&case.old, &case.new);
    for (line, word) in [
        (format!("main {other} refs/heads/main {old}\n"), "new value"),
        (format!("main {new} refs/heads/main {ZERO}\n"), "old value"),
        (
            format!("main {new} refs/heads/other {ZERO}\n"),
            "nobody was asked",
        ),
        (
            format!("{}main {new} refs/heads/other {ZERO}\n", case.line()),
            "nobody was asked",
        ),
    ] {
        let text = case.refused(&line);
        assert!(text.contains(word), "{line}{text}");
    }
    let Verdict::Refused(text) = case.ask_as("fork", PushWatch::Workflow, &case.line()) else {
        panic!("another remote");
    };
    assert!(
        text.join("\n").contains("the remote origin, not fork"),
        "{text:?}"
    );
    drop(case.record(vec![approved("2026-03-01T10:00:00Z")]));
    assert!(case.refused(&case.line()).contains("expired"));
    drop(case.record(vec![answered(Answer::Revoked)]));
    assert!(case.refused(&case.line()).contains("taken back"));
}

#[test]
fn an_approval_given_in_another_repository_does_not_count() {
    let case = Case::new();
    drop(case.record(vec![case.opened(), approved(TOMORROW)]));
    std::fs::write(case.store().root().join("id"), "0".repeat(32)).expect("writes");
    assert!(case.refused(&case.line()).contains("repository"));
}

#[test]
fn a_spent_approval_passes_only_while_its_push_is_open_and_its_lock_held() {
    let case = Case::new();
    let open = vec![
        case.opened(),
        approved(TOMORROW),
        EventKind::OpBegan {
            op: Op::Push(case.plan()),
        },
    ];
    let mut journal = case.record(open);
    assert!(case.allowed(&case.line()));
    let ended = EventKind::OpEnded {
        op: OpId(3),
        outcome: OpOutcome::Refused("no".to_owned()),
    };
    journal.append(vec![ended], now()).expect("records");
    drop(journal);
    assert!(
        case.allowed(&case.line()),
        "a push that was refused spends nothing"
    );

    let case = Case::new();
    let open = vec![
        case.opened(),
        approved(TOMORROW),
        EventKind::OpBegan {
            op: Op::Push(case.plan()),
        },
    ];
    drop(case.record(open));
    assert!(case.refused(&case.line()).contains("used already"));
}

#[test]
fn what_the_remote_has_already_may_be_pushed_again() {
    let case = Case::new();
    let done = vec![
        case.opened(),
        approved(TOMORROW),
        EventKind::OpBegan {
            op: Op::Push(case.plan()),
        },
        EventKind::OpEnded {
            op: OpId(3),
            outcome: OpOutcome::Done,
        },
    ];
    drop(case.record(done));
    let above = case.repo.commit("a person's commit on top");
    let line = format!("topic {above} refs/heads/topic {ZERO}\n");
    assert!(case.allowed(&line), "the journal says that it was pushed");

    let case = Case::new();
    drop(case.record(vec![EventKind::RunEnded { code: 0 }]));
    let line = format!("topic {} refs/heads/topic {ZERO}\n", case.new);
    case.refused(&line);
    run(
        &case.repo.top(),
        &["update-ref", "refs/remotes/origin/main", &case.new],
    );
    assert!(case.allowed(&line), "the remote was seen to have it");
    run(
        &case.repo.top(),
        &["update-ref", "-d", "refs/remotes/origin/main"],
    );
    run(
        &case.repo.top(),
        &["update-ref", "refs/remotes/other/main", &case.new],
    );
    case.refused(&line);
}

#[test]
fn what_was_pushed_for_a_pull_request_does_not_land_unasked() {
    let case = Case::new();
    let plan = serde_json::json!({ "goal": "lines" });
    drop(case.record(vec![EventKind::PlanFrozen {
        plan: Box::new(serde_json::from_value(plan).expect("a plan")),
        base: case.old.parse().expect("an id"),
        tree: case.old.parse().expect("an id"),
        target: "refs/heads/main".parse().expect("a ref"),
        repository: "r".to_owned(),
    }]));
    let branch = "refs/remotes/origin/dynwf/refactor/integration";
    run(&case.repo.top(), &["update-ref", branch, &case.new]);
    let text = case.refused(&case.line());
    assert!(text.contains("1 commit of workflow refactor"), "{text}");
    let topic = format!("topic {} refs/heads/topic {ZERO}\n", case.new);
    assert!(case.allowed(&topic), "the remote has it");
    let above = case.repo.commit("on top of what was merged there");
    let line = format!("main {above} refs/heads/main {}\n", case.new);
    assert!(case.allowed(&line), "it was landed at the remote");
}

#[test]
fn other_peoples_workflows_pass_once_any_remote_has_them() {
    let case = Case::new();
    let line = format!("topic {} refs/heads/topic {ZERO}\n", case.new);
    assert!(case.refused(&line).contains("not kept in this repository"));
    run(
        &case.repo.top(),
        &["update-ref", "refs/remotes/other/main", &case.new],
    );
    assert!(case.allowed(&line));
}

#[test]
fn a_workflow_kept_here_is_not_excused_by_another_remote_or_by_strangers_commits() {
    let case = Case::new();
    drop(case.record(vec![EventKind::RunEnded { code: 0 }]));
    let theirs = case.repo.commit("merge\n\nDynwf-Workflow: theirs");
    run(
        &case.repo.top(),
        &["update-ref", "refs/remotes/other/main", &theirs],
    );
    let text = case.refused(&format!("topic {theirs} refs/heads/topic {ZERO}\n"));
    assert!(text.contains("workflow refactor"), "{text}");
    assert!(!text.contains("workflow theirs"), "{text}");
}

#[test]
fn everything_is_looked_at_where_the_configuration_says_so() {
    let case = Case::new();
    for line in [
        format!("topic {} refs/heads/topic {ZERO}\n", case.old),
        format!("(delete) {ZERO} refs/heads/main {}\n", case.old),
    ] {
        assert_ne!(case.ask(PushWatch::All, &line), Verdict::Allowed, "{line}");
    }
    drop(case.record(vec![case.opened(), approved(TOMORROW)]));
    assert_eq!(case.ask(PushWatch::All, &case.line()), Verdict::Allowed);
    assert_eq!(case.ask(PushWatch::All, ""), Verdict::Allowed);
}

#[test]
fn a_journal_that_cannot_be_read_approves_nothing_and_says_so() {
    let case = Case::new();
    drop(case.record(vec![case.opened(), approved(TOMORROW)]));
    let journal = case.store().folder(&slug()).join("journal.jsonl");
    let mut bytes = std::fs::read(&journal).expect("reads");
    bytes[30] ^= 1;
    std::fs::write(&journal, bytes).expect("writes");
    assert!(case.refused(&case.line()).contains("damaged"));
}

#[test]
fn lines_that_git_does_not_write_are_errors() {
    let case = Case::new();
    let url = case.repo.remote();
    for lines in [
        "x\n",
        "a b c d\n",
        &format!("main {} refs/heads/main 123\n", case.new),
    ] {
        let push = Push {
            remote: "origin",
            url: &url,
            lines: lines.as_bytes(),
        };
        let decided = decide(
            &case.repo.git,
            &case.store(),
            PushWatch::Workflow,
            push,
            now(),
        );
        assert!(decided.is_err(), "{lines}");
    }
}
