//! What a unit without a sandbox changed around its workspace: noted before, looked at after, told with the work.
//!
//! Nothing can be kept from it, so it is seen and said. Copies of what changed are kept on a rescue ref. A workspace that
//! waits for its worker and was changed is made anew, so that nobody's stray is collected as that packet's work. Called by
//! `confine`, below the workflow's folder `stray/`, under the name of the unit's workspace.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::queue;
use super::scene::Scene;
use crate::model::id::PacketId;
use crate::model::state::{RunState, Stage};
use crate::model::unit::WorkspaceName;
use crate::process::UnitDir;
use crate::workspace::{self, Sibling, Watch};

/// Notes that somebody begins to work in a packet's workspace, or has ended: only those are looked at from elsewhere, and in
/// the person's checkout nothing is written.
pub(super) fn note_work(scene: &Scene<'_>) -> Result<()> {
    match scene.name.packet() {
        Some(_) => workspace::note_work(scene.workspace),
        None => Ok(()),
    }
}

/// Notes how things stand around a unit.
pub(super) fn note(scene: &Scene<'_>, folder: &UnitDir) -> Result<()> {
    let state = scene.state;
    let mut siblings: Vec<Sibling> = state
        .packets
        .iter()
        .filter_map(|(id, packet)| {
            Some(Sibling {
                packet: id.clone(),
                workspace: packet.workspace.clone()?,
                busy: queue::is_busy(state, id, packet),
                scope: scope_of(state, id),
            })
        })
        .filter(|sibling| sibling.workspace.admin != scene.workspace.admin)
        .collect();
    // Where there is no time for all, those come first whose work is not collected yet.
    siblings.sort_by_key(|sibling| {
        let reached = state
            .packets
            .get(&sibling.packet)
            .map(|packet| packet.stage);
        (!sibling.busy, reached != Some(Stage::Prepared))
    });
    let watch = workspace::watch(&scene.tools.git, &siblings)?;
    let file = folder.ctl().join("around.json");
    fs::write(&file, serde_json::to_vec(&watch)?)
        .with_context(|| format!("writing {}", file.display()))
}

fn scope_of(state: &RunState, id: &PacketId) -> Vec<String> {
    let planned = state.planned(id);
    planned.map_or_else(Vec::new, |planned| planned.scope.clone())
}

/// The workspaces of the other packets that are there now: more than the state knew when the unit began.
fn there_now(scene: &Scene<'_>) -> Result<Vec<Sibling>> {
    let (state, git) = (scene.state, &scene.tools.git);
    let made = workspace::made(git)?;
    Ok(state
        .packets
        .keys()
        .filter_map(|id| {
            let name = WorkspaceName::Packet(id.clone());
            let first = workspace::admin_name(&state.slug, &name, 1);
            let again = format!("{first}.a");
            // Of several the last attempt's: the names are sorted, and the longer one is the later.
            let made = made
                .iter()
                .filter(|made| made.name == first || made.name.starts_with(&again))
                .max_by_key(|made| (made.name.len(), &made.name))?;
            Some(Sibling {
                packet: id.clone(),
                workspace: made.workspace.clone(),
                busy: false,
                scope: scope_of(state, id),
            })
        })
        .filter(|sibling| sibling.workspace.admin != scene.workspace.admin)
        .collect())
}

/// What changed in a workspace before its first unit, in words: where there is no sandbox, anybody's unit can have done that.
pub(super) fn soiled(scene: &Scene<'_>) -> Result<Option<String>> {
    if scene.name.packet().is_none() {
        return Ok(None);
    }
    let paths = workspace::soiled(&scene.tools.git, scene.workspace)?;
    let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
    Ok((!names.is_empty()).then(|| names.join(", ")))
}

/// Looks at what changed since, and lists it for [`lines`]. Returns the packets whose workspaces were changed though
/// nobody worked in them.
pub(super) fn look(scene: &Scene<'_>, folder: &UnitDir) -> Result<Vec<PacketId>> {
    let noted = folder.ctl().join("around.json");
    let Ok(text) = fs::read(&noted) else {
        return Ok(Vec::new());
    };
    let watch: Watch =
        serde_json::from_slice(&text).with_context(|| format!("reading {}", noted.display()))?;
    let unit = folder.root().file_name().unwrap_or_default();
    let stray = scene.folder("stray");
    let aside = stray.join(unit);
    let mut strays = watch.strays(&scene.tools.git, &aside, &there_now(scene)?)?;
    if !strays.lines.is_empty() {
        let at = Timestamp::now();
        let stamp = at.strftime("%Y%m%dT%H%M%S%3fZ-stray").to_string();
        let keep = scene.state.slug.rescue(&scene.name.to_string(), &stamp);
        if workspace::keep_strays(&scene.tools.git, &aside, &keep, at)? {
            strays.lines.push(format!("copies are kept as {keep}"));
        }
        fs::create_dir_all(&stray).with_context(|| format!("making {}", stray.display()))?;
        let mut text = strays.lines.join("\n");
        text.push('\n');
        let list = stray.join(unit).with_extension("txt");
        fs::write(&list, text).with_context(|| format!("writing {}", list.display()))?;
    }
    fs::remove_file(&noted).with_context(|| format!("removing {}", noted.display()))?;
    Ok(strays.soiled)
}

/// What the units of a workspace may have changed elsewhere, a line each.
pub(super) fn lines(scene: &Scene<'_>) -> Vec<String> {
    let mut lists: Vec<PathBuf> = fs::read_dir(scene.folder("stray"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    lists.sort();
    let mut lines = Vec::new();
    for list in lists {
        let text = fs::read_to_string(&list).unwrap_or_default();
        lines.extend(text.lines().map(|line| {
            format!("changed while it ran without a sandbox, by it or by somebody else: {line}")
        }));
    }
    lines
}
