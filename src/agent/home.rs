//! A client's configuration folder as a copy that one packet has to itself.
//!
//! Several clients at once in one folder overwrite each other's state, and a client in a sandbox must not change
//! the person's. So the folder is copied without transcripts and caches, and afterwards only credentials that
//! the client refreshed go back, by name, if they look like what was there. Called by `runner`.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;
use serde_json::Value;

use super::ClientHome;

/// The largest folder that is copied, in bytes: configuration is small, and what is not is something else.
const LARGEST: u64 = 64 << 20;

/// The largest file of credentials.
const CREDENTIALS: u64 = 1 << 20;

/// A client's folder and its copy.
#[derive(Clone, Debug)]
pub struct ClientCopy<'a> {
    /// What the client keeps where.
    pub client: &'a ClientHome,
    /// The person's folder for the client.
    pub from: PathBuf,
    /// Where the files are that the client keeps beside its folder.
    pub beside: Option<PathBuf>,
    /// The copy.
    pub to: PathBuf,
}

impl<'a> ClientCopy<'a> {
    /// The copy in `to` of the folder that the client uses: `config_dir` (which may begin with `~/`), else what its
    /// variable says in dynwf's environment (`named`), else the usual one below `home`.
    pub fn new(
        client: &'a ClientHome,
        config_dir: Option<&str>,
        named: Option<&str>,
        home: &Path,
        to: PathBuf,
    ) -> Self {
        let own = config_dir.or(named).filter(|folder| !folder.is_empty());
        match own {
            Some(folder) => Self {
                client,
                from: match folder.strip_prefix("~/") {
                    Some(below) => home.join(below),
                    None => PathBuf::from(folder),
                },
                beside: None,
                to,
            },
            None => Self {
                client,
                from: home.join(client.folder),
                beside: home.join(client.folder).parent().map(Path::to_owned),
                to,
            },
        }
    }

    /// Makes the copy, or, where it is there, brings in credentials that were renewed outside since.
    ///
    /// # Errors
    /// If the folder cannot be read or the copy not be written.
    pub fn take(&self) -> Result<()> {
        if self.to.is_dir() {
            return self.renew();
        }
        let mut fresh = self.to.clone().into_os_string();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        if fresh.exists() {
            fs::remove_dir_all(&fresh).with_context(|| format!("removing {}", fresh.display()))?;
        }
        make_folder(&fresh)?;
        let mut left = LARGEST;
        copy_tree(&self.from, &fresh, self.client.leave, &mut left)
            .with_context(|| format!("copying {}", self.from.display()))?;
        for name in self.client.beside {
            if let Some(folder) = &self.beside {
                copy_file(&folder.join(name), &fresh.join(name), &mut left)?;
            }
        }
        self.remember(&fresh)?;
        fs::rename(&fresh, &self.to).with_context(|| format!("making {}", self.to.display()))
    }

    /// Gives refreshed credentials back: a plain JSON file with the same keys as before, whose original nobody
    /// changed since it was taken. Anything else stays in the copy.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn give_back(&self) -> Result<()> {
        for name in self.client.refreshed {
            let (own, copy) = (self.from.join(name), self.to.join(name));
            let (Some(taken), Some(now)) = (plain(&self.taken(name)), plain(&copy)) else {
                continue;
            };
            let unchanged = plain(&own).is_some_and(|own| own == taken);
            if now == taken || !unchanged || !alike(&taken, &now) {
                continue;
            }
            // Where the original is a link, what it leads to is renewed.
            let own = own.canonicalize().unwrap_or(own);
            write_private(&own, &now)?;
            write_private(&self.taken(name), &now)?;
        }
        Ok(())
    }

    fn renew(&self) -> Result<()> {
        for name in self.client.refreshed {
            let Some(own) = plain(&self.from.join(name)) else {
                continue;
            };
            if plain(&self.taken(name)).is_none_or(|taken| taken != own) {
                write_private(&self.to.join(name), &own)?;
                write_private(&self.taken(name), &own)?;
            }
        }
        Ok(())
    }

    /// Where the credentials lie as they were taken: beside the copy, where the client does not get at them.
    fn taken(&self, name: &str) -> PathBuf {
        let mut path = self.to.clone().into_os_string();
        path.push(".taken-");
        path.push(name);
        PathBuf::from(path)
    }

    fn remember(&self, fresh: &Path) -> Result<()> {
        for name in self.client.refreshed {
            if let Some(bytes) = plain(&fresh.join(name)) {
                write_private(&self.taken(name), &bytes)?;
            }
        }
        Ok(())
    }
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("making {} private", path.display()))
}

