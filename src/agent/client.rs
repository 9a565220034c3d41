//! Which clients are installed: programs on PATH, the real program behind a launcher, versions.
//!
//! Nothing is started here: `runner` asks a client for its version and hands the words to [`version`]. Called by
//! `runner` and by `dynwf agents list`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Returns the program file that a name stands for: a path as it is, a name by its first hit on `path` (a PATH
/// value; relative entries do not count). Nothing if there is no such executable file.
pub fn find(program: &str, path: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|file| is_program(file));
    }
    path.split(':')
        .filter(|entry| entry.starts_with('/'))
        .map(|entry| Path::new(entry).join(program))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Returns the program that really runs when this one is started. Codex comes with a launcher in JavaScript that
/// stays as a second process on old versions of node, and whose death the real program survives; so that one is
/// started directly. Every other program stands for itself.
pub fn behind(program: &Path) -> PathBuf {
    native_codex(program).unwrap_or_else(|| program.to_owned())
}

fn native_codex(program: &Path) -> Option<PathBuf> {
    let launcher = program.canonicalize().ok()?;
    let package = launcher.parent()?.parent()?;
    if !package.ends_with("@openai/codex") || !launcher.ends_with("bin/codex.js") {
        return None;
    }
    let (architecture, node) = match std::env::consts::ARCH {
        "x86_64" => ("x86_64", "x64"),
        "aarch64" => ("aarch64", "arm64"),
        _ => return None,
    };
    let system = if cfg!(target_os = "macos") {
        ("darwin", "apple-darwin")
    } else {
        ("linux", "unknown-linux-musl")
    };
    let dependency = format!("codex-{}-{node}", system.0);
    let vendored = format!("vendor/{architecture}-{}", system.1);
    let homes = [
        package.with_file_name(&dependency),
        package.join("node_modules/@openai").join(&dependency),
        package.to_owned(),
    ];
    let places = ["bin/codex", "codex/codex"];
    homes
        .iter()
        .flat_map(|home| places.iter().map(move |place| (home, place)))
        .map(|(home, place)| home.join(&vendored).join(place))
        .find(|file| is_program(file))
}

/// Returns the version in what a client printed for `--version`: the first word that is dotted numbers, with what
/// hangs on it (`0.170.0-alpha.3`).
pub fn version(printed: &str) -> Option<&str> {
    printed
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')'))
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| {
            let mut parts = word.split('.');
            let number = |part: Option<&str>| {
                part.is_some_and(|part| {
                    !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
                })
            };
            number(parts.next()) && number(parts.next()) && parts.next().is_some()
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn program(file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_name_is_the_first_program_on_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        program(&b.join("pi"));
        fs::create_dir_all(a.join("pi")).unwrap();
        fs::write(a.join("claude"), "no program").unwrap();
        let path = format!("rel:{}:{}", a.display(), b.display());
        assert_eq!(find("pi", &path), Some(b.join("pi")));
        assert_eq!(find("claude", &path), None);
        let full = b.join("pi").display().to_string();
        assert_eq!(find(&full, ""), Some(b.join("pi")));
        assert_eq!(find("./pi", &path), None);
    }

    #[test]
    fn the_launcher_of_codex_stands_for_the_program_behind_it() {
        if !matches!(std::env::consts::ARCH, "x86_64" | "aarch64") || !cfg!(target_os = "linux") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let modules = root.join("node_modules");
        let launcher = modules.join("@openai/codex/bin/codex.js");
        program(&launcher);
        fs::create_dir_all(modules.join(".bin")).unwrap();
        let link = modules.join(".bin/codex");
        symlink(&launcher, &link).unwrap();
        assert_eq!(behind(&link), link, "nothing behind it");
        let node = if cfg!(target_arch = "x86_64") {
            "x64"
        } else {
            "arm64"
        };
        let native = modules.join(format!(
            "@openai/codex-linux-{node}/vendor/{}-unknown-linux-musl/bin/codex",
            std::env::consts::ARCH
        ));
        program(&native);
        assert_eq!(behind(&link), native);
        assert_eq!(behind(&native), native);
    }

    #[test]
    fn versions_are_dotted_numbers() {
        assert_eq!(version("codex-cli 0.169.0\n"), Some("0.169.0"));
        assert_eq!(version("2.1.330 (Claude Code)"), Some("2.1.330"));
        assert_eq!(version("v0.87.1"), Some("0.87.1"));
        assert_eq!(version("x 1.2.3-alpha.1, built"), Some("1.2.3-alpha.1"));
        assert_eq!(version("no version: 12 or 1.5"), None);
    }
}
