//! Reading and moving refs.
//!
//! Invariants: names are full. A move is a compare-and-swap of all refs or none, through the git program,
//! which syncs, and which alone can write every kind of ref store. It may be done again after a kill at any
//! moment: a ref that already has its new value counts as moved. A lock file that a kill left behind is moved
//! aside once it is old.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use git2::ErrorCode;

use super::cmd::Output;
use super::object::commit_id;
use super::repo::Git;
use crate::error::Failure;
use crate::model::id::{CommitId, RefName};
use crate::model::op::RefUpdate;

/// Git holds the lock of a ref for milliseconds; one this old was left by a kill. Its age counts, not how
/// long we have waited: a wait that starts anew with each try never ends.
const STALE: Duration = Duration::from_secs(10);

/// How long a move is tried while somebody else holds a lock: longer than [`STALE`].
const PATIENCE: Duration = Duration::from_secs(15);

/// How a move of refs ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefMove {
    /// All refs have moved.
    Moved,
    /// All refs already had their new values.
    Already,
    /// Nothing was moved: this ref has neither its old nor its new value.
    Refused {
        /// The ref.
        name: RefName,
        /// Its value.
        found: Option<CommitId>,
    },
}

/// What the refs say before a try.
enum Standing {
    Done,
    Elsewhere(RefName, Option<CommitId>),
    /// The commands for `git update-ref --stdin -z`.
    Open(Vec<u8>),
}

impl Git {
    /// Returns the value of a ref, symbolic refs followed, tags unpeeled; `None` if it does not exist.
    pub fn read_ref(&self, name: &RefName) -> Result<Option<CommitId>> {
        let Some(library) = self.library()? else {
            let refs = self.refs_by_program(name.as_str())?;
            return Ok(refs.into_iter().find(|(n, _)| n == name).map(|(_, id)| id));
        };
        match library.refname_to_id(name.as_str()) {
            Ok(id) => commit_id(id).map(Some),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading the ref {name}")),
        }
    }

    /// Lists the refs whose full names start with `prefix` (`refs/heads/dynwf/x/`), in the order of their
    /// names. Symbolic refs are followed, those that lead nowhere and names that are not UTF-8 left out.
    pub fn list_refs(&self, prefix: &str) -> Result<Vec<(RefName, CommitId)>> {
        let context = || format!("listing the refs {prefix}*");
        let Some(library) = self.library()? else {
            // Git takes whole components as a prefix.
            let folder = prefix.rfind('/').map_or("refs/", |at| &prefix[..=at]);
            let mut refs = self.refs_by_program(folder)?;
            refs.retain(|(name, _)| name.as_str().starts_with(prefix));
            refs.sort();
            return Ok(refs);
        };
        let mut refs = Vec::new();
        let glob = format!("{prefix}*");
        for reference in library.references_glob(&glob).with_context(context)? {
            let reference = reference.with_context(context)?;
            let Some(name) = std::str::from_utf8(reference.name_bytes())
                .ok()
                .and_then(|name| name.parse::<RefName>().ok())
            else {
                continue;
            };
            let Some(id) = reference.resolve().ok().and_then(|direct| direct.target()) else {
                continue;
            };
            refs.push((name, commit_id(id)?));
        }
        refs.sort();
        Ok(refs)
    }

    fn refs_by_program(&self, pattern: &str) -> Result<Vec<(RefName, CommitId)>> {
        let bytes = self
            .command()
            .args(["for-each-ref", "--format=%(objectname) %(refname)", pattern])
            .ok()?;
        let lines = bytes.split(|&b| b == b'\n');
        Ok(lines
            .filter_map(|line| {
                let (id, name) = std::str::from_utf8(line).ok()?.split_once(' ')?;
                Some((name.parse().ok()?, id.parse().ok()?))
            })
            .collect())
    }

    /// Moves refs, all or none, each from its old to its new value; `reason` goes into their logs. Waits for
    /// locks that others hold, and moves those aside that a kill left behind.
    ///
    /// # Errors
    /// A usage [`Failure`] if a ref of another name is in the way; else if git cannot write the refs, or a
    /// lock stays.
    pub fn update_refs(&self, updates: &[RefUpdate], reason: &str) -> Result<RefMove> {
        let deadline = Instant::now() + PATIENCE;
        let mut tried = false;
        loop {
            let commands = match self.standing(updates)? {
                Standing::Done if tried => return Ok(RefMove::Moved),
                Standing::Done => return Ok(RefMove::Already),
                Standing::Elsewhere(name, found) => return Ok(RefMove::Refused { name, found }),
                Standing::Open(commands) => commands,
            };
            let command = self
                .command()
                .args(["update-ref", "-m", reason, "--stdin", "-z"])
                .stdin(commands)
                .effect(&self.effects_folder());
            let output = command.run()?;
            if output.success() {
                self.sync_folders(updates)?;
                return Ok(RefMove::Moved);
            }
            tried = true;
            let patient = Instant::now() < deadline;
            if blocked(&output).is_some()
                || !patient
                || !self.worth_another_try(updates, &output)?
            {
                let names: Vec<_> = updates.iter().map(|update| update.name.as_str()).collect();
                return Err(blocked(&output).unwrap_or_else(|| command.failed(&output)))
                    .with_context(|| format!("moving the refs {}", names.join(", ")));
            }
        }
    }

