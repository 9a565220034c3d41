//! Collecting twenty edits, against `git add -A` in place.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dynwf::git::Git;
use dynwf::model::reference::RefUpdate;
use dynwf::workspace::{CollectSpec, Head, MakeSpec, Outcome, collect, make};
use jiff::Timestamp;

use crate::measure::{Place, cpu, ends, verdict};
use crate::repository::{clone, spread};

/// The name of this program's task that collects.
pub(crate) const TASK: &str = "collect";

/// How many files are edited, and how often both ways are measured; the least of each counts.
const EDITS: usize = 20;
const TIMES: usize = 5;

/// At most this much of what `git add -A` takes.
const TARGET: f64 = 1.0;

/// Measures and prints.
pub(crate) fn report(place: &Place, origin: &Path) -> Result<()> {
    let dir = clone(place, origin, "collect")?;
    let me = std::env::current_exe().context("finding this program")?;
    let paths = spread(place, &dir, EDITS)?;
    fs::write(place.join("paths"), paths.join("\n"))?;
    let mut command = place.command(&me.display().to_string(), &dir);
    let output = command.arg(TASK).arg(&dir).output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout)?;
    let ours: Duration = Duration::from_micros(said.trim().parse().context("reading the answer")?);
    let work = place.join("by-git");
    let to = work.display().to_string();
    place.git(
        &dir,
        &["worktree", "add", "-q", "-b", "by-git", &to, "main"],
    )?;
    let mut least = Duration::MAX;
    let mut least_cpu = Duration::MAX;
    for time in 0..TIMES {
        edit(&work, &paths, time)?;
        let began = Instant::now();
        let used = cpu(place.command("git", &work).args(["add", "-A"]), &[0])?;
        least = least.min(began.elapsed());
        least_cpu = least_cpu.min(used);
    }
    let ratio = ours.as_secs_f64() / least.as_secs_f64();
    println!("collecting {EDITS} edits (the least of {TIMES})");
    println!(
        "  git add -A {:.0} ms, dynwf {:.0} ms, with the commit",
        least.as_secs_f64() * 1000.0,
        ours.as_secs_f64() * 1000.0
    );
    println!(
        "  time ratio {ratio:.2}, at most {TARGET} wanted: {}",
        verdict(ratio, TARGET)
    );
    Ok(())
}

/// Edits the files, in a later second than the one before, as people and agents do.
fn edit(work: &Path, paths: &[String], time: usize) -> Result<()> {
    std::thread::sleep(Duration::from_millis(1100));
    for path in paths {
        let mut file = OpenOptions::new().append(true).open(work.join(path))?;
        writeln!(file, "// edited {time}")?;
    }
    ends(&mut std::process::Command::new("sync"), &[0])
}

/// Makes a workspace, edits and collects; prints the least time in microseconds.
pub(crate) fn ours(dir: &Path) -> Result<()> {
    let git = Git::discover(dir)?;
    let base = git.resolve("main")?.context("there is no branch main")?;
    let branch = "refs/heads/packet".parse()?;
    let update = RefUpdate {
        name: branch,
        old: None,
        new: Some(base.clone()),
    };
    git.update_refs(std::slice::from_ref(&update), "bench")?;
    let path = dir.with_extension("workspace");
    let workspace = make(
        &git,
        &MakeSpec {
            admin_name: "bench.packet".to_owned(),
            path: path.clone(),
            head: Head::Branch(update.name),
            commit: base.clone(),
            sparse: None,
        },
    )?;
    let paths = fs::read_to_string(dir.with_file_name("paths"))?;
    let paths: Vec<String> = paths.lines().map(str::to_owned).collect();
    let mut least = Duration::MAX;
    for time in 0..TIMES {
        edit(&path, &paths, time)?;
        let began = Instant::now();
        let collection = collect(
            &git,
            &workspace,
            &CollectSpec {
                base: base.clone(),
                earlier: None,
                at: Timestamp::UNIX_EPOCH,
                message: "work".to_owned(),
            },
        )?;
        least = least.min(began.elapsed());
        ensure!(
            matches!(collection.outcome, Outcome::Work { .. }),
            "nothing was collected: {:?}",
            collection.outcome
        );
    }
    println!("{}", least.as_micros());
    Ok(())
}
