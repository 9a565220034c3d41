//! Any facts: the shapes that a journal holds, with any text, bytes and numbers in them.

use jiff::Timestamp;
use proptest::prelude::*;

use crate::model::event::{Answer, EventKind, GivenUp};
use crate::model::evidence::Evidence;
use crate::model::gate::{Binding, Decision, Gate, GateKind, GateStatus, PushPlan};
use crate::model::id::{CommitId, GateId, OpId, PacketId, RefName, RequestId, TreeId, UnitId};
use crate::model::op::{MoveWhy, Op, OpOutcome, RefUpdate};
use crate::model::packet::{Collected, Conflict, ConflictFile, RiskFacts, Workspace};
use crate::model::path::RepoPath;
use crate::model::plan::{Check, Packet, Plan};
use crate::model::unit::{Unit, UnitKind, UnitOutcome, Usage, WorkspaceName};

/// Up to six facts.
pub(super) fn facts() -> impl Strategy<Value = Vec<EventKind>> {
    prop::collection::vec(fact(), 0..6)
}

fn fact() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        plans(),
        runs(),
        units(),
        ops(),
        packets(),
        gates(),
        evidence()
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter)
}

fn commit() -> impl Strategy<Value = CommitId> {
    "[0-9a-f]{40}|[0-9a-f]{64}".prop_map(|id| id.parse().expect("an id"))
}

fn tree() -> impl Strategy<Value = TreeId> {
    "[0-9a-f]{40}".prop_map(|id| id.parse().expect("an id"))
}

fn packet() -> impl Strategy<Value = PacketId> {
    "[0-9][a-z0-9-]{0,8}".prop_map(|id| id.parse().expect("an id"))
}

fn gate_id() -> impl Strategy<Value = GateId> {
    "[a-z]{1,8}(:[a-z0-9-]{1,8})?".prop_map(|id| id.parse().expect("an id"))
}

fn request() -> impl Strategy<Value = RequestId> {
    "[a-z0-9-]{1,20}".prop_map(|id| id.parse().expect("an id"))
}

fn reference() -> impl Strategy<Value = RefName> {
    "refs/heads/[a-zäöü0-9/]{0,8}x".prop_filter_map("a good name", |name| name.parse().ok())
}

fn path() -> impl Strategy<Value = RepoPath> {
    prop::collection::vec(any::<u8>(), 0..12).prop_map(RepoPath::new)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (-2_000_000_000_i64..4_000_000_000, 0..1_000_000_000_i32)
        .prop_map(|(second, nano)| Timestamp::new(second, nano).expect("a time"))
}

fn update() -> impl Strategy<Value = RefUpdate> {
    (
        reference(),
        prop::option::of(commit()),
        prop::option::of(commit()),
    )
        .prop_map(|(name, old, new)| RefUpdate { name, old, new })
}

fn binding() -> impl Strategy<Value = Binding> {
    (
        text(),
        prop::option::of(text()),
        prop::collection::vec(update(), 0..3),
        text(),
    )
        .prop_map(|(repository, remote, updates, diff)| Binding {
            repository,
            url: remote.clone(),
            remote,
            updates,
            policy: diff.clone(),
            diff,
        })
}

fn outcome() -> impl Strategy<Value = UnitOutcome> {
    prop_oneof![
        any::<i32>().prop_map(UnitOutcome::Exited),
        any::<i32>().prop_map(UnitOutcome::Signalled),
        Just(UnitOutcome::TimedOut),
        Just(UnitOutcome::Lost),
        text().prop_map(UnitOutcome::NotStarted),
    ]
}

fn plan() -> impl Strategy<Value = Box<Plan>> {
    (
        text(),
        packet(),
        text(),
        any::<bool>(),
        prop::option::of(any::<u64>()),
    )
        .prop_map(|(text, id, run, shared, tokens)| {
            let mut plan = Plan {
                goal: text.clone(),
                ..Plan::default()
            };
            plan.budget.tokens = tokens;
            plan.checks.extend(shared.then(|| Check {
                name: text.clone(),
                run: run.clone(),
                when: crate::model::plan::CheckWhen::Both,
                minutes: Some(3),
                must_pass: tokens.is_some(),
            }));
            plan.packets.push(Packet {
                id,
                objective: text.clone(),
                context: run.clone(),
                owner: None,
                scope: vec![text.clone()],
                sources: Vec::new(),
                steps: vec![text],
                dont: Vec::new(),
                expect: String::new(),
                stop: String::new(),
                checks: Vec::new(),
                after: Vec::new(),
                agent: None,
                run: Some(run),
                kind: crate::model::plan::Kind::Edit,
                turns: None,
                minutes: None,
                total_minutes: None,
                tokens,
                dollars: None,
                schema: None,
            });
            Box::new(plan)
        })
}

fn plans() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        (plan(), commit(), tree(), reference(), text()).prop_map(
            |(plan, base, tree, target, repository)| EventKind::PlanFrozen {
                plan,
                base,
                tree,
                target,
                repository,
            }
        ),
        (commit(), tree(), packet(), text()).prop_map(|(base, tree, packet, from)| {
            EventKind::BranchCarved {
                carved: crate::model::carve::Carved {
                    from,
                    tip: base.clone(),
                    base,
                    tree,
                    packets: vec![packet],
                    proof: crate::model::carve::CarveProof::default(),
                },
            }
        }),
        (plan(), text()).prop_map(|(plan, by)| EventKind::PlanAmended {
            plan,
            changes: vec![by.clone()],
            by,
        }),
    ]
}

