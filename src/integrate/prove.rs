//! Reads the four versions of every file that a merge could have dropped something of, and has them compared.
//!
//! Only paths count in which the packet differs from the base, or the result from the integration branch: every
//! other path is as the integration branch has it, and nothing of the packet's. Renames are looked for only
//! where something seems to be lacking. Called by the runner for every merge that is not a matter of whole files.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::proof::{Content, Versions, exceptions};
use crate::git::{Change, Git, Side};
use crate::model::id::{CommitId, TreeId};
use crate::model::path::RepoPath;
use crate::model::proof::{Exception, Proof};

/// Bigger files are compared as a whole, in bytes.
const BIG: u64 = 8 << 20;

/// A merge that was made.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// The integration commit that was merged into.
    pub onto: &'a CommitId,
    /// The commit that was merged.
    pub tip: &'a CommitId,
    /// The result.
    pub tree: &'a TreeId,
    /// Files that a rule writes anew, with the rule: they are not compared.
    pub exempt: &'a [(RepoPath, String)],
}

/// Compares a merge with its two sides.
///
/// # Errors
/// If git cannot read an object.
pub fn prove(git: &Git, made: &Made<'_>) -> Result<Proof> {
    let mut proof = Proof {
        exempt: made.exempt.to_vec(),
        ..Proof::default()
    };
    let Some(base) = git.merge_base(made.onto, made.tip)? else {
        return Ok(proof);
    };
    let compare = || -> Result<(u32, Vec<Exception>)> {
        let trees = Trees::read(git, &base, made)?;
        let plain = trees.compare(&Renames::default())?;
        // Without a file that came or went there is nothing to be renamed.
        if plain.1.is_empty() || !trees.has_come_or_gone() {
            return Ok(plain);
        }
        trees.compare(&trees.renames()?)
    };
    let (files, mut found) = compare().with_context(|| {
        format!(
            "comparing the merge of {} into {} with its sides",
            made.tip.short(),
            made.onto.short()
        )
    })?;
    found.sort();
    proof.files = files;
    proof.more = u32::try_from(found.len().saturating_sub(Proof::MOST)).unwrap_or(u32::MAX);
    found.truncate(Proof::MOST);
    proof.exceptions = found;
    Ok(proof)
}

type Changes = BTreeMap<RepoPath, Change>;

/// What differs between the trees of a merge.
struct Trees<'a> {
    git: &'a Git,
    ids: [TreeId; 4],
    /// From the base to the integration branch.
    ours: Changes,
    /// From the base to the packet.
    theirs: Changes,
    /// From the integration branch to the result.
    result: Changes,
    exempt: BTreeSet<&'a RepoPath>,
}

/// New names of files: from the base to either side, and from either side to the result.
#[derive(Default)]
struct Renames {
    ours: BTreeMap<RepoPath, RepoPath>,
    theirs: BTreeMap<RepoPath, RepoPath>,
    from_ours: BTreeMap<RepoPath, RepoPath>,
    from_theirs: BTreeMap<RepoPath, RepoPath>,
}

impl<'a> Trees<'a> {
    fn read(git: &'a Git, base: &CommitId, made: &Made<'a>) -> Result<Self> {
        let [base, onto, tip] = [base, made.onto, made.tip].map(|commit| git.tree_of(commit));
        let (base, onto, tip) = (base?, onto?, tip?);
        let changes = |from: &TreeId, to: &TreeId| -> Result<Changes> {
            let all = git.changes(from, to)?;
            Ok(all.into_iter().map(|one| (one.path.clone(), one)).collect())
        };
        Ok(Self {
            git,
            ours: changes(&base, &onto)?,
            theirs: changes(&base, &tip)?,
            result: changes(&onto, made.tree)?,
            ids: [base, onto, tip, made.tree.clone()],
            exempt: made.exempt.iter().map(|(path, _)| path).collect(),
        })
    }

    fn has_come_or_gone(&self) -> bool {
        [&self.ours, &self.theirs, &self.result]
            .into_iter()
            .flat_map(BTreeMap::values)
            .any(|change| change.old.is_none() || change.new.is_none())
    }

