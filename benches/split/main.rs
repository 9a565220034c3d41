//! What a cut by size costs: `cargo bench --bench split`.
//!
//! A plan for every file of a large repository is made by `dynwf split --by size --dry-run`: of 27,674 generated files
//! with 400 commits that change some of them together, and of the bundle that `DYNWF_BENCH_BUNDLE` names, if it does.
//! Counted is the CPU time of dynwf and of the git processes that it starts. Nothing here fails because it is slow: it
//! prints what it found and what was wanted.
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// How many files there are.
const FILES: usize = 27_674;

/// How many commits change some of them.
const COMMITS: usize = 400;

/// How often it is measured; the middle counts.
const TIMES: usize = 5;

/// The milliseconds of CPU that were wanted at most.
const WANTED: f64 = 2000.0;

/// What `/proc` counts children in: 100 ticks a second wherever Linux runs but on Alpha.
const MILLIS_A_TICK: f64 = 10.0;

fn main() -> Result<()> {
    let place = tempfile::Builder::new().prefix("dynwf-bench").tempdir()?;
    fs::write(
        place.path().join(".gitconfig"),
        "[user]\n\tname = Bench\n\temail = bench@example.com\n[init]\n\tdefaultBranch = main\n",
    )?;
    if let Some(bundle) = std::env::var_os("DYNWF_BENCH_BUNDLE") {
        let bundle = fs::canonicalize(bundle)?.display().to_string();
        let heads = git(
            place.path(),
            place.path(),
            &["bundle", "list-heads", &bundle],
        )?;
        let head = heads.split_whitespace().nth(1).context("an empty bundle")?;
        let dir = repository(place.path(), "bundle")?;
        git(
            place.path(),
            &dir,
            &[
                "fetch",
                "--update-head-ok",
                "-q",
                &bundle,
                &format!("{head}:refs/heads/main"),
            ],
        )?;
        measure(place.path(), &dir, &bundle)?;
    }
    let dir = repository(place.path(), "generated")?;
    generate(place.path(), &dir)?;
    measure(place.path(), &dir, "generated")
}

fn repository(place: &Path, name: &str) -> Result<PathBuf> {
    let dir = place.join(name);
    fs::create_dir(&dir)?;
    git(place, &dir, &["init", "-q"])?;
    Ok(dir)
}

fn measure(place: &Path, dir: &Path, name: &str) -> Result<()> {
    let listed = git(place, dir, &["ls-tree", "-r", "--name-only", "main"])?;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let before = children_cpu()?;
        let mut command = command(place, dir, env!("CARGO_BIN_EXE_dynwf"));
        command.args(["split", "cut", "--by", "size", "--paths", "**"]);
        command.args([
            "--objective",
            "Cut it",
            "--run",
            "true",
            "--dry-run",
            "--json",
        ]);
        answer(&mut command)?;
        times.push(children_cpu()? - before);
    }
    times.sort_by(f64::total_cmp);
    let middle = times[TIMES / 2];
    let verdict = if middle <= WANTED { "good" } else { "too much" };
    println!(
        "{name}: {} files by size in {middle:.0} ms of CPU (at most {WANTED:.0} wanted: {verdict})",
        listed.lines().count()
    );
    Ok(())
}

/// Fills a repository: folders of a dozen files, and commits that change two to six of them.
fn generate(place: &Path, dir: &Path) -> Result<()> {
    let path = |at: usize| format!("packages/p{:03}/s{:02}/f{at}.js", at / 192, at / 12 % 16);
    let stream = place.join("stream");
    let mut out = BufWriter::new(File::create(&stream)?);
    let head = |number: usize| {
        format!("commit refs/heads/main\ncommitter B <b@example.com> {number} +0000\ndata 1\nm\n")
    };
    out.write_all(head(0).as_bytes())?;
    for at in 0..FILES {
        let text = format!("file {at}\n").repeat(1 + at * 31 % 90);
        write!(
            out,
            "M 644 inline {}\ndata {}\n{text}\n",
            path(at),
            text.len()
        )?;
    }
    for number in 1..=COMMITS {
        out.write_all(head(number).as_bytes())?;
        for other in 0..2 + number % 5 {
            let at = (number / 3 * 997 + other * 4_001) % FILES;
            let text = format!("commit {number}\n");
            write!(
                out,
                "M 644 inline {}\ndata {}\n{text}\n",
                path(at),
                text.len()
            )?;
        }
    }
    out.flush()?;
    let status = command(place, dir, "git")
        .args(["fast-import", "--quiet"])
        .stdin(File::open(&stream)?)
        .status()?;
    ensure!(status.success(), "git fast-import: {status}");
    Ok(())
}

fn command(place: &Path, dir: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", place)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

fn git(place: &Path, dir: &Path, args: &[&str]) -> Result<String> {
    answer(command(place, dir, "git").args(args))
}

fn answer(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The CPU time of all children that were waited for, and of theirs, in milliseconds.
fn children_cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    // The name stands in brackets and may hold spaces; 14 and 15 of the rest are the children's times.
    let rest = stat.rsplit_once(") ").context("reading /proc/self/stat")?.1;
    let ticks = rest.split(' ').skip(13).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? * MILLIS_A_TICK)
}
