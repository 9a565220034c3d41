//! What is asked of a cut, and the plan that it becomes.

use anyhow::Result;

use super::group::stands_alone;
use super::names::packet_id;
use super::owners::{Owners, PLACES};
use super::pattern::Universe;
use super::piece::{By, Part, Piece};
use crate::error::usage;
use crate::git::Git;
use crate::model::id::{CommitId, PacketId};
use crate::model::plan::{Integration, Packet, Plan};
use crate::model::scope::MOST_TOLD;
use crate::plan::validate::MAX_PACKETS;

/// What is asked of a cut.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// How.
    pub by: By,
    /// Which paths: globs, relative to the top of the repository.
    pub paths: &'a [String],
    /// What each packet is to do.
    pub objective: &'a str,
    /// The agent that does it.
    pub agent: Option<&'a str>,
    /// The command that does it.
    pub run: Option<&'a str>,
    /// At most so many packets.
    pub most: Option<usize>,
    /// The revision to start from, as the plan is to name it.
    pub base: Option<&'a str>,
    /// The branch to land on, as the plan is to name it.
    pub target: Option<&'a str>,
}

/// A plan, and what is in its packets.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The plan.
    pub plan: Plan,
    /// A row for each packet, in the plan's order.
    pub rows: Vec<Row>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// What is in a packet.
#[derive(Clone, Debug)]
pub struct Row {
    /// The packet.
    pub id: PacketId,
    /// How many paths.
    pub files: usize,
    /// How many bytes they are.
    pub bytes: u64,
}

/// Pieces in their parts, among all paths.
pub(in crate::plan) struct Sliced<'a> {
    pub(in crate::plan) pieces: &'a [Piece],
    pub(in crate::plan) parts: &'a [Part],
    pub(in crate::plan) universe: &'a Universe<'a>,
}

/// Makes the plan.
///
/// # Errors
/// A usage failure if there are too many packets.
pub(in crate::plan) fn cut(sliced: &Sliced<'_>, request: &Request<'_>) -> Result<Cut> {
    let parts = sliced.parts;
    if parts.len() > MAX_PACKETS {
        return Err(usage(
            format!(
                "that makes {} packets, and a plan may have at most {MAX_PACKETS}",
                parts.len()
            ),
            "--max-packets N joins directories; --by size makes as many packets as it is told",
        ));
    }
    let mut scopes = sliced.universe.scopes(parts.len());
    let mut plan = Plan {
        goal: request.objective.to_owned(),
        base: request.base.map(str::to_owned),
        integration: Integration {
            target: request.target.map(str::to_owned),
            ..Integration::default()
        },
        ..Plan::default()
    };
    let mut rows = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let id = packet_id(at, parts.len(), &part.name)?;
        let exact = std::mem::take(&mut scopes[at]);
        let scope = match &part.glob {
            Some(glob) if stands_alone(glob, request.paths) => vec![glob.clone()],
            _ => exact,
        };
        rows.push(Row {
            id: id.clone(),
            files: part.pieces.len(),
            bytes: part.bytes(sliced.pieces),
        });
        plan.packets.push(packet(&id, part, scope, request)?);
    }
    let notes = plan.packets.iter().filter_map(too_long).collect();
    Ok(Cut { plan, rows, notes })
}

/// Says that a packet's command is not told its scope.
fn too_long(packet: &Packet) -> Option<String> {
    let bytes: usize = packet.scope.iter().map(|pattern| pattern.len() + 1).sum();
    (bytes > MOST_TOLD).then(|| {
        format!(
            "the scope of {} has {} patterns, too long for $DYNWF_SCOPE, which its command does not get",
            packet.id,
            packet.scope.len()
        )
    })
}

fn packet(id: &PacketId, part: &Part, scope: Vec<String>, request: &Request<'_>) -> Result<Packet> {
    let objective = format!("{}: {}", request.objective.trim(), part.name);
    let mut packet: Packet =
        serde_json::from_value(serde_json::json!({"id": id, "objective": objective}))?;
    packet.scope = scope;
    packet.owner.clone_from(&part.owner);
    packet.agent = request.agent.map(str::to_owned);
    packet.run = request.run.map(str::to_owned);
    Ok(packet)
}

/// Reads the owners, if they are what is cut by.
///
/// # Errors
/// A usage failure if the commit has no CODEOWNERS file.
pub(in crate::plan) fn owners_for(
    git: &Git,
    base: &CommitId,
    by: By,
) -> Result<Option<(&'static str, Owners)>> {
    if by != By::Owner {
        return Ok(None);
    }
    let found = Owners::of(git, base)?;
    found.map(Some).ok_or_else(|| {
        usage(
            format!(
                "{} has no CODEOWNERS file, so --by owner has nothing to go by",
                base.short()
            ),
            format!(
                "commit one as {}, or cut --by dir or --by size",
                PLACES.join(", ")
            ),
        )
    })
}

/// Says which lines of the file count for nothing.
pub(in crate::plan) fn owners_note(owners: Option<&(&'static str, Owners)>) -> Vec<String> {
    owners.map_or_else(Vec::new, |(place, owners)| {
        let skipped = owners.skipped.iter();
        skipped
            .map(|line| format!("{place} {line}; the line is skipped, as GitHub does"))
            .collect()
    })
}
