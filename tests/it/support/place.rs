//! A temporary folder with a home directory, and processes that see nothing else of the machine.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The identity that the user of every test has.
pub(crate) const USER: &str = "Test User";

/// The address of that identity.
pub(crate) const MAIL: &str = "user@example.com";

/// A folder that is removed with the value. Holds `home/` and whatever a test puts beside it.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        // The name holds a space: whatever forgets to quote a path fails in every test, not in a special one.
        let root = tempfile::Builder::new()
            .prefix("dynwf test ")
            .tempdir()
            .expect("a temporary folder can be made");
        let place = Self { root };
        fs::create_dir(place.home()).expect("the home folder can be made");
        fs::write(
            place.home().join(".gitconfig"),
            format!(
                "[user]\n\tname = {USER}\n\temail = {MAIL}\n[init]\n\tdefaultBranch = main\n\
                 [protocol \"file\"]\n\tallow = always\n"
            ),
        )
        .expect("the git configuration can be written");
        place
    }

    /// The folder itself, free of symbolic links, as git reports paths.
    pub(crate) fn path(&self) -> PathBuf {
        self.root
            .path()
            .canonicalize()
            .expect("the folder is there")
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Writes the person's own configuration of dynwf.
    pub(crate) fn user_config(&self, toml: &str) {
        let folder = self.home().join(".config/dynwf");
        fs::create_dir_all(&folder).expect("the configuration folder can be made");
        fs::write(folder.join("config.toml"), toml).expect("the configuration can be written");
    }

    /// A command that inherits nothing but what is named here.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = with_signals(program.as_ref());
        let home = self.home();
        command
            .env_clear()
            .env("PATH", search_path())
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("TERM", "dumb")
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        command
    }
}

/// A command that hears an interrupt even where the suite was started with `nohup` or behind a shell's `&`, which let it be
/// ignored: dynwf honours that, so a test that interrupts it would wait for ever.
fn with_signals(program: &OsStr) -> Command {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The bits of HUP, INT, QUIT and TERM.
    if ignored.unwrap_or(0) & 0x4007 == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program);
    command
}

/// The machine's search path, with the git that the suite is asked to use in front, and the fake agent at the end.
fn search_path() -> std::ffi::OsString {
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let chosen = std::env::var_os("DYNWF_TEST_GIT_PATH");
    let fake = Path::new(env!("CARGO_BIN_EXE_fake-agent"))
        .parent()
        .expect("a program lies in a folder")
        .to_owned();
    let parts = chosen
        .iter()
        .flat_map(std::env::split_paths)
        .chain(std::env::split_paths(&machine))
        .chain([fake]);
    std::env::join_paths(parts).expect("no folder of the search path holds a colon")
}
