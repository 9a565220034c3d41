//! A workflow in the middle of its life, made by applying events, for the tests of this module.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::event::{Event, EventKind};
use crate::model::evidence::Evidence;
use crate::model::gate::{Binding, Gate, GateKind, GateStatus};
use crate::model::id::{CommitId, GateId, OpId, PacketId, RefName, TreeId, UnitId};
use crate::model::op::{MergeSide, MoveWhy, Op, OpOutcome, RefUpdate};
use crate::model::packet::{Collected, Conflict, ConflictFile, Merge, RiskFacts, Workspace};
use crate::model::plan::{
    Budget, Check, CheckWhen, Integration, Kind, Overlap, Packet, Plan, Risk, Severity,
};
use crate::model::state::RunState;
use crate::model::unit::{Unit, UnitKind, UnitOutcome, Usage, WorkspaceName};

/// A state and the events that made it.
pub(super) struct Story {
    pub(super) state: RunState,
    pub(super) events: Vec<Event>,
    pub(super) now: Timestamp,
    started: BTreeMap<UnitId, Timestamp>,
}

pub(super) fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().expect("an id")
}

pub(super) fn tree(digit: char) -> TreeId {
    digit.to_string().repeat(40).parse().expect("an id")
}

pub(super) fn packet(id: &str) -> PacketId {
    id.parse().expect("a packet id")
}

pub(super) fn planned(id: &str, agent: &str, after: &[&str]) -> Packet {
    Packet {
        id: packet(id),
        objective: format!("Replace the facade in {id}"),
        context: String::new(),
        owner: None,
        scope: vec![format!("crates/{id}/**")],
        sources: Vec::new(),
        steps: Vec::new(),
        dont: Vec::new(),
        expect: String::new(),
        stop: String::new(),
        checks: Vec::new(),
        after: after.iter().map(|&id| packet(id)).collect(),
        agent: Some(agent.to_owned()),
        run: None,
        kind: Kind::Edit,
        turns: None,
        minutes: None,
        total_minutes: None,
        tokens: None,
        dollars: None,
        schema: None,
    }
}

pub(super) fn plan() -> Plan {
    let mut packets = vec![
        planned("01-cli", "command", &[]),
        planned("02-core", "codex", &[]),
        planned("03-printer", "claude", &[]),
        planned("04-search", "codex", &[]),
        planned("05-docs", "parent", &[]),
        planned("06-after", "command", &["03-printer", "04-search"]),
        planned("07-flags", "command", &[]),
        planned("08-lint", "command", &[]),
    ];
    packets[2].turns = Some(3);
    Plan {
        goal: "Replace the log facade by tracing in every crate".to_owned(),
        success: vec!["no crate depends on log".to_owned()],
        integration: Integration {
            overlap: Overlap::Allow,
            ..Integration::default()
        },
        budget: Budget {
            concurrency: Some(4),
            tokens: Some(3_000_000),
            ..Budget::default()
        },
        risks: vec![Risk {
            what: "feature flags differ per crate".to_owned(),
            severity: Severity::Medium,
            mitigation: "check --all-features".to_owned(),
        }],
        checks: vec![Check {
            name: "tests".to_owned(),
            run: "cargo test --workspace".to_owned(),
            when: CheckWhen::Integrated,
            minutes: None,
            must_pass: false,
        }],
        packets,
        ..Plan::default()
    }
}

pub(super) fn update(name: &str, old: Option<CommitId>, new: CommitId) -> RefUpdate {
    RefUpdate {
        name: name.parse().expect("a ref"),
        old,
        new: Some(new),
    }
}

impl Story {
    /// A workflow whose plan was fixed at 21:00:00.
    pub(super) fn begun(plan: Plan) -> Self {
        let mut story = Self {
            state: RunState::new("refactor".parse().expect("a slug")),
            events: Vec::new(),
            now: "2026-11-22T21:00:00Z".parse().expect("a time"),
            started: BTreeMap::new(),
        };
        story.say(EventKind::PlanFrozen {
            plan: Box::new(plan),
            base: commit('3'),
            tree: tree('3'),
            target: "refs/heads/main".parse().expect("a ref"),
            repository: "r".to_owned(),
        });
        story.say(EventKind::RunStarted {
            goal: "run".to_owned(),
            version: "0.1.0".to_owned(),
            sandbox: "bubblewrap".to_owned(),
        });
        story.op(
            Op::MoveRefs {
                why: MoveWhy::Begin,
                refs: vec![update(
                    "refs/heads/dynwf/refactor/integration",
                    None,
                    commit('3'),
                )],
            },
            OpOutcome::Done,
        );
        story
    }

