//! Which paths a sandbox shows, and how; as arguments of bubblewrap.
//!
//! One table from path to what lies there, written out parents first, so that what is shown within a hidden
//! folder comes after it. All places in it are free of symbolic links: bubblewrap would follow one that leads
//! out of the new root. A link within a hidden folder is made again, so that a path works as it is written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Result, bail};

/// Places where the machine's users and services keep what is no unit's business: secrets, sockets, other
/// programs' temporary files.
const EMPTY: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/var/run"];

/// What tools keep below the home folder and cannot build without. Never a folder that holds credentials: of
/// cargo, maven and gradle only the parts without.
const TOOLS: [&str; 40] = [
    ".asdf",
    ".bun/bin",
    ".bun/install",
    ".cache/ms-playwright",
    ".cache/pre-commit",
    ".cargo/bin",
    ".cargo/config",
    ".cargo/config.toml",
    ".cargo/env",
    ".cargo/git",
    ".cargo/registry",
    ".config/git/attributes",
    ".config/git/ignore",
    ".deno/bin",
    ".elan",
    ".ghcup",
    ".gradle/caches",
    ".gradle/wrapper",
    ".jenv",
    ".local/bin",
    ".local/lib",
    ".local/pipx",
    ".local/share/fnm",
    ".local/share/mise",
    ".local/share/pipx",
    ".local/share/pnpm",
    ".local/share/uv",
    ".m2/repository",
    ".m2/wrapper",
    ".npm",
    ".nvm",
    ".opam",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".sdkman/candidates",
    ".volta",
    "go/bin",
    "go/pkg",
    "sdk",
];

/// How many links a path may lead over.
const LINKS: usize = 40;

/// How a path is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Read,
    Write,
}

/// What lies at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mount {
    /// An empty folder, writable, gone with the unit.
    Empty,
    /// A folder that the machine does not have, in an empty one.
    Made,
    /// An empty folder that nothing can be written into.
    Sealed,
    /// A file in which there is nothing.
    Nothing,
    /// What lies there on the machine.
    Shown(Show),
    /// This file or folder of the machine, read-only.
    From(PathBuf),
    /// A symbolic link.
    Link(PathBuf),
}

/// The table.
pub(super) struct Mounts {
    at: BTreeMap<PathBuf, Mount>,
    home: Option<PathBuf>,
}

impl Mounts {
    /// `/`, read-only, with the usual places empty.
    pub(super) fn new(home: Option<&Path>) -> Self {
        let mut mounts = Self {
            at: BTreeMap::from([(PathBuf::from("/"), Mount::Shown(Show::Read))]),
            home: home
                .and_then(|home| home.canonicalize().ok())
                .filter(|home| home.is_dir() && home.parent().is_some()),
        };
        let places = EMPTY.iter().map(PathBuf::from);
        for place in places.chain(mounts.home.clone()) {
            mounts.hide(&place);
        }
        // Names are looked up by a file that often lies in `/run`.
        mounts.show(Path::new("/etc/resolv.conf"), Show::Read);
        mounts
    }

    /// Makes a folder that the machine does not have, where something can be made.
    pub(super) fn make(&mut self, folder: &Path) {
        if !folder.exists() && matches!(self.around(folder), Some(Mount::Empty)) {
            self.at.insert(folder.to_owned(), Mount::Made);
        }
    }

    /// Shows the tool caches below the home folder and the folders of `path` (a PATH value).
    pub(super) fn show_tools(&mut self, path: &str) {
        if let Some(home) = self.home.clone() {
            for tool in TOOLS {
                self.show(&home.join(tool), Show::Read);
            }
        }
        for entry in path.split(':').filter(|entry| entry.starts_with('/')) {
            let Ok(real) = Path::new(entry).canonicalize() else {
                continue;
            };
            if !self.holds_home(&real) {
                self.show(Path::new(entry), Show::Read);
                self.show_beside_bin(&real);
                // A package manager's folder of links to the packages beside it.
                if let Some(packages) = packages_of(&real) {
                    self.show(&packages, Show::Read);
                }
            }
        }
    }

    /// Shows a program and what it cannot run without: the links that lead to it, the folder that it lies in,
    /// the packages around it, and its interpreter.
    pub(super) fn show_program(&mut self, program: &Path) {
        let mut next = Some(program.to_owned());
        // A script's interpreter may be a script.
        for _ in 0..3 {
            let Some(program) = next.take() else { return };
            let Some(real) = self.show(&program, Show::Read) else {
                return;
            };
            let tree = tree_of(&real).filter(|tree| !self.holds_home(tree));
            if let Some(tree) = tree {
                self.show(&tree, Show::Read);
                self.show_beside_bin(&tree);
            }
            next = interpreter(&real);
        }
    }

    /// What programs in a `bin` folder look for in its neighbours.
    fn show_beside_bin(&mut self, bin: &Path) {
        let Some(around) = bin.parent().filter(|_| bin.ends_with("bin")) else {
            return;
        };
        if self.holds_home(around) {
            return;
        }
        if around.join("pyvenv.cfg").exists() {
            self.show(around, Show::Read);
        }
        for name in ["lib", "libexec"] {
            self.show(&around.join(name), Show::Read);
        }
    }

    /// Shows a repository's common directory and the object stores that it borrows from.
    pub(super) fn show_repository(&mut self, common: &Path) {
        self.show(common, Show::Read);
        let mut stores = vec![common.join("objects")];
        // Stores may borrow in turn; git itself follows five times.
        for _ in 0..5 {
            stores = stores.iter().flat_map(|store| borrowed(store)).collect();
            for store in &stores {
                self.show(store, Show::Read);
            }
        }
    }

