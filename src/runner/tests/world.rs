//! A simulated world: it answers the jobs that the state asks for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::error::ExitCode;
use crate::integrate::Rules;
use crate::model::event::{Event, EventKind};
use crate::model::gate::Policy;
use crate::model::id::{CommitId, GateId, PacketId, Slug, TreeId, UnitId};
use crate::model::op::{MoveWhy, Op, OpOutcome};
use crate::model::packet::{
    Collected, Conflict, ConflictFile, Merge, Rebuild, Restack, RiskFacts, Weight, Workspace,
};
use crate::model::plan::Plan;
use crate::model::radar::Sweep;
use crate::model::request::{Request, RequestBody};
use crate::model::state::{RunState, Stage};
use crate::model::status::PacketStatus;
use crate::model::unit::{UnitKind, UnitOutcome, Usage};
use crate::runner::end::standing;
use crate::runner::facts::facts;
use crate::runner::goal::{Goal, Options};
use crate::runner::jobs::{Job, jobs};
use crate::runner::message::{CollectResult, Input, LookedUp, MergeResult, UnitEnd};
use crate::runner::queue;
use crate::runner::rules;
use crate::workspace::Sites;

/// What the simulated world does to one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a way to end")]
pub(super) struct Fate {
    pub(super) exit: i32,
    pub(super) nothing: bool,
    pub(super) protected: bool,
    pub(super) check: i32,
    pub(super) conflicts: bool,
    pub(super) lost: bool,
}

pub(super) struct World {
    pub(super) state: RunState,
    events: Vec<Event>,
    pub(super) options: Options,
    fates: BTreeMap<PacketId, Fate>,
    lost: BTreeSet<PacketId>,
    second: i64,
    serial: u32,
    pub(super) most_units: usize,
    /// How checks of the integrated tree end.
    pub(super) integrated: i32,
    /// Packets that together turn the integrated tree red.
    pub(super) clashes: Vec<Vec<PacketId>>,
    /// The packets in each merged tree.
    holds: BTreeMap<TreeId, BTreeSet<PacketId>>,
    /// How many times checks ran on merged trees.
    pub(super) trials: usize,
    /// How checks of the base end.
    pub(super) base: i32,
    /// How many packets one job merges.
    pub(super) most_merges: usize,
    /// What every turn of an agent says that it used.
    pub(super) used: Option<Usage>,
    /// Whether somebody else holds the integration branch.
    pub(super) refuses_to_integrate: bool,
}

pub(super) fn commit(serial: u32) -> CommitId {
    format!("{serial:040x}").parse().expect("an id")
}

fn tree(serial: u32) -> TreeId {
    format!("{serial:040x}").parse().expect("an id")
}

pub(super) fn id(text: &str) -> PacketId {
    text.parse().expect("an id")
}

fn workspace(path: &str) -> Workspace {
    Workspace {
        path: path.to_owned(),
        admin: String::new(),
        device: 1,
        inode: 1,
    }
}

impl World {
    pub(super) fn new(plan: &str, fates: BTreeMap<PacketId, Fate>) -> Self {
        let slug: Slug = "sim".parse().expect("a slug");
        let mut world = Self {
            state: RunState::new(slug),
            events: Vec::new(),
            options: Options {
                goal: Goal::Run,
                concurrency: 2,
                cores: 2,
                minutes: 60,
                silence: 15,
                setup: Vec::new(),
                bisect: true,
                resolver: None,
                rules: Rules::default(),
                policy: Policy::default(),
                sites: Sites::at("/w/{packet}"),
                winding_down: false,
            },
            fates,
            lost: BTreeSet::new(),
            second: 1_800_000_000,
            serial: 100,
            most_units: 0,
            integrated: 0,
            clashes: Vec::new(),
            holds: BTreeMap::new(),
            trials: 0,
            base: 0,
            most_merges: usize::MAX,
            refuses_to_integrate: false,
            used: None,
        };
        let plan: Plan = toml::from_str(plan).expect("a plan");
        world.say(EventKind::PlanFrozen {
            plan: Box::new(plan),
            base: commit(1),
            tree: tree(1),
            target: "refs/heads/main".parse().expect("a ref"),
            repository: "r".to_owned(),
        });
        world
    }

