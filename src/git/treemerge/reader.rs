//! Reading trees and files for a merge.

use std::collections::HashMap;
use std::sync::Arc;

use git2::{ErrorCode, ObjectType, Odb, OdbObject, Oid};

/// How many bytes of tree objects are kept at hand. A batch reads the same few directories again and again.
const CACHE_BYTES: usize = 6 << 20;

/// Why a merge ended without a tree.
#[derive(Debug)]
pub(in crate::git) enum Stop {
    /// The program has to answer; why, in a word or two.
    Unsure(&'static str),
    /// The repository could not be read.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<git2::Error> for Stop {
    fn from(error: git2::Error) -> Self {
        // In a partial clone the program can fetch what is missing.
        if error.code() == ErrorCode::NotFound {
            Self::Unsure("an object is missing")
        } else {
            Self::Failed(error.into())
        }
    }
}

/// The tree objects that were read last.
#[derive(Debug, Default)]
pub(in crate::git) struct Cache {
    trees: HashMap<Oid, Arc<[u8]>>,
    bytes: usize,
}

/// The object database, with the trees that were read last.
pub(super) struct Reader<'a> {
    odb: Odb<'a>,
    cache: &'a mut Cache,
}

impl<'a> Reader<'a> {
    pub(super) fn new(odb: Odb<'a>, cache: &'a mut Cache) -> Self {
        Self { odb, cache }
    }

    /// Reads a tree object.
    pub(super) fn tree(&mut self, id: Oid) -> Result<Arc<[u8]>, Stop> {
        if let Some(data) = self.cache.trees.get(&id) {
            return Ok(Arc::clone(data));
        }
        let object = self.odb.read(id)?;
        if object.kind() != ObjectType::Tree {
            return Err(Stop::Failed(anyhow::anyhow!("object {id} is not a tree")));
        }
        let data: Arc<[u8]> = object.data().into();
        drop(object);
        self.keep(id, Arc::clone(&data));
        Ok(data)
    }

    /// Keeps a tree at hand.
    pub(super) fn keep(&mut self, id: Oid, data: Arc<[u8]>) {
        let cache = &mut *self.cache;
        if cache.bytes + data.len() > CACHE_BYTES {
            cache.trees.clear();
            cache.bytes = 0;
        }
        cache.bytes += data.len();
        cache.trees.insert(id, data);
    }

    /// Reads a file.
    pub(super) fn file(&self, id: Oid) -> Result<OdbObject<'_>, Stop> {
        Ok(self.odb.read(id)?)
    }
}