    fn renames(&self) -> Result<Renames> {
        let [base, ours, theirs, result] = &self.ids;
        let map = |from: &TreeId, to: &TreeId| -> Result<BTreeMap<RepoPath, RepoPath>> {
            Ok(self.git.renames(from, to)?.into_iter().collect())
        };
        Ok(Renames {
            ours: map(base, ours)?,
            theirs: map(base, theirs)?,
            from_ours: map(ours, result)?,
            from_theirs: map(theirs, result)?,
        })
    }

    fn base(&self, path: &RepoPath) -> Option<&Side> {
        let first = self.theirs.get(path).or_else(|| self.ours.get(path));
        first.or_else(|| self.result.get(path))?.old.as_ref()
    }

    fn ours(&self, path: &RepoPath) -> Option<&Side> {
        match self.ours.get(path) {
            Some(change) => change.new.as_ref(),
            None => self.base(path),
        }
    }

    fn theirs(&self, path: &RepoPath) -> Option<&Side> {
        match self.theirs.get(path) {
            Some(change) => change.new.as_ref(),
            None => self.base(path),
        }
    }

    fn result(&self, path: &RepoPath) -> Option<&Side> {
        match self.result.get(path) {
            Some(change) => change.new.as_ref(),
            None => self.ours(path),
        }
    }

    /// Compares every file that counts, by its name in the base or else where it is new.
    fn compare(&self, renames: &Renames) -> Result<(u32, Vec<Exception>)> {
        let is_new_name = |path: &RepoPath| {
            let of_a_side = renames.ours.values().chain(renames.theirs.values());
            let of_result = renames
                .from_ours
                .values()
                .chain(renames.from_theirs.values());
            self.base(path).is_none() && of_a_side.chain(of_result).any(|name| name == path)
        };
        let mut keys: BTreeSet<&RepoPath> = self.theirs.keys().chain(self.result.keys()).collect();
        let moved = renames.ours.iter().filter(|(_, new)| keys.contains(new));
        let moved: Vec<&RepoPath> = moved.map(|(old, _)| old).collect();
        keys.extend(moved);
        let (mut files, mut found) = (0, Vec::new());
        for path in keys {
            if is_new_name(path) {
                continue;
            }
            let old = |map: &'_ BTreeMap<RepoPath, RepoPath>| map.get(path).cloned();
            let ours = old(&renames.ours).unwrap_or_else(|| path.clone());
            let theirs = old(&renames.theirs).unwrap_or_else(|| path.clone());
            let result = [Some(&ours), Some(&theirs), Some(path)]
                .into_iter()
                .chain([
                    renames.from_theirs.get(&theirs),
                    renames.from_ours.get(&ours),
                ])
                .flatten()
                .filter(|name| self.result(name).is_some())
                // A name that differs from the base's was chosen by a side, and wins.
                .max_by_key(|name| u8::from(*name != path));
            let name = result.unwrap_or(&ours);
            if [path, &ours, &theirs, name]
                .iter()
                .any(|path| self.exempt.contains(path))
            {
                continue;
            }
            let sides = [
                self.base(path),
                self.ours(&ours),
                self.theirs(&theirs),
                result.and_then(|name| self.result(name)),
            ];
            // One side's change, taken as it is.
            if sides[3] == sides[2] && sides[1] == sides[0]
                || sides[3] == sides[1] && sides[2] == sides[0]
                || sides[1] == sides[2] && sides[3] == sides[1]
            {
                continue;
            }
            files += 1;
            found.extend(self.examine(name, sides)?);
        }
        Ok((files, found))
    }

    fn examine(&self, path: &RepoPath, sides: [Option<&Side>; 4]) -> Result<Vec<Exception>> {
        let mut bytes = Vec::new();
        for side in sides.into_iter().flatten() {
            bytes.push(self.bytes(side)?);
        }
        let mut bytes = bytes.iter();
        let [base, integration, packet, result] = sides.map(|side| {
            Some(Content {
                mode: side?.mode,
                bytes: bytes.next()?,
            })
        });
        Ok(exceptions(&Versions {
            path,
            base,
            integration,
            packet,
            result,
        }))
    }

    /// The content; of a submodule and of a big file only what tells it from others.
    fn bytes(&self, side: &Side) -> Result<Vec<u8>> {
        const GITLINK: u32 = 0o160_000;
        if side.mode == GITLINK {
            return Ok(side.oid.clone().into_bytes());
        }
        if self.git.blob_size(&side.oid)? > BIG {
            return Ok(format!("\0{}", side.oid).into_bytes());
        }
        self.git.blob(&side.oid)
    }
}
