//! The rung of the ladder before the last: a conflict in the hands of a resolver, an agent.
//!
//! The resolver is a packet like any other (a workspace, a sandbox, a deadline, tokens that count), which starts from a
//! commit whose files hold the conflict with its marks, and may change just those files. What it leaves becomes a merge
//! commit that is merged like the conflicting packet's tip, as a person's resolution is; it is compared with both sides, and
//! what it lacks is asked about, whatever the resolver says. One resolver works at a time, once for each conflict.
//! Called by `executor`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::message::{Input, Tools};
use super::resolving;
use super::work::{integration_of, packet_of, time_of};
use crate::fault;
use crate::git::{CommitSpec, Git};
use crate::model::id::{CommitId, PacketId};
use crate::model::packet::{Merge, Resolving};
use crate::model::path::RepoPath;
use crate::model::plan::{Kind, Packet};
use crate::model::state::RunState;

/// How much of a file with marks a resolver is shown beforehand, in bytes; the files lie in its workspace.
const SHOWN: usize = 4 * 1024;

/// Makes the commit that a resolver starts from, and the packet that it works on. No ref moves.
pub(super) fn hand(tools: &Tools, state: &RunState, id: &PacketId) -> Input {
    fault::point("hand:before");
    let result = prepare(tools, state, id).map_err(|error| format!("{error:#}"));
    fault::point("hand:after");
    Input::Handed {
        packet: id.clone(),
        result: result.map(Box::new),
    }
}

fn prepare(tools: &Tools, state: &RunState, id: &PacketId) -> Result<(Resolving, Packet)> {
    let git = &tools.git;
    let (packet, planned) = packet_of(state, id)?;
    let onto = integration_of(state)?.commit.clone();
    let tip = packet.collected.as_ref().map(|work| work.tip.clone());
    let tip = tip.ok_or_else(|| anyhow!("packet {id} was not collected"))?;
    let unmerged = git
        .unmerged(&onto, &tip)?
        .ok_or_else(|| anyhow!("nothing conflicts any more"))?;
    ensure!(!unmerged.elsewhere, "the conflict is not about files alone");
    for (path, sides) in &unmerged.files {
        let regular = |side: &crate::git::Side| side.mode & 0o170_000 == 0o100_000;
        ensure!(
            sides.iter().flatten().all(regular),
            "{path} is no regular file on every side"
        );
    }
    let base = git.commit(&CommitSpec {
        tree: unmerged.tree.clone(),
        parents: vec![onto.clone(), tip.clone()],
        message: format!(
            "The conflict of {id}, with its marks\n\nDynwf-Workflow: {}\n",
            state.slug
        ),
        at: time_of(packet, state),
    })?;
    let resolving = Resolving {
        packet: id.clone(),
        tip,
        onto,
        base,
        files: unmerged.files.into_keys().collect(),
    };
    let agent = tools.config.integration.resolver.clone();
    let agent = agent.ok_or_else(|| anyhow!("no resolver is configured"))?;
    let with = packet.conflict.iter().flat_map(|conflict| &conflict.with);
    let others: Vec<&Packet> = with.filter_map(|other| state.planned(other)).collect();
    let context = context(git, &resolving, planned, &others)?;
    let packet = made(state, &resolving, agent, context)?;
    Ok((resolving, packet))
}

fn made(state: &RunState, resolving: &Resolving, agent: String, context: String) -> Result<Packet> {
    let scope: Vec<String> = resolving.files.iter().map(literal).collect::<Result<_>>()?;
    let id = state.free_id("resolve", &resolving.packet);
    let id =
        id.ok_or_else(|| anyhow!("no name is free for the resolver of {}", resolving.packet))?;
    let objective = format!(
        "Resolve the conflict of {} with what was merged before it",
        resolving.packet
    );
    Ok(Packet {
        context,
        scope,
        steps: vec![
            "Keep what both sides want. Where they contradict each other, keep the objective of each as far as that goes."
                .to_owned(),
            "Leave no marks (`<<<<<<<`, `=======`, `>>>>>>>`) in the files.".to_owned(),
        ],
        dont: vec!["drop a line of either side without need: each one that is missing is asked about".to_owned()],
        expect: "The files that conflict, merged.".to_owned(),
        agent: Some(agent),
        kind: Kind::Resolve,
        ..Packet::new(id, objective)
    })
}

/// A path as a pattern that covers it alone.
fn literal(path: &RepoPath) -> Result<String> {
    let text = std::str::from_utf8(path.as_bytes()).context("a file's name is not UTF-8")?;
    let mut pattern = String::new();
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    Ok(pattern)
}

/// What both sides were after, and the places.
fn context(
    git: &Git,
    resolving: &Resolving,
    planned: &Packet,
    others: &[&Packet],
) -> Result<String> {
    let mut text = format!(
        "In the files that conflict, the lines between `<<<<<<<` and `=======` are those that are integrated already, and the \
         lines between `=======` and `>>>>>>>` those of packet {}.\n\nPacket {} is for: {}\n",
        planned.id,
        planned.id,
        planned.objective.trim()
    );
    for other in others {
        let _ = writeln!(
            text,
            "Packet {}, which is integrated, is for: {}",
            other.id,
            other.objective.trim()
        );
    }
    let tree = git.tree_of(&resolving.base)?;
    let listed = git.files(&tree)?;
    for path in &resolving.files {
        let Some(file) = listed.iter().find(|file| file.path == *path) else {
            continue;
        };
        let bytes = git.blob(&file.oid)?;
        let _ = write!(
            text,
            "\n{path}:\n\n{}",
            hunks(&String::from_utf8_lossy(&bytes))
        );
    }
    Ok(text)
}