    pub(super) fn say(&mut self, kind: EventKind) -> u64 {
        let event = Event {
            seq: self.state.seq + 1,
            at: self.now,
            kind,
        };
        self.state.apply(&event);
        let seq = event.seq;
        self.events.push(event);
        seq
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now = Timestamp::from_second(self.now.as_second() + seconds).expect("a time");
    }

    pub(super) fn op(&mut self, op: Op, outcome: OpOutcome) {
        let seq = self.say(EventKind::OpBegan { op });
        self.say(EventKind::OpEnded {
            op: OpId(seq),
            outcome,
        });
    }

    pub(super) fn workspace(&mut self, id: &str, attempt: u32) {
        let branch = format!("refs/heads/dynwf/refactor/{id}");
        self.op(
            Op::MakeWorkspace {
                workspace: WorkspaceName::Packet(packet(id)),
                attempt,
                base: commit('3'),
                path: format!("/w/{id}"),
                refs: vec![update(&branch, None, commit('3'))],
            },
            OpOutcome::Made(made(id)),
        );
    }

    pub(super) fn unit(&mut self, id: &str, kind: UnitKind) -> UnitId {
        let unit = UnitId(self.state.last_unit.0 + 1);
        let workspace = if id == "integration" {
            WorkspaceName::Integration
        } else {
            WorkspaceName::Packet(packet(id))
        };
        self.started.insert(unit, self.now);
        self.say(EventKind::UnitStarted {
            unit: Unit {
                id: unit,
                kind,
                workspace,
                attempt: 1,
                seconds: 600,
                silence: 0,
            },
        });
        unit
    }

    pub(super) fn ended(&mut self, unit: UnitId, outcome: UnitOutcome, tokens: u64) {
        let since = self.started.get(&unit).copied().unwrap_or(self.now);
        let seconds = self.now.as_second() - since.as_second();
        self.say(EventKind::UnitEnded {
            unit,
            outcome,
            millis: u64::try_from(seconds).expect("time goes on") * 1000,
            usage: (tokens > 0).then_some(Usage {
                input_tokens: Some(tokens),
                output_tokens: None,
                dollars: None,
            }),
            complaint: None,
            answer: None,
        });
    }

    /// One turn of so many seconds, and its work.
    pub(super) fn work(&mut self, id: &str, seconds: i64, tokens: u64, change: (u32, u32, u32)) {
        self.workspace(id, 1);
        let unit = self.unit(id, UnitKind::Work { turn: 1 });
        self.wait(seconds);
        self.ended(unit, UnitOutcome::Exited(0), tokens);
        self.say(EventKind::PacketCollected {
            packet: packet(id),
            collected: collected(change),
        });
    }

    pub(super) fn integrate(&mut self, id: &str, digit: char) {
        self.say(EventKind::PacketAccepted {
            packet: packet(id),
            by: "policy".to_owned(),
        });
        let onto = self
            .state
            .integration
            .as_ref()
            .expect("it exists")
            .commit
            .clone();
        self.say(EventKind::PacketMerged {
            packet: packet(id),
            merge: Merge {
                onto: onto.clone(),
                commit: commit(digit),
                tree: tree(digit),
                road: "tree".to_owned(),
                proof: None,
            },
        });
        self.op(
            Op::MoveRefs {
                why: MoveWhy::Integrate(vec![packet(id)]),
                refs: vec![update(
                    "refs/heads/dynwf/refactor/integration",
                    Some(onto),
                    commit(digit),
                )],
            },
            OpOutcome::Done,
        );
    }

    pub(super) fn gate(&mut self, id: &str, kind: GateKind, updates: Vec<RefUpdate>, why: &str) {
        let opened = self.now;
        self.say(EventKind::GateOpened {
            gate: Gate {
                id: id.parse::<GateId>().expect("a gate"),
                kind,
                binding: Binding {
                    repository: "r".to_owned(),
                    remote: None,
                    url: None,
                    updates,
                    diff: "d".to_owned(),
                    policy: "p".to_owned(),
                },
                why: vec![why.to_owned()],
                status: GateStatus::Waiting,
                opened,
                decision: None,
            },
        });
    }

