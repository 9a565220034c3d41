//! All that belongs to the user, so that a test can say that none of it changed.
//!
//! Left out is what dynwf says that it writes: `.workflow/` at the top, its two lines in `info/exclude`, its own
//! folder and worktrees under the common directory, and the refs under `refs/dynwf/` and `refs/heads/dynwf/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::test_repo::TestRepo;

/// How much of a text a difference shows.
const SHOWN: usize = 400;

/// The user's checkout and repository: the work tree's files with their modes and times, the index, HEAD, the stash,
/// the hooks, the configuration, the refs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    parts: BTreeMap<String, Vec<u8>>,
}

impl Fingerprint {
    pub(super) fn of(repo: &TestRepo) -> Self {
        let mut parts = BTreeMap::new();
        let work_tree = repo.path();
        note_folder(&mut parts, work_tree, "file ", &|name| {
            matches!(name, ".git" | ".workflow")
        });
        let common = repo.common_dir();
        note_folder(&mut parts, &common.join("hooks"), "hook ", &|_| false);
        for name in [
            "HEAD",
            "index",
            "config",
            "config.worktree",
            "info/attributes",
            "info/sparse-checkout",
            "logs/HEAD",
            "logs/refs/stash",
            "FETCH_HEAD",
            "MERGE_HEAD",
            "ORIG_HEAD",
            "shallow",
        ] {
            if let Ok(bytes) = fs::read(common.join(name)) {
                parts.insert(format!("git {name}"), bytes);
            }
        }
        if let Ok(text) = fs::read_to_string(common.join("info/exclude")) {
            let own = |line: &&str| !line.contains("/.workflow/");
            let kept: Vec<&str> = text.lines().filter(own).collect();
            parts.insert("git info/exclude".to_owned(), kept.join("\n").into_bytes());
        }
        // Readable beside the index's bytes: which entry differs.
        let entries = repo.git(["ls-files", "--stage", "-v"]);
        parts.insert("index entries".to_owned(), entries.into_bytes());
        let refs = repo.git(["for-each-ref", "--format=%(refname) %(objectname)"]);
        for (name, id) in refs.lines().filter_map(|line| line.split_once(' ')) {
            let own = ["refs/dynwf/", "refs/heads/dynwf/", "refs/remotes/"];
            if !own.iter().any(|prefix| name.starts_with(prefix)) {
                parts.insert(format!("ref {name}"), id.as_bytes().to_vec());
            }
        }
        Self { parts }
    }

    /// The same without the parts whose name starts with one of these, for a test that changes them on purpose.
    #[must_use]
    pub(crate) fn without(mut self, prefixes: &[&str]) -> Self {
        self.parts
            .retain(|name, _| !prefixes.iter().any(|prefix| name.starts_with(prefix)));
        self
    }

    /// What differs, for people; empty if nothing does.
    pub(crate) fn difference(&self, after: &Self) -> String {
        let mut text = String::new();
        for (name, old) in &self.parts {
            match after.parts.get(name) {
                None => writeln!(text, "{name}: gone"),
                Some(new) if new != old => writeln!(
                    text,
                    "{name}: changed\n  before: {}\n  after:  {}",
                    shown(old),
                    shown(new)
                ),
                Some(_) => Ok(()),
            }
            .expect("writing to a string cannot fail");
        }
        for (name, new) in &after.parts {
            if !self.parts.contains_key(name) {
                writeln!(text, "{name}: new\n  {}", shown(new))
                    .expect("writing to a string cannot fail");
            }
        }
        text
    }

    /// Fails with the difference if there is one.
    #[track_caller]
    pub(crate) fn assert_same(&self, after: &Self) {
        let difference = self.difference(after);
        assert!(
            difference.is_empty(),
            "what is the user's changed:\n{difference}"
        );
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < text.len() { " …" } else { "" };
    format!("{}{more} ({} bytes)", cut.escape_debug(), bytes.len())
}

/// Notes each file below a folder: kind, mode, time of change, content. Names that `skip` takes at the top are left
/// out.
fn note_folder(
    parts: &mut BTreeMap<String, Vec<u8>>,
    folder: &Path,
    prefix: &str,
    skip: &dyn Fn(&str) -> bool,
) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        if skip(&name) {
            continue;
        }
        let path = entry.path();
        let meta = path.symlink_metadata().expect("the entry is there");
        let key = format!("{prefix}{name}");
        if meta.is_dir() {
            parts.insert(format!("{key}/"), mode_of(&meta).into_bytes());
            note_folder(parts, &path, &format!("{key}/"), &|_| false);
            continue;
        }
        let content = if meta.is_symlink() {
            let target = fs::read_link(&path).expect("a link has a target");
            target.into_os_string().into_encoded_bytes()
        } else if meta.is_file() {
            fs::read(&path).expect("the file can be read")
        } else {
            b"special".to_vec()
        };
        let time = format!(" {}.{:09} ", meta.mtime(), meta.mtime_nsec());
        let noted = [mode_of(&meta).as_bytes(), time.as_bytes(), &content].concat();
        parts.insert(key, noted);
    }
}

fn mode_of(meta: &fs::Metadata) -> String {
    format!("{:o}", meta.permissions().mode())
}