    /// Puts nothing in the place of a folder or file; does nothing where there is none.
    pub(super) fn hide(&mut self, path: &Path) {
        let Ok(real) = path.canonicalize() else {
            return;
        };
        let mount = if real.is_dir() {
            Mount::Empty
        } else {
            Mount::Nothing
        };
        self.at.insert(real, mount);
    }

    /// Where a folder is not shown, has writing into it refused instead of lost.
    pub(super) fn seal(&mut self, folder: &Path) {
        if let Ok(real) = folder.canonicalize()
            && !self.holds_home(&real)
            && matches!(self.around(&real), Some(Mount::Empty))
        {
            self.at.entry(real).or_insert(Mount::Sealed);
        }
    }

    /// Shows a path, and returns where it leads; `None` if there is nothing.
    pub(super) fn show(&mut self, path: &Path, how: Show) -> Option<PathBuf> {
        let mut done = PathBuf::from("/");
        let mut rest = parts(path);
        let mut links = 0;
        let mut seen = Vec::new();
        while let Some(part) = rest.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            let next = done.join(part);
            if !next.symlink_metadata().ok()?.is_symlink() {
                done = next;
                continue;
            }
            links += 1;
            if links > LINKS {
                return None;
            }
            let target = fs::read_link(&next).ok()?;
            if target.is_absolute() {
                done = PathBuf::from("/");
            }
            rest.extend(parts(&target));
            seen.push((next, target));
        }
        for (place, target) in seen {
            self.at.entry(place).or_insert(Mount::Link(target));
        }
        let known = self.at.get(&done);
        if how == Show::Write || known != Some(&Mount::Shown(Show::Write)) {
            self.at.insert(done.clone(), Mount::Shown(how));
        }
        Some(done)
    }

    /// Puts a file of the machine in another place, read-only.
    pub(super) fn put(&mut self, from: &Path, at: &Path) {
        let folder = at.parent().and_then(|folder| match self.at.get(folder) {
            Some(Mount::Made) => Some(folder.to_owned()),
            _ => folder.canonicalize().ok(),
        });
        if let (Some(folder), Some(name)) = (folder, at.file_name()) {
            self.at
                .insert(folder.join(name), Mount::From(from.to_owned()));
        }
    }

    fn holds_home(&self, folder: &Path) -> bool {
        self.home
            .as_deref()
            .is_some_and(|home| home.starts_with(folder))
    }

    /// What the nearest folder above a place is.
    fn around(&self, place: &Path) -> Option<&Mount> {
        place
            .ancestors()
            .skip(1)
            .find_map(|above| self.at.get(above))
    }

    /// Whether a place is as wanted without a mount of its own.
    fn is_there_anyway(&self, place: &Path, mount: &Mount) -> bool {
        match (self.around(place), mount) {
            (Some(Mount::Empty), Mount::Empty | Mount::Nothing)
            | (Some(Mount::Shown(_)), Mount::Link(_)) => true,
            (Some(Mount::Shown(around)), Mount::Shown(wanted)) => around == wanted,
            _ => false,
        }
    }

    /// The arguments of bubblewrap.
    pub(super) fn arguments(&self) -> Result<Vec<String>> {
        let mut arguments = Vec::new();
        let mut add = |option: &str, operands: &[&Path]| -> Result<()> {
            arguments.push(option.to_owned());
            for operand in operands {
                arguments.push(text(operand)?);
            }
            Ok(())
        };
        for (place, mount) in &self.at {
            if self.is_there_anyway(place, mount) {
                continue;
            }
            match mount {
                Mount::Empty | Mount::Sealed => add("--tmpfs", &[place])?,
                Mount::Made => add("--dir", &[place])?,
                Mount::Shown(Show::Read) => add("--ro-bind", &[place, place])?,
                Mount::Shown(Show::Write) => add("--bind", &[place, place])?,
                Mount::Nothing => add("--ro-bind", &[Path::new("/dev/null"), place])?,
                Mount::From(source) => add("--ro-bind", &[source, place])?,
                Mount::Link(target) => add("--symlink", &[target, place])?,
            }
            if place.parent().is_none() {
                add("--dev", &[Path::new("/dev")])?;
                add("--proc", &[Path::new("/proc")])?;
            }
        }
        // Last, when all that lies in them has its place.
        for (place, mount) in &self.at {
            if *mount == Mount::Sealed {
                add("--remount-ro", &[place])?;
            }
        }
        Ok(arguments)
    }
}

/// A path as an argument.
pub(super) fn text(path: &Path) -> Result<String> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("the path {} is not UTF-8", path.display()),
    }
}

/// The names in a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    let mut names: Vec<OsString> = names.collect();
    names.reverse();
    names
}

/// The folder that a program needs around it: all packages that it was installed with, else its own folder.
fn tree_of(program: &Path) -> Option<PathBuf> {
    packages_of(program).or_else(|| program.parent().map(Path::to_owned))
}

/// The outermost folder of packages that a path lies in.
fn packages_of(path: &Path) -> Option<PathBuf> {
    let packages = path
        .ancestors()
        .filter(|above| above.ends_with("node_modules"));
    packages.last().map(Path::to_owned)
}

/// The program that a script names in its first line.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    let file = fs::File::open(script).ok()?;
    file.take(256).read_to_end(&mut start).ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = std::str::from_utf8(line).ok()?;
    let program = line.split_ascii_whitespace().next()?;
    program.starts_with('/').then(|| PathBuf::from(program))
}

/// The object stores that one borrows from.
fn borrowed(store: &Path) -> Vec<PathBuf> {
    let list = fs::read_to_string(store.join("info/alternates")).unwrap_or_default();
    list.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| store.join(line))
        .collect()
}