    /// Git syncs the file of a ref but not the folders that name it; the journal may say that the ref moved
    /// only once both are on disk.
    fn sync_folders(&self, updates: &[RefUpdate]) -> Result<()> {
        let mut folders = BTreeSet::new();
        for update in updates {
            let name = Path::new(update.name.as_str());
            folders.extend(
                name.ancestors()
                    .skip(1)
                    .filter(|part| part.starts_with("refs")),
            );
        }
        for folder in folders {
            let path = self.common_dir().join(folder);
            // Not there: an emptied folder, or another kind of ref store, which git syncs whole.
            let Ok(file) = std::fs::File::open(&path) else {
                continue;
            };
            file.sync_all()
                .with_context(|| format!("syncing the folder {}", path.display()))?;
        }
        Ok(())
    }

    /// Reads all refs and says what is to be done.
    fn standing(&self, updates: &[RefUpdate]) -> Result<Standing> {
        let mut commands = b"start\0".to_vec();
        let mut open = false;
        for update in updates {
            let found = self.read_ref(&update.name)?;
            if found != update.old && found != update.new {
                return Ok(Standing::Elsewhere(update.name.clone(), found));
            }
            open |= found != update.new;
            // A ref that is there already is still held to its value by the transaction.
            let name = &update.name;
            let line = match (&found, &update.new) {
                (Some(old), Some(new)) if old != new => format!("update {name}\0{new}\0{old}\0"),
                (Some(old), None) => format!("delete {name}\0{old}\0"),
                (None, Some(new)) => format!("create {name}\0{new}\0"),
                (Some(old), Some(_)) => format!("verify {name}\0{old}\0"),
                (None, None) => continue,
            };
            commands.extend_from_slice(line.as_bytes());
        }
        commands.extend_from_slice(b"prepare\0commit\0");
        Ok(if open {
            Standing::Open(commands)
        } else {
            Standing::Done
        })
    }

    /// After a failure: whether the refs moved meanwhile, or a lock was in the way that may be gone soon.
    fn worth_another_try(&self, updates: &[RefUpdate], output: &Output) -> Result<bool> {
        if !matches!(self.standing(updates)?, Standing::Open(_)) {
            return Ok(true);
        }
        let complaint = output.complaint();
        if let Some(lock) = named_lock(&complaint) {
            self.clear_if_stale(&lock)?;
        } else if self.program_only() && complaint.contains("lock") {
            let reftable = self.common_dir().join("reftable");
            self.clear_if_stale(&reftable.join("tables.list.lock"))?;
        } else {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(25));
        Ok(true)
    }

    /// Moves a lock file aside if it lies in this repository and is old.
    fn clear_if_stale(&self, lock: &Path) -> Result<()> {
        let Ok(inside) = lock.strip_prefix(self.common_dir()) else {
            return Ok(());
        };
        let age = std::fs::symlink_metadata(lock)
            .and_then(|meta| meta.modified())
            .map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age < STALE) || !lock.exists() {
            return Ok(());
        }
        let folder = self.common_dir().join("dynwf").join("stale-locks");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
        let name = inside.to_string_lossy().replace('/', "-");
        match std::fs::rename(lock, folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)
                .with_context(|| format!("moving the stale lock {} aside", lock.display())),
            _ => Ok(()),
        }
    }
}

/// The lock file that git says exists: `Unable to create '<path>': File exists.`
fn named_lock(complaint: &str) -> Option<PathBuf> {
    let (_, rest) = complaint.split_once("Unable to create '")?;
    let (path, _) = rest.split_once("': File exists")?;
    let path = Path::new(path);
    (path.extension()? == "lock").then(|| path.to_path_buf())
}

/// The error where a ref is in the way whose name is a folder of ours, or the other way round:
/// `'refs/heads/dynwf' exists; cannot create 'refs/heads/dynwf/x/y'`.
fn blocked(output: &Output) -> Option<anyhow::Error> {
    let complaint = output.complaint();
    let (before, after) = complaint.split_once("' exists; cannot create '")?;
    let there = before.rsplit('\'').next()?;
    let wanted = after.split('\'').next()?;
    let short = |name: &str| name.trim_start_matches("refs/heads/").to_owned();
    Some(
        Failure::usage(format!(
            "the ref {there} is in the way of {wanted}: git cannot hold both"
        ))
        .hint(format!(
            "rename it: git branch -m {} <another-name>",
            short(there)
        ))
        .into(),
    )
}
