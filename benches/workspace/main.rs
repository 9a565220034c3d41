//! What making and collecting workspaces costs, as ratios within one run: `cargo bench --bench workspace`.
//!
//! Twenty workspaces of a large repository by `dynwf split`, whole and sparse, against twenty times `git worktree add` with
//! whatever number of checkout workers is best, and against twenty times `cp -a`. Then collecting twenty edits against `git add
//! -A` in place. Making workspaces is bound by the file system, so what counts is the time on the wall: measure on a quiet
//! machine.
//!
//! Nothing is deleted before the end: ext4 makes whoever comes after a mass deletion pay for it. So there must be room for six
//! times twenty copies of the repository. It is generated; `DYNWF_BENCH_BUNDLE` names a bundle to take instead. Nothing here
//! fails because it is slow: it prints what it found and what was wanted.
#![expect(clippy::print_stdout, reason = "it is a program")]

mod collect;
mod make;
#[path = "../overhead/measure.rs"]
mod measure;
#[path = "../overhead/repository.rs"]
mod repository;

use std::path::Path;

use anyhow::Result;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, task, dir] = &arguments[..]
        && task == collect::TASK
    {
        return collect::ours(Path::new(dir));
    }
    measure::adopt_orphans()?;
    let place = measure::Place::new()?;
    let origin = repository::large(&place)?;
    make::report(&place, &origin)?;
    collect::report(&place, &origin)
}