    pub(super) fn evidence(&mut self, digit: char, outcome: UnitOutcome) {
        let evidence = Evidence {
            check: "tests".to_owned(),
            run: "cargo test --workspace".to_owned(),
            tree: tree(digit),
            packet: None,
            unit: self.state.last_unit,
            outcome,
            output: "0".repeat(64),
            at: self.now,
        };
        self.say(EventKind::EvidenceRecorded { evidence });
    }
}

fn made(id: &str) -> Workspace {
    Workspace {
        path: format!("/w/{id}"),
        admin: format!("/repo/.git/worktrees/{id}"),
        device: 1,
        inode: 1,
    }
}

pub(super) fn collected((files, additions, deletions): (u32, u32, u32)) -> Collected {
    Collected {
        base: commit('3'),
        tip: commit('a'),
        tree: tree('a'),
        facts: RiskFacts {
            files,
            additions,
            deletions,
            digest: "d".to_owned(),
            ..RiskFacts::default()
        },
        found: None,
        notes: Vec::new(),
    }
}

/// Everything at once: each of the eight packets is in another state.
pub(super) fn middle() -> Story {
    let mut story = Story::begun(plan());
    story.work("01-cli", 4, 0, (12, 148, 96));
    story.integrate("01-cli", '4');
    story.work("07-flags", 3, 0, (1, 2, 2));
    story.say(EventKind::PacketConflicted {
        packet: packet("07-flags"),
        conflict: Conflict {
            onto: commit('4'),
            with: vec![packet("01-cli")],
            files: vec![ConflictFile {
                path: "crates/core/flags/defs.rs".into(),
                kind: "contents".to_owned(),
            }],
        },
    });
    let workspace = made("integration");
    story.op(
        Op::OpenConflict {
            workspace,
            side: MergeSide::Packet(packet("07-flags")),
            onto: commit('4'),
            tip: commit('a'),
            again: false,
        },
        OpOutcome::Done,
    );
    story.work("08-lint", 2, 0, (3, 9, 0));
    story.say(EventKind::PacketFailed {
        packet: packet("08-lint"),
        why: "check `cargo clippy` exit 101".to_owned(),
    });
    story.workspace("05-docs", 1);
    story.work("02-core", 130, 41_000, (31, 402, 377));
    story.gate(
        "merge:02-core",
        GateKind::Merge,
        vec![update(
            "refs/heads/dynwf/refactor/02-core",
            Some(commit('3')),
            commit('a'),
        )],
        "Cargo.lock is protected",
    );
    story.workspace("03-printer", 1);
    let first = story.unit("03-printer", UnitKind::Work { turn: 1 });
    story.wait(30);
    story.ended(first, UnitOutcome::Exited(0), 28_000);
    story.say(EventKind::PacketTurned {
        packet: packet("03-printer"),
        feedback: "cargo check -p grep-printer\nexit 101".to_owned(),
    });
    story.unit("03-printer", UnitKind::Work { turn: 2 });
    story.workspace("04-search", 1);
    story.wait(14);
    story.unit("04-search", UnitKind::Work { turn: 1 });
    story.wait(48);
    story
}

/// The end: everything is integrated, checked and landed.
pub(super) fn finished() -> Story {
    let mut plan = plan();
    plan.packets.truncate(2);
    let mut story = Story::begun(plan);
    story.work("01-cli", 4, 0, (12, 148, 96));
    story.integrate("01-cli", '4');
    story.workspace("02-core", 1);
    let unit = story.unit("02-core", UnitKind::Work { turn: 1 });
    story.wait(9);
    story.ended(unit, UnitOutcome::Exited(0), 0);
    story.say(EventKind::PacketEmptied {
        packet: packet("02-core"),
        notes: Vec::new(),
    });
    story.evidence('4', UnitOutcome::Exited(0));
    story.say(EventKind::RunEnded { code: 3 });
    story
}

pub(super) fn main_branch() -> RefName {
    "refs/heads/main".parse().expect("a ref")
}
