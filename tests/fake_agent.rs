//! A scripted agent for the tests: it does exactly what its steps say, the good and the bad.
//!
//! `fake-agent STEP…` takes one step per argument, `fake-agent --script FILE` one step per line (empty lines and
//! lines that start with `#` are skipped). A step is a word and its text; the first text of a step that takes two
//! may be quoted with `"…"` when it holds spaces; `\n`, `\t`, `\\` and `\"` stand for themselves. Relative paths
//! start at the working directory. A step that fails ends the agent with code 99 and says which it was, so a test
//! never mistakes a broken script for an agent's behaviour.
//!
//! | step | does |
//! |---|---|
//! | `say TEXT`, `warn TEXT`, `json LINE` | prints a line on stdout, on stderr, on stdout |
//! | `write PATH TEXT`, `append PATH TEXT`, `delete PATH` | changes a file; folders are made and removed |
//! | `symlink PATH TARGET`, `fifo PATH` | makes a special file |
//! | `commit MESSAGE`, `stash` | runs git as an agent might |
//! | `sh COMMAND` | runs a shell command; it must exit 0 |
//! | `touch FILE`, `wait-for FILE` | tells and waits for a test |
//! | `env FILE`, `prompt FILE`, `result TEXT` | notes its `DYNWF_*` variables or its prompt; writes the result file |
//! | `hang`, `hang-stubborn` | stays; the second one ignores TERM |
//! | `fork-daemon FILE` | leaves a child in a session of its own, which holds stdout and writes its pid to FILE |
//! | `print-bytes N`, `invalid-utf8` | prints much, prints rubbish |
//! | `replace-git`, `nested-repo DIR`, `delete-worktree` | damages its workspace |
//! | `outside PATH TEXT` | tries to write PATH, and says whether it could |
//! | `exit N` | ends with this code; the end of the steps is code 0 |
#![expect(clippy::print_stderr, reason = "it is a program")]

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// How long nothing outlives, whatever happens to the test that started it.
const LONGEST_LIFE: Duration = Duration::from_secs(600);

/// How often a file is looked for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match perform(&args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("fake-agent: {error:#}");
            ExitCode::from(99)
        }
    }
}

fn perform(args: &[String]) -> Result<u8> {
    match args {
        [flag, file] if flag == "--daemon" => daemon(Path::new(file)),
        [flag, file] if flag == "--script" => {
            let text = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
            let steps = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            follow(steps)
        }
        steps => follow(steps.iter().map(String::as_str)),
    }
}

fn follow<'a>(steps: impl Iterator<Item = &'a str>) -> Result<u8> {
    for line in steps {
        if let Some(code) = step(line).with_context(|| format!("step `{line}`"))? {
            return Ok(code);
        }
    }
    Ok(0)
}

/// Performs one step; returns the code to end with if it was the last.
fn step(line: &str) -> Result<Option<u8>> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "say" | "json" => print_line(unescape(rest).as_bytes())?,
        "warn" => eprintln!("{}", unescape(rest)),
        "print-bytes" => print_bytes(rest.parse().context("reading the number of bytes")?)?,
        "invalid-utf8" => print_line(b"before \xff\xfe\xc3( after")?,
        "exit" => return Ok(Some(rest.parse().context("reading the exit code")?)),
        "hang" => stay(),
        "hang-stubborn" => hang_stubborn()?,
        "touch" => fs::write(unescape(rest), "")?,
        "wait-for" => wait_for(Path::new(&unescape(rest)))?,
        "env" => note_environment(&unescape(rest))?,
        "prompt" => {
            fs::copy(variable("DYNWF_PROMPT_FILE")?, unescape(rest))?;
        }
        "result" => fs::write(variable("DYNWF_RESULT_FILE")?, unescape(rest))?,
        "sh" => run(Command::new("sh").args(["-c", rest]))?,
        "fork-daemon" => fork_daemon(&unescape(rest))?,
        _ => damage_or_change(word, rest)?,
    }
    Ok(None)
}

