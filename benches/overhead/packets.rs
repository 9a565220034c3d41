//! A packet with an agent that touches one file, against a shell that does the same by hand.
//!
//! Nothing is deleted between the rounds, by either side: ext4 does not give the number of a file that was deleted in
//! the last minutes to a new one, and looks at each of them in turn. After a hundred thousand deletions a new worktree
//! costs five times as much, whoever makes it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::measure::{Place, cpu, verdict};
use crate::repository::{FILES, clone, large, spread};

/// How many packets a workflow has, and how often both ways are measured, in turns.
const PACKETS: usize = 6;
const ROUNDS: usize = 3;

/// At most this much of the loop's CPU time.
const TARGET: f64 = 1.2;

/// Measures and prints.
pub(crate) fn report() -> Result<()> {
    let place = Place::new()?;
    let origin = large(&place)?;
    println!(
        "a packet that touches one file ({PACKETS} packets, about {FILES} files, {ROUNDS} rounds)"
    );
    let mut least = [Duration::MAX; 2];
    for round in 0..ROUNDS {
        let (left, right) = (
            clone(&place, &origin, &format!("loop-{round}"))?,
            clone(&place, &origin, &format!("ours-{round}"))?,
        );
        // By turns the one and the other first: what the first leaves in the caches and the queues of the disk is
        // part of what the second one costs.
        let (by_hand, ours) = if round % 2 == 0 {
            (shell_loop(&place, &left)?, workflow(&place, &right)?)
        } else {
            let ours = workflow(&place, &right)?;
            (shell_loop(&place, &left)?, ours)
        };
        let ratio = ours.as_secs_f64() / by_hand.as_secs_f64();
        println!(
            "  git loop {:6.0} ms a packet, dynwf {:6.0} ms a packet, ratio {ratio:.2}",
            each(by_hand),
            each(ours)
        );
        least = [least[0].min(by_hand), least[1].min(ours)];
    }
    // Whatever else the machine does only ever adds: the least of each side is nearest to the truth.
    let ratio = least[1].as_secs_f64() / least[0].as_secs_f64();
    println!(
        "  CPU ratio {ratio:.2}, at most {TARGET} wanted: {}\n",
        verdict(ratio, TARGET)
    );
    Ok(())
}

fn each(all: Duration) -> f64 {
    all.as_secs_f64() * 1000.0 / f64::from(u8::try_from(PACKETS).unwrap_or(u8::MAX))
}

/// `git worktree add`, the edit, `git commit`, `git merge`, for each packet.
fn shell_loop(place: &Place, repository: &Path) -> Result<Duration> {
    let mut script = "set -e\n".to_owned();
    let work = format!("{}.work", repository.display());
    for (number, path) in spread(place, repository, PACKETS)?.iter().enumerate() {
        script += &format!(
            "git worktree add -q -b packet-{number} {work}/{number} main\n\
             ( cd {work}/{number} && echo '// touched' >> {path} && git commit -q -a -m packet-{number} )\n\
             git merge -q --no-ff -m merge-{number} packet-{number}\n"
        );
    }
    cpu(place.command("sh", repository).args(["-c", &script]), &[0])
}

/// The same as a workflow, up to the gate for landing.
fn workflow(place: &Place, repository: &Path) -> Result<Duration> {
    let mut plan = "goal = \"Touch files\"\nbase = \"main\"\n".to_owned();
    for (number, path) in spread(place, repository, PACKETS)?.iter().enumerate() {
        plan += &format!(
            "[[packet]]\nid = \"p{number:02}\"\nobjective = \"Touch a file\"\nscope = [\"{path}\"]\n\
             run = \"echo '// touched' >> {path}\"\n"
        );
    }
    fs::write(place.join("plan.toml"), plan)?;
    cpu(
        &mut place.dynwf(repository, "plan touch --from ../plan.toml"),
        &[0],
    )?;
    // 3: everything is merged, and the gate for landing waits.
    let spent = cpu(&mut place.dynwf(repository, "run touch"), &[0, 3])?;
    let merged = place
        .command("git", repository)
        .args([
            "rev-list",
            "--count",
            "--first-parent",
            "main..dynwf/touch/integration",
        ])
        .output()?;
    let merged = String::from_utf8(merged.stdout)?;
    anyhow::ensure!(
        merged.trim() == PACKETS.to_string(),
        "only {} packets were merged",
        merged.trim()
    );
    Ok(spent)
}