/// Copies files and folders; links are copied as what they lead to, as far as that is a file.
fn copy_tree(from: &Path, to: &Path, leave: &[&str], left: &mut u64) -> Result<()> {
    let Ok(entries) = fs::read_dir(from) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if leave.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let target = to.join(&name);
        let kind = entry.file_type();
        if kind.is_ok_and(|kind| kind.is_dir()) {
            make_folder(&target)?;
            copy_tree(&entry.path(), &target, &[], left)?;
        } else {
            copy_file(&entry.path(), &target, left)?;
        }
    }
    Ok(())
}

/// Copies a file while there is room; one that cannot be read is left out, the client will say what it misses.
fn copy_file(from: &Path, to: &Path, left: &mut u64) -> Result<()> {
    let Ok(meta) = from.metadata() else {
        return Ok(());
    };
    if !meta.is_file() || meta.len() > *left {
        return Ok(());
    }
    *left -= meta.len();
    let Ok(bytes) = fs::read(from) else {
        return Ok(());
    };
    write_private(to, &bytes)?;
    fs::set_permissions(
        to,
        fs::Permissions::from_mode(meta.permissions().mode() & 0o700),
    )
    .with_context(|| format!("setting the rights of {}", to.display()))
}

/// A small file's bytes; nothing if it is not there. The last name of a path in a copy may be a link by now.
fn plain(path: &Path) -> Option<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(flags).open(path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > CREDENTIALS {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(CREDENTIALS).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether both are JSON objects with the same keys.
fn alike(old: &[u8], new: &[u8]) -> bool {
    let keys = |bytes: &[u8]| match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Some(map.keys().cloned().collect::<Vec<_>>()),
        _ => None,
    };
    let old = keys(old);
    old.is_some() && old == keys(new)
}

/// Writes a file that only its owner reads, in one step.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("writing in {}", folder.display()))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .with_context(|| format!("writing {}", path.display()))?;
    file.persist(path)
        .with_context(|| format!("replacing {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientHome = ClientHome {
        variable: "X_HOME",
        folder: ".x",
        beside: &[".x.json"],
        leave: &["sessions"],
        refreshed: &["auth.json"],
    };

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn copy(home: &Path) -> ClientCopy<'static> {
        ClientCopy::new(&CLIENT, None, None, home, home.join("copies/x"))
    }

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        write(&home.path().join(".x/auth.json"), r#"{"token":"old"}"#);
        write(&home.path().join(".x/config.toml"), "a = 1");
        write(&home.path().join(".x/sessions/1"), "long");
        write(&home.path().join(".x.json"), "{}");
        fs::create_dir(home.path().join("copies")).unwrap();
        home
    }

    #[test]
    fn a_copy_has_what_a_client_needs_and_no_transcripts() {
        let home = home();
        let copy = copy(home.path());
        copy.take().unwrap();
        for name in ["auth.json", "config.toml", ".x.json"] {
            assert!(copy.to.join(name).is_file(), "{name}");
        }
        assert!(!copy.to.join("sessions").exists());
    }

    #[test]
    fn refreshed_credentials_go_back_and_nothing_else() {
        let home = home();
        let copy = copy(home.path());
        let own = || fs::read_to_string(home.path().join(".x/auth.json")).unwrap();
        copy.take().unwrap();
        write(&copy.to.join("config.toml"), "a = 2");
        write(&copy.to.join("auth.json"), r#"{"evil":"new"}"#);
        copy.give_back().unwrap();
        assert_eq!(own(), r#"{"token":"old"}"#);
        fs::remove_file(copy.to.join("auth.json")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", copy.to.join("auth.json")).unwrap();
        copy.give_back().unwrap();
        assert_eq!(own(), r#"{"token":"old"}"#);
        fs::remove_file(copy.to.join("auth.json")).unwrap();
        write(&copy.to.join("auth.json"), r#"{"token":"new"}"#);
        copy.give_back().unwrap();
        assert_eq!(own(), r#"{"token":"new"}"#);
        let config = home.path().join(".x/config.toml");
        assert_eq!(fs::read_to_string(config).unwrap(), "a = 1");
    }

    #[test]
    fn what_was_renewed_outside_wins() {
        let home = home();
        let copy = copy(home.path());
        copy.take().unwrap();
        let own = home.path().join(".x/auth.json");
        write(&own, r#"{"token":"outside"}"#);
        write(&copy.to.join("auth.json"), r#"{"token":"inside"}"#);
        copy.give_back().unwrap();
        assert_eq!(fs::read_to_string(&own).unwrap(), r#"{"token":"outside"}"#);
        copy.take().unwrap();
        let taken = fs::read_to_string(copy.to.join("auth.json")).unwrap();
        assert_eq!(taken, r#"{"token":"outside"}"#);
    }
}