/// The marked places of a file, each with a few lines around it, indented; cut where there are too many.
fn hunks(text: &str) -> String {
    const AROUND: usize = 3;
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = vec![false; lines.len()];
    let mut inside = false;
    for (at, line) in lines.iter().enumerate() {
        inside |= line.starts_with("<<<<<<< ");
        if inside {
            let end = (at + AROUND + 1).min(lines.len());
            shown[at.saturating_sub(AROUND)..end].fill(true);
        }
        inside &= !line.starts_with(">>>>>>> ");
    }
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate().filter(|(at, _)| shown[*at]) {
        if out.len() > SHOWN {
            out.push_str("    …\n");
            break;
        }
        let _ = writeln!(out, "    {}: {line}", at + 1);
    }
    out
}

/// Makes a merge commit of what a resolver left, or says why that is none. No ref moves.
pub(super) fn take(tools: &Tools, state: &RunState, id: &PacketId) -> Input {
    fault::point("take:before");
    let result = look(tools, state, id).map_err(|error| format!("{error:#}"));
    fault::point("take:after");
    Input::Resolved {
        packet: id.clone(),
        result: result.map(Box::new),
    }
}

fn look(tools: &Tools, state: &RunState, id: &PacketId) -> Result<Merge> {
    let git = &tools.git;
    let (packet, _) = packet_of(state, id)?;
    let (Some(resolving), Some(work)) = (&packet.resolves, &packet.collected) else {
        return Err(anyhow!("packet {id} resolves nothing"));
    };
    let marked = marked(git, &work.tip, resolving)?;
    ensure!(
        marked.is_empty(),
        "it left marks of the conflict in {}",
        marked.join(", ")
    );
    let at = time_of(packet, state);
    let Resolving { onto, tip, .. } = resolving;
    let mut merge = resolving::commit(git, state, onto, tip, work.tree.clone(), &[], at)?;
    if let Some(proof) = &mut merge.proof {
        proof.asks = !proof.is_whole();
    }
    Ok(merge)
}

/// The files in which marks are left: those that git wrote, of whatever length, and lines that look like one and are in
/// neither side.
fn marked(git: &Git, work: &CommitId, resolving: &Resolving) -> Result<Vec<String>> {
    let texts = |commit: &CommitId| -> Result<BTreeMap<RepoPath, String>> {
        let listed = git.files(&git.tree_of(commit)?)?;
        let ours = listed
            .iter()
            .filter(|file| resolving.files.contains(&file.path));
        ours.map(|file| {
            let text = git.blob(&file.oid)?;
            Ok((
                file.path.clone(),
                String::from_utf8_lossy(&text).into_owned(),
            ))
        })
        .collect()
    };
    let (onto, tip) = (texts(&resolving.onto)?, texts(&resolving.tip)?);
    let labels = [resolving.onto.as_str(), resolving.tip.as_str()];
    let mut found = Vec::new();
    for (path, text) in texts(work)? {
        let before = [&onto, &tip].map(|side| side.get(&path).map_or(0, |text| marks(text)));
        let of_git = |line: &str| {
            line.starts_with(['<', '>', '|']) && labels.iter().any(|label| line.ends_with(label))
        };
        if text.lines().any(of_git) || marks(&text) > before[0].max(before[1]) {
            found.push(path.to_string());
        }
    }
    Ok(found)
}

/// How many lines look like marks of a conflict.
fn marks(text: &str) -> usize {
    let is_mark = |line: &&str| {
        let line = line.trim_end();
        ['<', '>', '=', '|'].iter().any(|&mark| {
            let rest = line.trim_start_matches(mark);
            line.len() - rest.len() >= 7 && (rest.is_empty() || rest.starts_with(' '))
        })
    };
    text.lines().filter(is_mark).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_pattern_for_itself_alone() {
        let pattern = literal(&RepoPath::new(&b"a/[b]*{c}.txt"[..])).expect("text");
        assert_eq!(pattern, "a/\\[b\\]\\*\\{c\\}.txt");
        let scope = crate::model::scope::Scope::new(&[pattern]).expect("a pattern");
        assert!(scope.covers(b"a/[b]*{c}.txt") && !scope.covers(b"a/bxc.txt"));
    }

    #[test]
    fn marks_of_any_length_from_seven_are_counted() {
        assert_eq!(marks("<<<<<<< a\nx\n=======\n>>>>>>> b\n||||||||||||\n"), 4);
        assert_eq!(marks("<<<<<< a\n=======x\n== ==\n"), 0);
    }

    #[test]
    fn the_places_are_shown_with_what_is_around_them() {
        let text = "1\n2\n3\n4\n<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n5\n6\n7\n8\n";
        let shown = hunks(text);
        assert!(
            shown.starts_with("    2: 2\n") && shown.ends_with("    12: 7\n"),
            "{shown}"
        );
        assert_eq!(hunks("no marks\n"), "");
        let many = "<<<<<<< a\nlonger than it has to be\n=======\n>>>>>>> b\n".repeat(400);
        assert!(hunks(&many).len() < SHOWN + 200);
    }
}
