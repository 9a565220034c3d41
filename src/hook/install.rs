//! Putting the hook in its place, looking whether it is still there, and taking it away.
//!
//! The hook that was there before becomes `pre-push.dynwf-prev` beside ours, which calls it. At no moment is the
//! place empty. What was installed is recorded in `<common>/dynwf/hooks.json`, so that a change by somebody else
//! is seen. Doing any of this again, or after a kill half-way, ends in the same state.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::place::Place;
use crate::error::Failure;
use crate::git::Git;

/// The hook's text, with a place for the program.
const TEXT: &str = include_str!("../../hooks/pre-push");

/// What stands in the text for the program.
const PROGRAM: &str = "'@DYNWF@'";

/// By this line a hook is known as ours, of whatever version.
const MARK: &str = "# dynwf pre-push: ";

/// The name under which the hook from before is kept.
const BEFORE: &str = "pre-push.dynwf-prev";

/// What was written where.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    hook: PathBuf,
    sha256: String,
    made_folder: bool,
}

/// What an install or uninstall did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The hook's file.
    pub hook: PathBuf,
    /// Whether anything was changed.
    pub changed: bool,
    /// Whether a hook that was there before is called first (after an uninstall: was put back).
    pub chained: bool,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// How the hook stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As it was installed.
    Installed,
    /// Not installed.
    Absent,
    /// Installed once, and no longer as it was: this is what differs.
    Changed(String),
}

/// The hook of a repository, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where git looks for it.
    pub hook: PathBuf,
    /// How it stands.
    pub state: State,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Installs the hook, which will call `program` (an absolute path to dynwf).
///
/// # Errors
/// A usage [`Failure`] where the hooks folder is shared or part of the project, cannot be written, or holds
/// something that cannot be put aside.
pub fn install(git: &Git, program: &Path) -> Result<Installed> {
    let place = Place::of(git)?;
    place.check(git)?;
    let text = text_for(program)?;
    let hook = place.hook();
    let before = place.folder.join(BEFORE);
    let known = Record::read(git)?;
    let made_folder = !place.folder.is_dir();
    if made_folder {
        fs::create_dir_all(&place.folder).map_err(|error| not_ours(error, &place.folder))?;
    }
    let changed = match Found::at(&hook)? {
        Found::Ours(found) if found == text.as_bytes() && is_executable(&hook) => false,
        Found::Ours(found) => {
            refuse_edited(&hook, &found, known.as_ref())?;
            write_hook(&hook, &text)?;
            true
        }
        Found::Nothing => {
            write_hook(&hook, &text)?;
            true
        }
        Found::Other => {
            keep(&hook, &before)?;
            write_hook(&hook, &text)?;
            true
        }
    };
    Record {
        made_folder: made_folder
            || known.is_some_and(|known| known.made_folder && known.hook == hook),
        sha256: sha256(text.as_bytes()),
        hook: hook.clone(),
    }
    .write(git)?;
    let chained = fs::symlink_metadata(&before).is_ok();
    Ok(Installed {
        hook,
        changed,
        chained,
        notes: place.notes(),
    })
}

/// Takes the hook away and puts back what was there before.
///
/// # Errors
/// A usage [`Failure`] if somebody has changed the hook since, or the folder cannot be written.
pub fn uninstall(git: &Git) -> Result<Installed> {
    let known = Record::read(git)?;
    let place = Place::of(git)?;
    let hook = known
        .as_ref()
        .map_or_else(|| place.hook(), |known| known.hook.clone());
    let folder = hook.parent().unwrap_or(&place.folder).to_path_buf();
    let before = folder.join(BEFORE);
    let kept = fs::symlink_metadata(&before).is_ok();
    let found = Found::at(&hook)?;
    let mut notes = Vec::new();
    let changed = match &found {
        Found::Other => {
            if kept {
                notes.push(format!(
                    "{} is not dynwf's and stays; the hook from before is still {}",
                    hook.display(),
                    before.display()
                ));
            }
            false
        }
        Found::Nothing if !kept => false,
        Found::Ours(_) | Found::Nothing => {
            if let Found::Ours(bytes) = &found {
                refuse_edited(&hook, bytes, known.as_ref())?;
            }
            let done = if kept {
                fs::rename(&before, &hook)
            } else {
                fs::remove_file(&hook)
            };
            done.map_err(|error| not_ours(error, &hook))?;
            sync(&folder)?;
            true
        }
    };
    if known.is_some_and(|known| known.made_folder) {
        // Only if nobody has put anything there since.
        let _ = fs::remove_dir(&folder);
    }
    Record::remove(git)?;
    Ok(Installed {
        hook,
        changed,
        chained: changed && kept,
        notes,
    })
}