/// The steps that change files or the repository.
fn damage_or_change(word: &str, rest: &str) -> Result<()> {
    match word {
        "write" | "append" => {
            let (path, text) = two(rest)?;
            write(Path::new(&path), &text, word == "append")
        }
        "delete" => delete(Path::new(&unescape(rest))),
        "symlink" => {
            let (path, target) = two(rest)?;
            make_parent(Path::new(&path))?;
            Ok(symlink(target, path)?)
        }
        "fifo" => run(Command::new("mkfifo").arg(unescape(rest))),
        "commit" => {
            run(git().args(["add", "-A"]))?;
            run(git().args(["commit", "-q", "--no-verify", "-m", &unescape(rest)]))
        }
        "stash" => run(git().args(["stash", "push", "-q", "-u"])),
        "replace-git" => {
            delete(Path::new(".git"))?;
            run(git().args(["init", "-q"]))?;
            run(git().args(["add", "-A"]))?;
            run(git().args(["commit", "-q", "-m", "a repository of my own"]))
        }
        "nested-repo" => nested_repository(&unescape(rest)),
        "delete-worktree" => {
            let here = std::env::current_dir()?;
            fs::remove_dir_all(&here).with_context(|| format!("removing {}", here.display()))
        }
        "outside" => {
            let (path, text) = two(rest)?;
            match write(Path::new(&path), &text, false) {
                Ok(()) => print_line(format!("outside {path}: written").as_bytes()),
                Err(error) => print_line(format!("outside {path}: {error:#}").as_bytes()),
            }
        }
        unknown => bail!("`{unknown}` is no step"),
    }
}

/// Splits the text of a step that takes a path and a text.
fn two(rest: &str) -> Result<(String, String)> {
    let (first, second) = if let Some(quoted) = rest.strip_prefix('"') {
        let end = quoted.find('"').context("a quote is not closed")?;
        (&quoted[..end], quoted[end + 1..].trim_start_matches(' '))
    } else {
        rest.split_once(' ').unwrap_or((rest, ""))
    };
    ensure!(!first.is_empty(), "a path is missing");
    Ok((unescape(first), unescape(second)))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (plain, false) => out.push(plain),
        }
    }
    out
}

fn print_line(line: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

fn print_bytes(count: u64) -> Result<()> {
    let mut line = [b'x'; 1024];
    line[1023] = b'\n';
    let mut out = io::stdout().lock();
    let mut left = count;
    while left > 0 {
        let now = left.min(1024);
        out.write_all(&line[..usize::try_from(now)?])?;
        left -= now;
    }
    Ok(out.flush()?)
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("the variable {name} is not set"))
}

fn note_environment(file: &str) -> Result<()> {
    let mut lines: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{}={}\n", name.to_string_lossy(), value.to_string_lossy()))
        .filter(|line| line.starts_with("DYNWF_"))
        .collect();
    lines.sort();
    publish(Path::new(file), &lines.concat())
}

/// Writes a file so that a reader who sees it sees all of it.
fn publish(path: &Path, text: &str) -> Result<()> {
    make_parent(path)?;
    let part = path.with_extension("part");
    fs::write(&part, text).with_context(|| format!("writing {}", part.display()))?;
    Ok(fs::rename(&part, path)?)
}

fn make_parent(path: &Path) -> Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, append: bool) -> Result<()> {
    make_parent(path)?;
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .append(append)
        .truncate(!append)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

fn delete(path: &Path) -> Result<()> {
    let removed = if path.symlink_metadata()?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("removing {}", path.display()))
}

fn wait_for(file: &Path) -> Result<()> {
    let looks = LONGEST_LIFE.as_millis() / BETWEEN_LOOKS.as_millis();
    for _ in 0..looks {
        if file.exists() {
            return Ok(());
        }
        sleep(BETWEEN_LOOKS);
    }
    bail!("{} never came", file.display())
}

fn stay() {
    sleep(LONGEST_LIFE);
}

/// An ignored signal stays ignored across exec: the shell does what safe Rust cannot.
fn hang_stubborn() -> Result<()> {
    let me = std::env::current_exe()?;
    run(Command::new("sh")
        .args(["-c", "trap '' TERM INT HUP; exec \"$0\" hang"])
        .arg(me))
}

fn fork_daemon(file: &str) -> Result<()> {
    let me = std::env::current_exe()?;
    let child = Command::new(me)
        .args(["--daemon", file])
        .stdin(Stdio::null())
        .spawn()
        .context("starting the daemon")?;
    // It is meant to outlive this process, so nobody waits for it.
    drop(child);
    wait_for(Path::new(file))
}

fn daemon(file: &Path) -> Result<u8> {
    rustix::process::setsid().context("leaving the session")?;
    publish(file, &format!("{}\n", std::process::id()))?;
    stay();
    Ok(0)
}

fn nested_repository(folder: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    run(git().args(["-C", folder, "init", "-q"]))?;
    write(&Path::new(folder).join("inner.txt"), "inner\n", false)?;
    run(git().args(["-C", folder, "add", "-A"]))?;
    run(git().args(["-C", folder, "commit", "-q", "-m", "inner"]))
}

/// git with an identity of its own: an agent's commits need not carry the user's.
fn git() -> Command {
    let mut command = Command::new("git");
    command.args([
        "-c",
        "user.name=Fake Agent",
        "-c",
        "user.email=agent@example.com",
    ]);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
