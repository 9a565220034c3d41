//! Twenty workspaces, in five ways.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::measure::{Place, cpu, ends, verdict};
use crate::repository::{FILES, clone, spread};

/// How many workspaces each way makes.
const COUNT: usize = 20;

/// The numbers of checkout workers among which git may have its best.
const WORKERS: [usize; 3] = [1, 2, 4];

/// At most these parts of the time of `git worktree add` and of `cp -a`.
const OF_GIT: f64 = 0.75;
const OF_COPY: f64 = 0.7;
const SPARSE_OF_GIT: f64 = 0.1;

/// What one way took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Duration,
}

/// Measures and prints.
pub(crate) fn report(place: &Place, origin: &Path) -> Result<()> {
    println!("{COUNT} workspaces of about {FILES} files");
    let ours = planned(place, origin, "full", "")?;
    let mut best: Option<Took> = None;
    for workers in WORKERS {
        let by_git = worktrees(place, origin, workers)?;
        print(&format!("git worktree add, {workers} workers"), by_git);
        if best.is_none_or(|best| by_git.wall < best.wall) {
            best = Some(by_git);
        }
    }
    let copied = copies(place, origin)?;
    print("cp -a", copied);
    print("dynwf split", ours);
    let sparse = planned(place, origin, "sparse", "[workspace]\nsparse = \"scope\"\n")?;
    print("dynwf split, sparse", sparse);
    if let Some(best) = best {
        compare("dynwf / git worktree add at its best", ours, best, OF_GIT);
        compare("dynwf / cp -a", ours, copied, OF_COPY);
        compare("sparse / git worktree add", sparse, best, SPARSE_OF_GIT);
    }
    println!();
    Ok(())
}

fn print(what: &str, took: Took) {
    println!(
        "  {what:28} {:6.2} s, {:6.2} s of CPU",
        took.wall.as_secs_f64(),
        took.cpu.as_secs_f64()
    );
}

fn compare(what: &str, one: Took, other: Took, target: f64) {
    let ratio = one.wall.as_secs_f64() / other.wall.as_secs_f64();
    println!(
        "  {what}: time ratio {ratio:.2}, at most {target} wanted: {}",
        verdict(ratio, target)
    );
}

/// Runs a command with everything before it on the disk.
fn timed(command: &mut Command) -> Result<Took> {
    ends(&mut Command::new("sync"), &[0])?;
    let began = Instant::now();
    let cpu = cpu(command, &[0])?;
    Ok(Took {
        wall: began.elapsed(),
        cpu,
    })
}

/// `dynwf split` of a plan with that many packets.
fn planned(place: &Place, origin: &Path, name: &str, settings: &str) -> Result<Took> {
    let dir = clone(place, origin, &format!("ours-{name}"))?;
    let mut plan = "goal = \"Touch files\"\nbase = \"main\"\n".to_owned();
    for (number, path) in spread(place, &dir, COUNT)?.iter().enumerate() {
        plan += &format!(
            "[[packet]]\nid = \"p{number}\"\nobjective = \"Touch a file\"\nscope = [\"{path}\"]\nrun = \"true\"\n"
        );
    }
    let file = place.join(&format!("{name}.toml"));
    fs::write(&file, plan)?;
    fs::write(dir.join("dynwf.toml"), settings)?;
    let line = format!("plan bench --from {}", file.display());
    ends(&mut place.dynwf(&dir, &line), &[0])?;
    timed(&mut place.dynwf(&dir, "split bench"))
}

/// `git worktree add`, one after another.
fn worktrees(place: &Place, origin: &Path, workers: usize) -> Result<Took> {
    let dir = clone(place, origin, &format!("git-{workers}"))?;
    let work = format!("{}.work", dir.display());
    let script = format!(
        "set -e\nfor n in $(seq {COUNT}); do\n\
         git -c checkout.workers={workers} worktree add -q -b packet-$n {work}/$n main\ndone\n"
    );
    timed(place.command("sh", &dir).args(["-c", &script]))
}

/// `cp -a` of a work tree, one after another.
fn copies(place: &Place, origin: &Path) -> Result<Took> {
    let dir = clone(place, origin, "copied")?;
    let copies = place.join("copies");
    fs::create_dir(&copies)?;
    // The files alone: a worktree has no objects of its own.
    let script = format!(
        "set -e\nmv .git ../copied.git\nfor n in $(seq {COUNT}); do cp -a . {}/$n; done\n",
        copies.display()
    );
    timed(place.command("sh", &dir).args(["-c", &script]))
}
