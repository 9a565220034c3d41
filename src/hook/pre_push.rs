//! What the hook decides.
//!
//! Git says, a line for each ref, what would be sent. Ids are fixed by then, so that an answer about ids is an
//! answer about what is sent. A line passes if it brings no commit of dynwf's to the remote, or if an approval
//! names exactly this remote, ref, old and new value and is good now or was spent by the push that is going on.
//! Commits are known by their trailer, so that a copy of an approved commit (rebased, cherry-picked) is not
//! approved. What the remote has on another branch, as for a pull request, is still new to the branch that a
//! workflow lands on: pushing it there is landing it, and wants its own approval.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;

use crate::gate::{address, covers};
use crate::git::Git;
use crate::journal::Store;
use crate::model::gate::{Gate, GateKind, GateStatus, PushWatch};
use crate::model::id::{CommitId, OpId, Slug};
use crate::model::op::Op;
use crate::model::path::printable;
use crate::model::state::RunState;

/// The trailer of every commit that dynwf makes.
const TRAILER: &str = "Dynwf-Workflow:";

/// A push as git describes it to the hook.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    /// The hook's first argument: the remote's name, or its address if it has none.
    pub remote: &'a str,
    /// The hook's second argument: the address.
    pub url: &'a str,
    /// The hook's standard input.
    pub lines: &'a [u8],
}

/// The hook's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Git may push.
    Allowed,
    /// It may not: why, and what to do, in lines for people.
    Refused(Vec<String>),
}

/// One ref that would be sent.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// The remote's ref.
    name: String,
    /// What it becomes; `None` if it is deleted.
    new: Option<String>,
    /// What it is at the remote; `None` if it is not there.
    old: Option<String>,
}

/// Returns where to look for the repository of the push: git names its directory to the hook where it lies
/// elsewhere than above the working directory.
pub fn start() -> PathBuf {
    std::env::var_os("GIT_DIR")
        .filter(|dir| !dir.is_empty())
        .map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Decides whether a push may go on.
///
/// # Errors
/// If the lines or the repository cannot be read: the hook must then refuse.
pub fn decide(
    git: &Git,
    store: &Store,
    watch: PushWatch,
    push: Push<'_>,
    now: Timestamp,
) -> Result<Verdict> {
    let lines = parse(push.lines)?;
    if lines.is_empty() {
        return Ok(Verdict::Allowed);
    }
    let workflows = Workflows::read(store)?;
    let history = History::of(git, &workflows, push, &lines)?;
    let everything: Vec<&str> = history.tips.values().map(String::as_str).collect();
    if watch == PushWatch::Workflow
        && lines.iter().all(|line| !workflows.is_target(&line.name))
        && history.carried(git, &everything)?.is_empty()
    {
        return Ok(Verdict::Allowed);
    }
    let mut refused = Vec::new();
    for line in &lines {
        let tip = line.new.as_ref().and_then(|new| history.tips.get(new));
        let carried = match tip {
            Some(tip) => {
                let mut carried = history.carried(git, &[tip])?;
                carried.extend(workflows.landed_by(git, line, tip)?);
                carried
            }
            None => BTreeMap::new(),
        };
        if watch == PushWatch::Workflow && carried.is_empty() {
            continue;
        }
        if let Err(why) = workflows.cover(store, push, line, now)? {
            refused.extend(explain(line, push, &carried, &history.known, &why));
        }
    }
    if refused.is_empty() {
        return Ok(Verdict::Allowed);
    }
    refused.insert(0, "dynwf: this push is not approved".to_owned());
    refused.extend(workflows.unreadable);
    Ok(Verdict::Refused(refused))
}

/// Takes the hook's input apart. The local name comes first and is as it was typed, spaces and all.
fn parse(bytes: &[u8]) -> Result<Vec<Line>> {
    // A name that is not UTF-8 stays unlike every name that an approval could hold.
    String::from_utf8_lossy(bytes)
        .lines()
        .map(parse_line)
        .collect()
}

fn parse_line(line: &str) -> Result<Line> {
    let mut words = line.rsplitn(4, ' ');
    let (Some(old), Some(name), Some(new), Some(_)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        bail!(
            "git described the push in a way that dynwf does not know: `{}`",
            printable(line)
        );
    };
    for id in [old, new] {
        if !matches!(id.len(), 40 | 64) || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            bail!(
                "git named an object in a way that dynwf does not know: `{}`",
                printable(id)
            );
        }
    }
    let id = |text: &str| (!text.bytes().all(|b| b == b'0')).then(|| text.to_owned());
    Ok(Line {
        name: name.to_owned(),
        new: id(new),
        old: id(old),
    })
}