    fn now(&mut self) -> Timestamp {
        self.second += 1;
        Timestamp::from_second(self.second).expect("a time")
    }

    fn next(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    fn say(&mut self, kind: EventKind) {
        let at = self.now();
        let event = Event {
            seq: self.state.seq + 1,
            at,
            kind,
        };
        self.state.apply(&event);
        self.events.push(event);
    }

    /// Takes an input in and lets everything follow.
    pub(super) fn take(&mut self, input: Option<Input>) {
        let now = self.now();
        if let Some(input) = input {
            for fact in facts(&self.state, &self.options, input, now) {
                self.say(fact);
            }
        }
        for _ in 0..1000 {
            let following = rules::next(&self.state, &self.options, now);
            if following.is_empty() {
                self.most_units = self.most_units.max(self.state.units.len());
                return;
            }
            for fact in following {
                self.say(fact);
            }
        }
        panic!("the rules do not come to rest");
    }

    /// Runs until nothing goes on. `choose` picks the job that ends next and says whether dynwf crashes after it.
    pub(super) fn run(
        &mut self,
        goal: Goal,
        mut choose: impl FnMut(usize) -> (usize, bool),
    ) -> ExitCode {
        self.options.goal = goal;
        let target = self.state.landed.clone().unwrap_or_else(|| commit(1));
        let tree = self.state.target_trees[&target].clone();
        self.take(Some(Input::Target(target, tree)));
        for _ in 0..1000 {
            let going: Vec<Job> = jobs(&self.state, &self.options).into_iter().collect();
            if going.is_empty() {
                return standing(&self.state);
            }
            let (index, crash) = choose(going.len());
            let input = self.answer(&going[index % going.len()].clone());
            self.take(Some(input));
            if crash {
                let mut again = RunState::new(self.state.slug.clone());
                for event in &self.events {
                    again.apply(event);
                }
                assert_eq!(again, self.state, "replay gives the same state");
            }
        }
        panic!("the run does not come to an end");
    }

    pub(super) fn answer(&mut self, job: &Job) -> Input {
        match job {
            Job::Attend(unit) => self.end_of_unit(*unit),
            Job::Perform(op) => {
                let outcome = match &self.state.ops[op].op {
                    Op::MakeWorkspace { path, .. } => OpOutcome::Made(workspace(path)),
                    Op::RemoveWorkspace { .. } => OpOutcome::Removed { rescued: None },
                    Op::MoveRefs {
                        why: MoveWhy::Integrate(_),
                        ..
                    } if self.refuses_to_integrate => OpOutcome::Refused("it moved".to_owned()),
                    _ => OpOutcome::Done,
                };
                Input::OpEnded { op: *op, outcome }
            }
            Job::Collect(packet) => self.collect(packet),
            Job::Merge => self.merge(),
            Job::Rebuild => self.rebuild(),
            Job::Restack(packet) => self.restack(packet),
            Job::FollowTarget => Input::Failed {
                job: job.clone(),
                why: "not simulated".to_owned(),
            },
            Job::Mend(_) | Job::Hand(_) | Job::TakeResolution(_) => panic!("is not simulated"),
            Job::Radar => Input::Swept(Sweep {
                tips: self
                    .state
                    .on_their_way()
                    .map(|(_, work)| work.tip.clone())
                    .collect(),
                pairs: Vec::new(),
            }),
            Job::Weigh => {
                let integration = self.state.integration.as_ref().expect("there");
                Input::Weighed(Weight {
                    old: integration.target.clone(),
                    new: integration.commit.clone(),
                    digest: "d".to_owned(),
                    files: 1,
                    additions: 1,
                    deletions: 0,
                })
            }
        }
    }

    pub(super) fn end_of_unit(&mut self, unit: UnitId) -> Input {
        let unit = self.state.units[&unit].unit.clone();
        let packet = unit.packet().cloned();
        let fate = packet
            .as_ref()
            .and_then(|id| self.fates.get(id).copied())
            .unwrap_or_default();
        let first_loss = fate.lost && packet.is_some_and(|id| self.lost.insert(id));
        let outcome = match unit.kind {
            UnitKind::Work { .. } if first_loss => UnitOutcome::Lost,
            UnitKind::Work { .. } => UnitOutcome::Exited(fate.exit),
            UnitKind::Check { ref tree, .. } if unit.packet().is_none() => {
                let on_the_base = self.state.base_tree() == Some(tree);
                self.trials += usize::from(!on_the_base);
                let holds = self.holds.get(tree).cloned().unwrap_or_default();
                let is_in = |clash: &Vec<PacketId>| clash.iter().all(|id| holds.contains(id));
                let mended = |clash: &Vec<PacketId>| {
                    let turns = clash.iter().map(|id| self.state.packets[id].turn);
                    turns.max() > Some(1)
                };
                let clash = self
                    .clashes
                    .iter()
                    .any(|clash| is_in(clash) && !mended(clash));
                UnitOutcome::Exited(match (on_the_base, clash) {
                    (true, _) => self.base,
                    (false, true) => 1,
                    (false, false) => self.integrated,
                })
            }
            UnitKind::Check { .. } => UnitOutcome::Exited(fate.check),
            UnitKind::Setup { .. } | UnitKind::Call { .. } => UnitOutcome::Exited(0),
        };
        let usage = self.used.clone().filter(|_| unit.is_work());
        Input::UnitEnded(UnitEnd {
            usage,
            millis: 10,
            output: "o".to_owned(),
            ..UnitEnd::of(unit.id, outcome)
        })
    }

    fn collect(&mut self, packet: &PacketId) -> Input {
        let fate = self.fates.get(packet).copied().unwrap_or_default();
        let serial = self.next();
        let result = if fate.nothing {
            CollectResult::Nothing { notes: Vec::new() }
        } else {
            let path = if fate.protected {
                "build.rs"
            } else {
                "src/a.rs"
            };
            CollectResult::Work(Box::new(Collected {
                base: self.state.packets[packet].base.clone().expect("started"),
                tip: commit(serial),
                tree: tree(serial),
                facts: RiskFacts {
                    files: 1,
                    additions: 1,
                    paths: vec![path.into()],
                    ..RiskFacts::default()
                },
                found: None,
                notes: Vec::new(),
            }))
        };
        Input::Collected {
            packet: packet.clone(),
            result,
        }
    }

    fn merge(&mut self) -> Input {
        let mut state = self.state.clone();
        let mut results = Vec::new();
        while results.len() < self.most_merges
            && let Some(id) = queue::next_merge(&state)
        {
            let result = self.merge_one(&state, &id);
            let merge = match &result {
                MergeResult::Clean(merge) => Some(merge),
                _ => None,
            };
            queue::assume(&mut state, &id, merge);
            results.push((id, result));
        }
        Input::Merged(results)
    }

    fn merge_one(&mut self, state: &RunState, packet: &PacketId) -> MergeResult {
        let fate = self.fates.get(packet).copied().unwrap_or_default();
        let onto = state.integration.as_ref().expect("there").commit.clone();
        let serial = self.next();
        let before = &state.integration.as_ref().expect("there").tree;
        let mut holds = self.holds.get(before).cloned().unwrap_or_default();
        holds.insert(packet.clone());
        self.holds.insert(tree(serial), holds);
        if fate.conflicts && self.state.packets[packet].resolution.is_none() {
            MergeResult::Conflict(Conflict {
                onto,
                with: Vec::new(),
                files: vec![ConflictFile {
                    path: "src/a.rs".into(),
                    kind: "contents".to_owned(),
                }],
            })
        } else {
            MergeResult::Clean(Merge {
                onto,
                commit: commit(serial),
                tree: tree(serial),
                road: "git".to_owned(),
                proof: None,
            })
        }
    }

    fn rebuild(&mut self) -> Input {
        let at = self.state.integration.clone().expect("there");
        let mut assumed = self.state.clone();
        let kept: BTreeSet<CommitId> = self.state.firm_commits().cloned().collect();
        let mut rebuild = Rebuild {
            from: at.commit,
            commit: at.target,
            tree: self.state.base_tree().expect("known").clone(),
            merges: Vec::new(),
            conflicts: Vec::new(),
            out: Vec::new(),
        };
        for id in self.state.unlanded().to_vec() {
            let packet = &self.state.packets[&id];
            let base = &packet.collected.as_ref().expect("there").base;
            let mut stood: Vec<&CommitId> = rebuild
                .merges
                .iter()
                .map(|(_, m): &(_, Merge)| &m.commit)
                .collect();
            stood.extend(&kept);
            if packet.stage != Stage::Integrated || !stood.contains(&base) {
                rebuild.out.push(id);
                continue;
            }
            let merge = packet.merge.clone().expect("merged");
            let merge = if merge.onto == rebuild.commit {
                merge
            } else {
                let integration = assumed.integration.as_mut().expect("there");
                integration.commit = rebuild.commit.clone();
                integration.tree = rebuild.tree.clone();
                match self.merge_one(&assumed, &id) {
                    MergeResult::Clean(merge) => merge,
                    other => panic!("{other:?}"),
                }
            };
            rebuild.commit = merge.commit.clone();
            rebuild.tree = merge.tree.clone();
            rebuild.merges.push((id, merge));
        }
        Input::Rebuilt(rebuild)
    }

    fn restack(&mut self, packet: &PacketId) -> Input {
        let serial = self.next();
        let old = self.state.packets[packet].collected.clone().expect("there");
        let at = self.state.integration.as_ref().expect("there");
        let onto = if self.state.stands_on_others(packet) {
            at.commit.clone()
        } else {
            at.target.clone()
        };
        Input::Restacked {
            packet: packet.clone(),
            result: Ok(Box::new(Restack {
                from: old.tip.clone(),
                base: old.base.clone(),
                collected: Collected {
                    base: onto,
                    tip: commit(serial),
                    tree: tree(serial),
                    ..old
                },
            })),
        }
    }

    pub(super) fn request(&mut self, body: RequestBody) {
        let serial = self.next();
        let at = self.now();
        self.options.goal = Goal::Answer;
        self.take(Some(Input::Request {
            request: Box::new(Request {
                id: format!("r{serial}").parse().expect("an id"),
                at,
                by: "P <p@example.org>".to_owned(),
                attended: true,
                body,
            }),
            looked_up: LookedUp::Nothing,
        }));
    }

    pub(super) fn approve(&mut self, gate: &GateId) {
        let binding = self.state.gates[gate].binding.clone();
        self.request(RequestBody::Approve {
            gate: gate.clone(),
            binding,
        });
    }

    /// Begins another run.
    pub(super) fn begin(&mut self) {
        self.say(EventKind::RunStarted {
            goal: "run".to_owned(),
            version: "0".to_owned(),
            sandbox: "none".to_owned(),
        });
    }

    /// An amended plan takes the place of the old one.
    pub(super) fn amend(&mut self, plan: &str) {
        self.say(EventKind::PlanAmended {
            plan: Box::new(toml::from_str(plan).expect("a plan")),
            changes: Vec::new(),
            by: "P".to_owned(),
        });
    }

    /// The packets of each move of the integration branch.
    pub(super) fn moves(&self) -> Vec<Vec<&str>> {
        let moves = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::OpBegan {
                op:
                    Op::MoveRefs {
                        why: MoveWhy::Integrate(packets),
                        ..
                    },
            } => Some(packets.iter().map(PacketId::as_str).collect()),
            _ => None,
        });
        moves.collect()
    }

    pub(super) fn status(&self, packet: &str) -> PacketStatus {
        self.state.status_of(&id(packet))
    }
}
