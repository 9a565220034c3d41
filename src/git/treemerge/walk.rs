//! The walk through base, ours and theirs.

use std::sync::Arc;

use git2::{ObjectType, Odb, Oid};

use super::attributes::{self, Outside};
use super::entry::{Three, append, clashes, equal_run, oid, same, take};
use super::reader::{Cache, Reader, Stop};
use super::text;
use crate::git::tree::RawEntry;

/// An object that a merge made.
#[derive(Debug)]
pub(in crate::git) struct Fresh {
    pub(in crate::git) kind: ObjectType,
    pub(in crate::git) id: Oid,
    pub(in crate::git) data: Vec<u8>,
}

/// One merge.
pub(in crate::git) struct TreeWalk<'a> {
    reader: Reader<'a>,
    outside: &'a dyn Fn() -> anyhow::Result<Arc<Outside>>,
    /// The tree that attributes are taken from.
    ours: Oid,
    path: Vec<u8>,
    fresh: Vec<Fresh>,
}

impl<'a> TreeWalk<'a> {
    /// A merge onto the tree `ours`; `outside` is asked at most once, for what lies outside of the trees and
    /// decides how texts merge.
    pub(in crate::git) fn new(
        odb: Odb<'a>,
        cache: &'a mut Cache,
        ours: Oid,
        outside: &'a dyn Fn() -> anyhow::Result<Arc<Outside>>,
    ) -> Self {
        Self {
            reader: Reader::new(odb, cache),
            outside,
            ours,
            path: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// Merges; returns the tree and the objects that are not in the repository yet, each after those it names.
    pub(in crate::git) fn merge(
        mut self,
        base: Oid,
        theirs: Oid,
    ) -> Result<(Oid, Vec<Fresh>), Stop> {
        let ours = self.ours;
        let tree = if base == theirs {
            ours
        } else if base == ours {
            theirs
        } else {
            match self.trees([Some(base), Some(ours), Some(theirs)])? {
                Some(tree) => tree,
                None => self.made(ObjectType::Tree, Vec::new())?,
            }
        };
        Ok((tree, self.fresh))
    }

    /// Merges directories, of which the base may be missing; `None` if nothing is left in it.
    fn trees(&mut self, ids: [Option<Oid>; 3]) -> Result<Option<Oid>, Stop> {
        let [base, ours, theirs] = ids;
        let mut read = |id: Option<Oid>| match id {
            Some(id) => self.reader.tree(id),
            None => Ok(Arc::from([])),
        };
        let data = [read(base)?, read(ours)?, read(theirs)?];
        let mut rest = [&data[0][..], &data[1][..], &data[2][..]];
        let mut made = Vec::with_capacity(rest[1].len().max(rest[2].len()));
        loop {
            let run = equal_run(&rest)?;
            made.extend_from_slice(&rest[0][..run]);
            for rest in &mut rest {
                *rest = &rest[run..];
            }
            let Some(three) = take(&mut rest)? else {
                break;
            };
            if clashes(&three, &rest)? {
                return Err(Stop::Unsure("a file meets a directory"));
            }
            self.entry(&three, &mut made)?;
        }
        if made.is_empty() {
            return Ok(None);
        }
        // What one side has already need not be written again.
        for (id, data) in ids.iter().zip(&data).skip(1) {
            if id.is_some() && data[..] == made[..] {
                return Ok(*id);
            }
        }
        self.made(ObjectType::Tree, made).map(Some)
    }

    /// Appends what becomes of one entry to the new tree.
    fn entry(&mut self, three: &Three<'_>, made: &mut Vec<u8>) -> Result<(), Stop> {
        match three {
            [Some(base), Some(ours), Some(theirs)] => {
                if same(base, theirs) {
                    append(made, ours, ours.id);
                } else if same(base, ours) {
                    append(made, theirs, theirs.id);
                } else if ours.is_dir() {
                    self.directories(three, made)?;
                } else if same(ours, theirs) {
                    append(made, ours, ours.id);
                } else {
                    let id = self.named(ours.name, |walk| walk.texts(base, ours, theirs))?;
                    append(made, ours, id.as_bytes());
                }
            }
            [Some(base), Some(kept), None] | [Some(base), None, Some(kept)] => {
                if !same(base, kept) {
                    return Err(Stop::Unsure("deleted here, changed there"));
                }
            }
            [Some(_), None, None] => return Err(Stop::Unsure("deleted on both sides")),
            [None, Some(added), None] | [None, None, Some(added)] => append(made, added, added.id),
            [None, Some(ours), Some(_)] if ours.is_dir() => self.directories(three, made)?,
            [None, Some(_), Some(_)] => return Err(Stop::Unsure("added on both sides")),
            [None, None, None] => {}
        }
        Ok(())
    }

    fn directories(&mut self, three: &Three<'_>, made: &mut Vec<u8>) -> Result<(), Stop> {
        let [_, Some(ours), _] = three else {
            return Ok(());
        };
        let mut ids = [None; 3];
        for (id, entry) in ids.iter_mut().zip(three) {
            *id = entry.as_ref().map(oid).transpose()?;
        }
        if let Some(id) = self.named(ours.name, |walk| walk.trees(ids))? {
            append(made, ours, id.as_bytes());
        }
        Ok(())
    }

    /// Does something one level deeper.
    fn named<T>(
        &mut self,
        name: &[u8],
        inside: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let length = self.path.len();
        if length > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        let done = inside(self);
        self.path.truncate(length);
        done
    }

    fn made(&mut self, kind: ObjectType, data: Vec<u8>) -> Result<Oid, Stop> {
        let id = Oid::hash_object(kind, &data)?;
        if kind == ObjectType::Tree {
            self.reader.keep(id, data.as_slice().into());
        }
        self.fresh.push(Fresh { kind, id, data });
        Ok(id)
    }

    /// Merges the file at the present path, which both sides changed in different ways.
    fn texts(
        &mut self,
        base: &RawEntry<'_>,
        ours: &RawEntry<'_>,
        theirs: &RawEntry<'_>,
    ) -> Result<Oid, Stop> {
        let regular = base.mode & 0o170_000 == 0o100_000;
        if !regular || base.mode != ours.mode || base.mode != theirs.mode {
            return Err(Stop::Unsure("both sides changed what is no plain text"));
        }
        let outside = (self.outside)()?;
        attributes::plain_text(&mut self.reader, self.ours, &self.path, &outside)?;
        let mut read = Vec::with_capacity(3);
        for entry in [base, ours, theirs] {
            read.push(self.reader.file(oid(entry)?)?);
        }
        let [base, ours, theirs] = &read[..] else {
            return Err(Stop::Unsure("three files"));
        };
        let merged = text::merge(base.data(), ours.data(), theirs.data());
        drop(read);
        match merged {
            Some(merged) => self.made(ObjectType::Blob, merged),
            None => Err(Stop::Unsure("changes that meet in a file")),
        }
    }
}