/// The states of all workflows of the repository.
struct Workflows {
    states: Vec<RunState>,
    unreadable: Vec<String>,
    repository: Option<String>,
}

impl Workflows {
    fn read(store: &Store) -> Result<Self> {
        let mut states = Vec::new();
        let mut unreadable = Vec::new();
        for slug in store.workflows()? {
            match store.read(&slug) {
                Ok(state) => states.extend(state),
                Err(error) => {
                    unreadable.push(format!("  the journal of {slug} was not read: {error:#}"));
                }
            }
        }
        let repository = (!states.is_empty())
            .then(|| store.repository_id())
            .transpose()?;
        Ok(Self {
            states,
            unreadable,
            repository,
        })
    }

    /// Whether a workflow lands on this ref.
    fn is_target(&self, name: &str) -> bool {
        self.targeting(name).next().is_some()
    }

    /// The names of the workflows that land on this ref.
    fn targeting(&self, name: &str) -> impl Iterator<Item = &Slug> {
        self.states
            .iter()
            .filter(move |state| {
                let frozen = state.frozen.as_ref();
                frozen.is_some_and(|frozen| frozen.target.as_str() == name)
            })
            .map(|state| &state.slug)
    }

    /// Returns how many commits of each workflow that lands on the line's ref would be new to that ref, wherever
    /// else the remote has them.
    fn landed_by(&self, git: &Git, line: &Line, tip: &str) -> Result<BTreeMap<String, usize>> {
        if !self.is_target(&line.name) {
            return Ok(BTreeMap::new());
        }
        let old: Vec<&str> = line.old.iter().map(String::as_str).collect();
        let mut landed = count(git, &[tip], commits(git, &old)?.values())?;
        landed.retain(|workflow, _| {
            self.targeting(&line.name)
                .any(|slug| slug.as_str() == workflow)
        });
        Ok(landed)
    }

    /// Whether an approval covers the line; if not, why the nearest one does not.
    fn cover(
        &self,
        store: &Store,
        push: Push<'_>,
        line: &Line,
        now: Timestamp,
    ) -> Result<Result<(), String>> {
        let mut nearest = None;
        for state in &self.states {
            for gate in state
                .gates
                .values()
                .filter(|gate| gate.kind == GateKind::Push)
            {
                let why = match self.fits(gate, push, line) {
                    Some(Ok(())) => match is_good(store, state, gate, now)? {
                        Ok(()) => return Ok(Ok(())),
                        Err(why) => why,
                    },
                    Some(Err(why)) => why,
                    None => continue,
                };
                nearest.get_or_insert(why);
            }
        }
        Ok(Err(
            nearest.unwrap_or_else(|| "nobody was asked about it".to_owned())
        ))
    }

