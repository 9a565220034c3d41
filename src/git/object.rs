//! Commits, trees and blobs.
//!
//! Invariants: reading is done through libgit2 where it can open the repository, and gives the true bytes
//! (`refs/replace` is ignored on both roads); a missing object is asked of the git program, which can fetch it
//! in a partial clone. Writing goes through the program: it syncs, and obeys `core.sharedRepository`, which
//! libgit2 does neither.

use anyhow::{Context as _, Result, bail};
use git2::{ErrorCode, ObjectType, Oid};
use jiff::Timestamp;

use super::repo::Git;
use super::settings::Settings;
use crate::error::Failure;
use crate::model::id::{CommitId, RefName, TreeId};
use crate::model::path::RepoPath;

/// What a new commit holds. The same spec gives the same id, unless it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSpec {
    /// Its tree.
    pub tree: TreeId,
    /// Its parents, in order.
    pub parents: Vec<CommitId>,
    /// Its message, trailers included.
    pub message: String,
    /// Author's and committer's time, recorded in UTC to the second.
    pub at: Timestamp,
}

/// A commit before it is written.
pub(super) enum Prepared {
    /// Its bytes.
    Raw(String),
    /// Its message; the program has to sign it.
    ToSign(String),
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// The mode, such as `0o100644`.
    pub mode: u32,
    /// The object's id; a commit's for a submodule.
    pub oid: String,
    /// The path from the top of the tree.
    pub path: RepoPath,
}

impl Git {
    /// Resolves what a person wrote (a branch, a tag, `HEAD~2`, an id) to a commit, seen from the calling
    /// worktree; `None` if it names none.
    ///
    /// # Errors
    /// A usage [`Failure`] if it is ambiguous; else if the repository cannot be read.
    pub fn resolve(&self, rev: &str) -> Result<Option<CommitId>> {
        if rev.is_empty() || rev.contains('\0') {
            return Ok(None);
        }
        if let Some(library) = self.library()? {
            match library.revparse_single(rev) {
                Ok(object) => {
                    return match object.peel_to_commit() {
                        Ok(commit) => Ok(Some(commit_id(commit.id())?)),
                        Err(_) => Ok(None),
                    };
                }
                Err(error) => match error.code() {
                    ErrorCode::NotFound | ErrorCode::UnbornBranch => return Ok(None),
                    ErrorCode::Ambiguous => {
                        return Err(Failure::usage(format!("`{rev}` names several objects"))
                            .hint("give the full id or the full ref name")
                            .into());
                    }
                    // A spelling that libgit2 does not know; git may.
                    _ => {}
                },
            }
        }
        // In two steps, because `:/text` takes everything that follows it.
        let ask = |rev: &str| -> Result<Option<String>> {
            let output = self
                .command_here()
                .args(["rev-parse", "--verify", "--quiet", "--end-of-options", rev])
                .run()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Ok((output.success() && !text.is_empty()).then_some(text))
        };
        let Some(object) = ask(rev)? else {
            return Ok(None);
        };
        let commit = ask(&format!("{object}^{{commit}}"))?;
        commit.map(|id| Ok(id.parse()?)).transpose()
    }

    /// Returns the branch that HEAD of the calling worktree names, whether it has a commit or not; `None` if
    /// HEAD is detached.
    pub fn head_branch(&self) -> Result<Option<RefName>> {
        if let Some(library) = self.library()? {
            let head = library
                .find_reference("HEAD")
                .with_context(|| format!("reading HEAD of {}", self.git_dir().display()))?;
            let Some(target) = head.symbolic_target_bytes() else {
                return Ok(None);
            };
            return ref_name(target).map(Some);
        }
        let output = self
            .command_here()
            .args(["symbolic-ref", "--quiet", "HEAD"])
            .run()?;
        if !output.success() {
            return Ok(None);
        }
        ref_name(output.stdout.trim_ascii_end()).map(Some)
    }

    /// Returns the tree of a commit.
    pub fn tree_of(&self, commit: &CommitId) -> Result<TreeId> {
        let raw = self.read_object("commit", commit.as_str())?;
        let tree = headers(&raw).find_map(|line| line.strip_prefix("tree "));
        let tree = tree.with_context(|| format!("commit {commit} names no tree"))?;
        Ok(tree.parse()?)
    }

    /// Returns the parents of a commit, in order.
    pub fn parents_of(&self, commit: &CommitId) -> Result<Vec<CommitId>> {
        let raw = self.read_object("commit", commit.as_str())?;
        headers(&raw)
            .filter_map(|line| line.strip_prefix("parent "))
            .map(|id| Ok(id.parse()?))
            .collect()
    }

    /// Returns the message of a commit; bytes that are not UTF-8 are replaced.
    pub fn message_of(&self, commit: &CommitId) -> Result<String> {
        let raw = self.read_object("commit", commit.as_str())?;
        let start = raw.windows(2).position(|pair| pair == b"\n\n");
        let message = start.map_or(&b""[..], |at| &raw[at + 2..]);
        Ok(String::from_utf8_lossy(message).into_owned())
    }