/// Looks how the hook stands. Changes nothing.
///
/// # Errors
/// If git's configuration or the files cannot be read.
pub fn status(git: &Git) -> Result<Status> {
    let place = Place::of(git)?;
    let hook = place.hook();
    let known = Record::read(git)?;
    let found = Found::at(&hook)?;
    let state = match (&found, &known) {
        (_, Some(known)) if known.hook != hook => State::Changed(format!(
            "it was installed as {}, where git no longer looks",
            known.hook.display()
        )),
        (Found::Ours(bytes), Some(known)) if sha256(bytes) != known.sha256 => {
            State::Changed("its text is not what was installed".to_owned())
        }
        (Found::Ours(_), _) if !is_executable(&hook) => {
            State::Changed("it is not executable, so git does not run it".to_owned())
        }
        (Found::Ours(bytes), _) => match program_of(bytes) {
            Some(program) if !is_executable(&program) => State::Changed(format!(
                "it calls {}, which is gone: nothing can be pushed",
                program.display()
            )),
            _ => State::Installed,
        },
        (Found::Other, Some(_)) => State::Changed("another hook has taken its place".to_owned()),
        (Found::Nothing, Some(_)) => State::Changed("it is gone".to_owned()),
        (Found::Other | Found::Nothing, None) => State::Absent,
    };
    Ok(Status {
        hook,
        state,
        notes: place.notes(),
    })
}

/// What lies in the hook's place.
enum Found {
    Nothing,
    Ours(Vec<u8>),
    Other,
}

impl Found {
    fn at(hook: &Path) -> Result<Self> {
        let reading = || format!("reading {}", hook.display());
        match fs::symlink_metadata(hook) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Nothing),
            Err(error) => Err(error).with_context(reading),
            Ok(meta) if meta.is_file() => {
                let bytes = fs::read(hook).with_context(reading)?;
                let ours = String::from_utf8_lossy(&bytes)
                    .lines()
                    .take(3)
                    .any(|line| line.starts_with(MARK));
                Ok(if ours { Self::Ours(bytes) } else { Self::Other })
            }
            Ok(meta) if meta.is_symlink() => Ok(Self::Other),
            Ok(_) => bail!(
                Failure::usage(format!("{} is neither a file nor a link", hook.display()))
                    .hint("move it away: with it in place, git hangs when it pushes")
            ),
        }
    }
}

/// Gives the hook from before its second name. Ours then takes the first one in one step.
fn keep(hook: &Path, before: &Path) -> Result<()> {
    match fs::hard_link(hook, before) {
        Ok(()) => sync(before.parent().unwrap_or(hook)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let same = fs::symlink_metadata(hook)
                .and_then(|a| Ok((a, fs::symlink_metadata(before)?)))
                .is_ok_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()));
            if same {
                return Ok(());
            }
            bail!(
                Failure::usage(format!(
                    "there are two hooks from before: {} and {}",
                    hook.display(),
                    before.display()
                ))
                .hint("another tool replaced dynwf's hook: put what is to run into the first, remove the second")
            )
        }
        Err(error) => Err(not_ours(error, before)),
    }
}

fn write_hook(hook: &Path, text: &str) -> Result<()> {
    let folder = hook.parent().unwrap_or_else(|| Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".dynwf-")
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o755))?;
        file.as_file().sync_all()?;
        file.persist(hook)?;
        Ok(())
    };
    write().map_err(|error| not_ours(error, hook))?;
    sync(folder)
}

/// A hook of ours that is not as it was installed holds somebody's work.
fn refuse_edited(hook: &Path, found: &[u8], known: Option<&Record>) -> Result<()> {
    match known {
        Some(known) if known.hook == hook && known.sha256 != sha256(found) => bail!(
            Failure::usage(format!(
                "{} was changed since dynwf installed it",
                hook.display()
            ))
            .hint("move your changes to another hook, remove this file, and run the command again")
        ),
        _ => Ok(()),
    }
}

fn text_for(program: &Path) -> Result<String> {
    let path = program
        .to_str()
        .filter(|path| program.is_absolute() && !path.contains('\n'));
    let Some(path) = path else {
        bail!(
            Failure::usage(format!(
                "the hook cannot call dynwf as {}",
                program.display()
            ))
            .hint("install dynwf where its absolute path is ordinary text")
        );
    };
    Ok(TEXT.replace(PROGRAM, &format!("'{}'", path.replace('\'', "'\\''"))))
}

/// The program that a hook of ours calls.
fn program_of(hook: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(hook).ok()?;
    let quoted = text.lines().find_map(|line| line.strip_prefix("dynwf='"))?;
    Some(PathBuf::from(
        quoted.strip_suffix('\'')?.replace("'\\''", "'"),
    ))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

fn sync(folder: &Path) -> Result<()> {
    fs::File::open(folder)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("syncing {}", folder.display()))
}

fn not_ours(error: io::Error, path: &Path) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Failure::usage(format!("cannot write {}: {error}", path.display()))
                .hint("make the hooks folder writable, or have its owner run: dynwf hooks install")
                .into()
        }
        _ => anyhow::Error::new(error).context(format!("writing {}", path.display())),
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

impl Record {
    fn path(git: &Git) -> PathBuf {
        git.common_dir().join("dynwf").join("hooks.json")
    }

    /// What was recorded; a record that cannot be read counts as none.
    fn read(git: &Git) -> Result<Option<Self>> {
        let path = Self::path(git);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    fn write(&self, git: &Git) -> Result<()> {
        let path = Self::path(git);
        let text = serde_json::to_vec(self).context("putting the hook's record into words")?;
        if fs::read(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| not_ours(error, &path))?;
        sync(folder)
    }

    fn remove(git: &Git) -> Result<()> {
        let path = Self::path(git);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(not_ours(error, &path)),
            _ => Ok(()),
        }
    }
}