    /// Whether a gate asks about this very move; `None` if it asks about another ref.
    fn fits(&self, gate: &Gate, push: Push<'_>, line: &Line) -> Option<Result<(), String>> {
        let update = gate
            .binding
            .updates
            .iter()
            .find(|update| update.name.as_str() == line.name)?;
        let short = |id: Option<&str>| {
            id.map_or("nothing", |id| id.get(..12).unwrap_or(id))
                .to_owned()
        };
        let differs = |what: &str, shown: String, found: String| {
            Some(Err(format!(
                "gate {} asks about {what} {shown}, not {found}",
                gate.id
            )))
        };
        let binding = &gate.binding;
        if Some(&binding.repository) != self.repository.as_ref() {
            return differs(
                "repository",
                binding.repository.clone(),
                "this one".to_owned(),
            );
        }
        if binding.remote.as_deref() != Some(push.remote) {
            let shown = binding.remote.clone().unwrap_or_default();
            return differs("the remote", shown, push.remote.to_owned());
        }
        let found = address(push.url);
        if let Some(url) = binding.url.as_ref().filter(|url| **url != found) {
            return differs("the address", url.clone(), found.into_owned());
        }
        let (old, new) = (update.old.as_ref(), update.new.as_ref());
        let (old, new) = (old.map(CommitId::as_str), new.map(CommitId::as_str));
        if new != line.new.as_deref() {
            return differs("the new value", short(new), short(line.new.as_deref()));
        }
        if old != line.old.as_deref() {
            return differs("the old value", short(old), short(line.old.as_deref()));
        }
        Some(Ok(()))
    }
}

/// Whether a gate that asks about this move was answered with yes, and the yes still counts: it is good now, or
/// it was spent by a push of dynwf's that is going on.
fn is_good(
    store: &Store,
    state: &RunState,
    gate: &Gate,
    now: Timestamp,
) -> Result<Result<(), String>> {
    let GateStatus::Consumed { by, .. } = gate.status else {
        return Ok(covers(gate, &gate.binding, now));
    };
    let open = state
        .ops
        .get(&OpId(by))
        .is_some_and(|open| matches!(&open.op, Op::Push(plan) if plan.binding == gate.binding));
    if open && store.is_held(&state.slug)? {
        return Ok(Ok(()));
    }
    Ok(Err(format!("the approval of {} was used already", gate.id)))
}

/// What would be sent, and what the remote is known to have.
struct History {
    /// The commit of each new value that is or names one.
    tips: BTreeMap<String, String>,
    /// Commits that the remote has.
    there: BTreeSet<String>,
    /// Commits that some remote has.
    elsewhere: BTreeSet<String>,
    /// The workflows that have a journal here.
    known: BTreeSet<String>,
}

impl History {
    fn of(git: &Git, workflows: &Workflows, push: Push<'_>, lines: &[Line]) -> Result<Self> {
        let new: BTreeSet<&str> = lines
            .iter()
            .filter_map(|line| line.new.as_deref())
            .collect();
        let mut there: BTreeSet<String> =
            lines.iter().filter_map(|line| line.old.clone()).collect();
        if push.remote != push.url {
            there.extend(tracked(git, &format!("refs/remotes/{}/", push.remote))?);
        }
        for binding in workflows.states.iter().flat_map(|state| &state.pushed) {
            if binding.url.as_deref() == Some(&*address(push.url)) {
                let sent = binding
                    .updates
                    .iter()
                    .filter_map(|update| update.new.as_ref());
                there.extend(sent.map(ToString::to_string));
            }
        }
        let new: Vec<&str> = new.into_iter().collect();
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        let elsewhere = tracked(git, "refs/remotes/")?;
        let elsewhere: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
        Ok(Self {
            tips: commits(git, &new)?,
            there: commits(git, &there)?.into_values().collect(),
            elsewhere: commits(git, &elsewhere)?.into_values().collect(),
            known: workflows
                .states
                .iter()
                .map(|state| state.slug.to_string())
                .collect(),
        })
    }