    /// Makes a commit and syncs it. Author and committer are the person that git knows; `commit.gpgsign` and
    /// `format.signOff` are obeyed; no hook runs; nothing refers to the commit yet.
    ///
    /// # Errors
    /// A usage [`Failure`] if git knows no person; else if the object cannot be written or signed.
    pub fn commit(&self, spec: &CommitSpec) -> Result<CommitId> {
        match self.prepare(spec)? {
            Prepared::ToSign(message) => self.commit_signed(spec, &message),
            Prepared::Raw(raw) => self.write_commit(raw),
        }
        .with_context(|| format!("making a commit of tree {}", spec.tree))
    }

    /// Puts a commit in words, as the person's settings want it.
    pub(super) fn prepare(&self, spec: &CommitSpec) -> Result<Prepared> {
        let (author, committer) = self.idents()?;
        let settings = self.commit_settings()?;
        let mut message = spec.message.clone();
        if message.contains('\0') {
            bail!("a commit message holds a NUL byte");
        }
        if !message.ends_with('\n') {
            message.push('\n');
        }
        if settings.flag("format.signoff") {
            sign_off(&mut message, committer);
        }
        Ok(if settings.flag("commit.gpgsign") {
            Prepared::ToSign(message)
        } else {
            Prepared::Raw(raw_commit(spec, author, committer, &message))
        })
    }

    /// Writes the bytes of a commit as they are.
    pub(super) fn write_commit(&self, raw: impl Into<Vec<u8>>) -> Result<CommitId> {
        let id = self
            .command()
            .args(["hash-object", "-t", "commit", "-w", "--stdin"])
            .stdin(raw)
            .text()?;
        Ok(id.parse()?)
    }

    fn commit_signed(&self, spec: &CommitSpec, message: &str) -> Result<CommitId> {
        let date = format!("@{} +0000", spec.at.as_second());
        let parents = spec.parents.iter().flat_map(|id| ["-p", id.as_str()]);
        let id = self
            .command()
            .config("i18n.commitEncoding", "UTF-8")
            .args(["commit-tree", "-S"])
            .args(parents)
            .arg(spec.tree.as_str())
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .stdin(message)
            .text()?;
        Ok(id.parse()?)
    }

    /// Returns whether `a` is `b` or an ancestor of it.
    pub fn is_ancestor(&self, a: &CommitId, b: &CommitId) -> Result<bool> {
        if a == b {
            return Ok(true);
        }
        if let Some(library) = self.library()? {
            return library
                .graph_descendant_of(oid(b.as_str())?, oid(a.as_str())?)
                .with_context(|| format!("comparing the history of {a} and {b}"));
        }
        let command = self
            .command()
            .args(["merge-base", "--is-ancestor", a.as_str(), b.as_str()]);
        let output = command.run()?;
        match output.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(command.failed(&output)),
        }
    }

    /// Returns a best common ancestor; `None` if the histories have nothing in common.
    pub fn merge_base(&self, a: &CommitId, b: &CommitId) -> Result<Option<CommitId>> {
        if let Some(library) = self.library()? {
            let context = || format!("comparing the history of {a} and {b}");
            let (a, b) = (oid(a.as_str())?, oid(b.as_str())?);
            // A missing commit must not read as "nothing in common".
            library.find_commit(a).with_context(context)?;
            library.find_commit(b).with_context(context)?;
            return match library.merge_base(a, b) {
                Ok(base) => Ok(Some(commit_id(base)?)),
                Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
                Err(error) => Err(error).with_context(context),
            };
        }
        let command = self.command().args(["merge-base", a.as_str(), b.as_str()]);
        let output = command.run()?;
        match output.code() {
            Some(0) => Ok(Some(
                String::from_utf8_lossy(&output.stdout).trim().parse()?,
            )),
            Some(1) => Ok(None),
            _ => Err(command.failed(&output)),
        }
    }

    /// Reads a blob.
    pub fn blob(&self, oid: &str) -> Result<Vec<u8>> {
        self.read_object("blob", oid)
    }

    /// Returns a blob's size in bytes, without reading it where that can be avoided.
    pub fn blob_size(&self, id: &str) -> Result<u64> {
        let found = match self.library()? {
            None => None,
            Some(library) => {
                let odb = library.odb().context("opening the object database")?;
                odb.read_header(oid(id)?).ok()
            }
        };
        match found {
            Some((size, ObjectType::Blob)) => Ok(size as u64),
            Some((_, kind)) => bail!("object {id} is a {kind}, not a blob"),
            None => self
                .command()
                .args(["cat-file", "-s", CommitId::check(id)?])
                .text()?
                .parse()
                .with_context(|| format!("reading the size of blob {id}")),
        }
    }

    /// Returns the person as git names them, `Name <mail>`: the author of commits made now.
    ///
    /// # Errors
    /// A usage [`Failure`] if git knows none.
    pub fn ident(&self) -> Result<String> {
        Ok(self.idents()?.0.clone())
    }

    /// Author and committer, asked of git once.
    fn idents(&self) -> Result<&(String, String)> {
        if let Some(idents) = self.inner.idents.get() {
            return Ok(idents);
        }
        let ask = |which: &str| -> Result<String> {
            let command = self.command().args(["var", which]);
            let output = command.run()?;
            if !output.success() {
                return Err(Failure::usage(format!(
                    "git does not know who you are: {}",
                    output.complaint().lines().last().unwrap_or_default()
                ))
                .hint("git config --global user.name 'Your Name' && git config --global user.email you@example.com")
                .into());
            }
            let text = String::from_utf8_lossy(&output.stdout);
            let end = text.rfind('>').context("git names no mail address")?;
            Ok(text[..=end].to_owned())
        };
        let idents = (ask("GIT_AUTHOR_IDENT")?, ask("GIT_COMMITTER_IDENT")?);
        Ok(self.inner.idents.get_or_init(|| idents))
    }

    /// The settings that count for the common directory, read once.
    pub(super) fn commit_settings(&self) -> Result<&Settings> {
        if let Some(settings) = self.inner.settings.get() {
            return Ok(settings);
        }
        let settings = self.settings()?;
        Ok(self.inner.settings.get_or_init(|| settings))
    }

    /// Reads an object of a known kind.
    pub(super) fn read_object(&self, kind: &str, id: &str) -> Result<Vec<u8>> {
        let context = || format!("reading {kind} {id}");
        if let Some(library) = self.library()? {
            let odb = library.odb().with_context(context)?;
            match odb.read(oid(id)?) {
                Ok(object) if object.kind().str() == kind => return Ok(object.data().to_vec()),
                Ok(object) => bail!("object {id} is a {}, not a {kind}", object.kind()),
                Err(error) if error.code() != ErrorCode::NotFound => {
                    return Err(error).with_context(context);
                }
                Err(_) => {}
            }
        }
        self.command()
            .args(["cat-file", kind, CommitId::check(id)?])
            .ok()
            .with_context(context)
    }
}

