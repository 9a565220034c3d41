//! The sandbox of a unit: what of the machine it sees, and what it may write.
//!
//! Bubblewrap draws the view: everything read-only, the places where people keep secrets and sockets covered by
//! empty ones, and a few paths shown again. Plain data and a command line; who decides what a unit sees is
//! `runner::confine`. Invariants: nothing that is covered is shown but by name; later rules win over earlier ones,
//! and the workspace comes after everything that could cover it; the unit has process numbers of its own, so that
//! the death of its first process is the death of all.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What keeps units in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bubblewrap.
    Bubblewrap,
    /// Nothing.
    None,
}

impl Kind {
    /// Returns the word for it, as `status` says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bubblewrap",
            Self::None => "none",
        }
    }
}

/// The program, looked up in `PATH`.
const PROGRAM: &str = "bwrap";

/// Returns the best sandbox that works here. Tried once, for real: where user namespaces are switched off the
/// program is there and does not work.
pub fn available() -> Kind {
    static FOUND: OnceLock<Kind> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let works = Command::new(PROGRAM)
            .args(NAMESPACES)
            .args([
                "--ro-bind",
                "/",
                "/",
                "--dev",
                "/dev",
                "--proc",
                "/proc",
                "true",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if works { Kind::Bubblewrap } else { Kind::None }
    })
}

/// Namespaces and powers of a unit: its own processes, users and names, no terminal, no power over the machine.
const NAMESPACES: [&str; 8] = [
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--new-session",
    "--cap-drop",
    "ALL",
];

/// What a unit sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Folders that are covered by empty ones of the unit's own: the temporary ones, those with sockets.
    pub cover: Vec<PathBuf>,
    /// Folders that the unit sees in the place of others, and may write: its home, copies of configuration.
    pub place: Vec<(PathBuf, PathBuf)>,
    /// Paths that are shown again, read-only, where they exist.
    pub read: Vec<PathBuf>,
    /// Files that are hidden although what holds them is shown: credentials in tool caches.
    pub hide: Vec<PathBuf>,
    /// Folders that are covered after that: what dynwf itself keeps in the repository.
    pub cover_again: Vec<PathBuf>,
    /// Paths that the unit may write.
    pub write: Vec<PathBuf>,
    /// A file that is seen, read-only, in the place of another: the `.git` file of the workspace.
    pub file: Option<(PathBuf, PathBuf)>,
    /// Where the unit starts.
    pub cwd: PathBuf,
    /// Whether it reaches the network.
    pub network: bool,
}

impl Sandbox {
    /// Returns the command line that runs `argv` in the sandbox. The environment is handed through.
    pub fn wrap(&self, argv: &[String]) -> Vec<String> {
        let mut line = Line(vec![PROGRAM.to_owned()]);
        line.words(&NAMESPACES);
        if !self.network {
            line.words(&["--unshare-net"]);
        }
        line.words(&["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]);
        for folder in &self.cover {
            line.path(&["--tmpfs"], folder);
        }
        for (from, at) in &self.place {
            line.bind("--bind", from, at);
        }
        for path in &self.read {
            line.bind("--ro-bind-try", path, path);
        }
        for file in &self.hide {
            line.bind("--ro-bind", Path::new("/dev/null"), file);
        }
        for folder in &self.cover_again {
            line.path(&["--tmpfs"], folder);
        }
        for path in &self.write {
            line.bind("--bind", path, path);
        }
        if let Some((from, at)) = &self.file {
            line.bind("--ro-bind", from, at);
        }
        line.path(&["--chdir"], &self.cwd);
        line.words(&["--"]);
        line.0.extend(argv.iter().cloned());
        line.0
    }
}

struct Line(Vec<String>);

impl Line {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|&word| word.to_owned()));
    }

    fn path(&mut self, words: &[&str], path: &Path) {
        self.words(words);
        self.0.push(path.to_string_lossy().into_owned());
    }

    fn bind(&mut self, how: &str, from: &Path, at: &Path) {
        self.path(&[how], from);
        self.path(&[], at);
    }
}