    /// Returns how many commits of each workflow the remote would get with these tips. Commits of a workflow
    /// that is not kept in this repository count only if no remote has them: they came from other people, who
    /// were asked there.
    fn carried(&self, git: &Git, tips: &[&str]) -> Result<BTreeMap<String, usize>> {
        let carried = count(git, tips, self.there.iter())?;
        if carried.keys().all(|workflow| self.known.contains(workflow)) {
            return Ok(carried);
        }
        let unseen = count(git, tips, self.there.iter().chain(&self.elsewhere))?;
        let counts =
            |workflow: &String| self.known.contains(workflow) || unseen.contains_key(workflow);
        Ok(carried
            .into_iter()
            .filter(|(workflow, _)| counts(workflow))
            .collect())
    }
}

/// Returns how many commits of each workflow lie between what is there and the tips.
fn count<'a>(
    git: &Git,
    tips: &[&str],
    there: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<String, usize>> {
    let mut counted = BTreeMap::new();
    if tips.is_empty() {
        return Ok(counted);
    }
    let mut input = String::new();
    for tip in tips {
        let _ = writeln!(input, "{tip}");
    }
    for commit in there {
        let _ = writeln!(input, "^{commit}");
    }
    let messages = git
        .command()
        .args([
            "rev-list",
            "--no-commit-header",
            "--format=%B%x00",
            "--basic-regexp",
            "-i",
        ])
        .arg(format!("--grep=^{TRAILER}"))
        .arg("--stdin")
        .stdin(input)
        .ok()
        .context("looking for commits of dynwf's in what would be pushed")?;
    let messages = String::from_utf8_lossy(&messages);
    for message in messages.split_terminator('\0') {
        if let Some(workflow) = message.lines().find_map(workflow_of) {
            *counted.entry(workflow).or_default() += 1;
        }
    }
    Ok(counted)
}

/// The name that a trailer line gives.
fn workflow_of(line: &str) -> Option<String> {
    let key = line.get(..TRAILER.len())?;
    key.eq_ignore_ascii_case(TRAILER)
        .then(|| line[TRAILER.len()..].trim().to_owned())
}

/// What the refs below a prefix name: for remotes, what they had when they were last looked at.
fn tracked(git: &Git, prefix: &str) -> Result<Vec<String>> {
    let ids = git
        .command()
        .args(["for-each-ref", "--format=%(objectname)"])
        .arg(prefix)
        .text()
        .with_context(|| format!("listing {prefix}"))?;
    Ok(ids.lines().map(str::to_owned).collect())
}

/// The commit that each object is or, as a tag, names; objects that are neither, or not here, are left out.
fn commits(git: &Git, ids: &[&str]) -> Result<BTreeMap<String, String>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut input = String::new();
    for id in ids {
        let _ = writeln!(input, "{id}^{{commit}}");
    }
    let answer = git
        .command()
        .args(["cat-file", "--batch-check=%(objectname) %(objecttype)"])
        .stdin(input)
        .text()
        .context("looking up what would be pushed")?;
    let found = ids.iter().zip(answer.lines()).filter_map(|(id, line)| {
        Some(((*id).to_owned(), line.strip_suffix(" commit")?.to_owned()))
    });
    Ok(found.collect())
}

/// Says what is refused and how to get it approved.
fn explain(
    line: &Line,
    push: Push<'_>,
    carried: &BTreeMap<String, usize>,
    known: &BTreeSet<String>,
    why: &str,
) -> Vec<String> {
    let what = match &line.new {
        Some(new) => new.get(..12).unwrap_or(new),
        None => "its deletion",
    };
    let remote = printable(push.remote);
    let mut text = vec![format!(
        "  {remote} {}: {what}: {}",
        printable(&line.name),
        printable(why)
    )];
    for (workflow, count) in carried {
        let commits = if *count == 1 { "commit" } else { "commits" };
        text.push(format!(
            "    {count} {commits} of workflow {}",
            printable(workflow)
        ));
        text.push(match workflow.parse::<Slug>() {
            Ok(slug) if known.contains(workflow) => format!("    dynwf push {slug}"),
            _ => "    that workflow is not kept in this repository, so it cannot be approved here"
                .to_owned(),
        });
    }
    text
}