/// Ids are only ever passed to git after this check: nothing that starts with `-` gets through.
trait Check {
    fn check(id: &str) -> Result<&str>;
}

impl Check for CommitId {
    fn check(id: &str) -> Result<&str> {
        id.parse::<Self>()?;
        Ok(id)
    }
}

/// The libgit2 form of an id.
pub(super) fn oid(id: &str) -> Result<Oid> {
    Oid::from_str(id).with_context(|| format!("reading the object id `{id}`"))
}

/// Our form of a libgit2 id.
pub(super) fn commit_id(id: Oid) -> Result<CommitId> {
    Ok(id.to_string().parse()?)
}

fn ref_name(bytes: &[u8]) -> Result<RefName> {
    let text = std::str::from_utf8(bytes).context("HEAD names a branch that is not UTF-8")?;
    Ok(text.parse()?)
}

fn headers(raw: &[u8]) -> impl Iterator<Item = &str> {
    raw.split(|&b| b == b'\n')
        .take_while(|line| !line.is_empty())
        .filter_map(|line| std::str::from_utf8(line).ok())
}

fn raw_commit(spec: &CommitSpec, author: &str, committer: &str, message: &str) -> String {
    let mut raw = format!("tree {}\n", spec.tree);
    for parent in &spec.parents {
        raw.push_str(&format!("parent {parent}\n"));
    }
    let seconds = spec.at.as_second();
    raw.push_str(&format!(
        "author {author} {seconds} +0000\ncommitter {committer} {seconds} +0000\n\n{message}"
    ));
    raw
}

/// Appends the trailer that `format.signOff` asks for, as `git commit --signoff` would: into the trailers that
/// are there, else as a paragraph of its own, and not twice.
fn sign_off(message: &mut String, committer: &str) {
    let trailer = format!("Signed-off-by: {committer}");
    let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let mut lines = last.lines().peekable();
    let is_trailer = |line: &str| {
        line.split_once(": ").is_some_and(|(key, _)| {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    // The subject alone is never a trailer, whatever it looks like.
    let has_trailers = message.trim_end().contains("\n\n") && lines.all(is_trailer);
    if last.lines().any(|line| line == trailer) {
        return;
    }
    if !has_trailers {
        message.push('\n');
    }
    message.push_str(&trailer);
    message.push('\n');
}

#[cfg(test)]
mod tests {
    use super::sign_off;

    #[test]
    fn a_sign_off_joins_the_trailers_and_is_not_repeated() {
        let signed = |text: &str| {
            let mut message = text.to_owned();
            sign_off(&mut message, "A <a@x>");
            message
        };
        assert_eq!(signed("fix: it\n"), "fix: it\n\nSigned-off-by: A <a@x>\n");
        assert_eq!(
            signed("fix\n\nDynwf-Packet: p\n"),
            "fix\n\nDynwf-Packet: p\nSigned-off-by: A <a@x>\n"
        );
        assert_eq!(
            signed("fix\n\nSome text: that is not one\nreally\n"),
            "fix\n\nSome text: that is not one\nreally\n\nSigned-off-by: A <a@x>\n"
        );
        let once = signed("fix\n");
        assert_eq!(signed(&once), once);
    }
}