fn runs() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        any::<u8>().prop_map(|code| EventKind::RunEnded { code }),
        (text(), text(), text()).prop_map(|(goal, version, sandbox)| EventKind::RunStarted {
            goal,
            version,
            sandbox
        }),
        (request(), text()).prop_map(|(request, why)| EventKind::RequestRefused { request, why }),
        (text(), prop::option::of(packet()), text())
            .prop_map(|(job, packet, why)| EventKind::JobFailed { job, packet, why }),
        prop::option::of(text()).prop_map(|recipe| EventKind::Archived { recipe }),
    ]
}

fn units() -> impl Strategy<Value = EventKind> {
    let unit = (any::<u64>(), packet(), text(), tree(), any::<u32>()).prop_map(
        |(id, packet, text, tree, attempt)| Unit {
            id: UnitId(id),
            kind: match attempt % 3 {
                0 => UnitKind::Setup {
                    index: attempt,
                    run: text,
                },
                1 => UnitKind::Work { turn: attempt },
                _ => UnitKind::Check {
                    check: text.clone(),
                    run: text,
                    tree,
                },
            },
            workspace: match attempt % 2 {
                0 => WorkspaceName::Packet(packet),
                _ => WorkspaceName::Integration,
            },
            attempt,
            seconds: id,
            silence: 0,
        },
    );
    prop_oneof![
        unit.prop_map(|unit| EventKind::UnitStarted { unit }),
        (
            any::<u64>(),
            outcome(),
            any::<u64>(),
            prop::option::of(any::<u32>())
        )
            .prop_map(|(unit, outcome, millis, tokens)| EventKind::UnitEnded {
                unit: UnitId(unit),
                outcome,
                millis,
                usage: tokens.map(|tokens| Usage {
                    input_tokens: Some(tokens.into()),
                    output_tokens: None,
                    dollars: Some(f64::from(tokens) / 64.0),
                }),
                complaint: tokens.map(|tokens| format!("said {tokens}")),
                answer: None,
            }),
    ]
}

fn ops() -> impl Strategy<Value = EventKind> {
    let workspace =
        (text(), text(), any::<u64>(), any::<u64>()).prop_map(|(path, admin, device, inode)| {
            Workspace {
                path,
                admin,
                device,
                inode,
            }
        });
    let op = prop_oneof![
        (packet(), commit(), text(), update()).prop_map(|(packet, base, path, update)| {
            Op::MakeWorkspace {
                workspace: WorkspaceName::Packet(packet),
                attempt: 1,
                base,
                path,
                refs: vec![update],
            }
        }),
        (packet(), update()).prop_map(|(id, update)| Op::MoveRefs {
            why: MoveWhy::Integrate(vec![id]),
            refs: vec![update]
        }),
        (gate_id(), binding()).prop_map(|(gate, binding)| Op::Push(PushPlan { gate, binding })),
    ];
    let outcome = prop_oneof![
        Just(OpOutcome::Done),
        workspace.prop_map(OpOutcome::Made),
        prop::option::of(reference()).prop_map(|rescued| OpOutcome::Removed { rescued }),
        text().prop_map(OpOutcome::Refused),
    ];
    prop_oneof![
        op.prop_map(|op| EventKind::OpBegan { op }),
        (any::<u64>(), outcome).prop_map(|(op, outcome)| EventKind::OpEnded {
            op: OpId(op),
            outcome
        }),
    ]
}

fn packets() -> impl Strategy<Value = EventKind> {
    let collected = (
        commit(),
        commit(),
        tree(),
        prop::collection::vec(path(), 0..3),
        text(),
    )
        .prop_map(|(base, tip, tree, paths, text)| Collected {
            base,
            tip,
            tree,
            facts: RiskFacts {
                files: 3,
                symlinks: paths
                    .iter()
                    .map(|path| (path.clone(), text.clone()))
                    .collect(),
                large: paths.iter().map(|path| (path.clone(), u64::MAX)).collect(),
                paths,
                ..RiskFacts::default()
            },
            found: None,
            notes: vec![text],
        });
    let conflict = (commit(), path(), text()).prop_map(|(onto, path, kind)| Conflict {
        onto,
        with: Vec::new(),
        files: vec![ConflictFile { path, kind }],
    });
    prop_oneof![
        (packet(), collected)
            .prop_map(|(packet, collected)| EventKind::PacketCollected { packet, collected }),
        (packet(), conflict)
            .prop_map(|(packet, conflict)| EventKind::PacketConflicted { packet, conflict }),
        (packet(), text()).prop_map(|(packet, why)| EventKind::PacketGivenUp {
            packet,
            how: GivenUp::Dropped,
            why,
        }),
    ]
}

fn gates() -> impl Strategy<Value = EventKind> {
    let gate = (gate_id(), binding(), text(), time(), time()).prop_map(
        |(id, binding, text, opened, until)| Gate {
            id,
            kind: GateKind::Push,
            binding,
            why: vec![text.clone()],
            status: GateStatus::Approved { until },
            opened,
            decision: Some(Decision {
                by: text.clone(),
                at: until,
                attended: false,
                why: text,
            }),
        },
    );
    prop_oneof![
        gate.prop_map(|gate| EventKind::GateOpened { gate }),
        (gate_id(), time(), request(), text()).prop_map(|(gate, until, request, by)| {
            EventKind::GateDecided {
                gate,
                answer: Answer::Approved { until },
                request,
                why: by.clone(),
                by,
                attended: true,
            }
        }),
    ]
}

fn evidence() -> impl Strategy<Value = EventKind> {
    (
        text(),
        tree(),
        outcome(),
        time(),
        prop::option::of(packet()),
    )
        .prop_map(
            |(text, tree, outcome, at, packet)| EventKind::EvidenceRecorded {
                evidence: Evidence {
                    check: text.clone(),
                    run: text.clone(),
                    tree,
                    packet,
                    unit: UnitId(1),
                    outcome,
                    output: text,
                    at,
                },
            },
        )
}
