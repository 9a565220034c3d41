//! What dynwf costs beside the work itself, as ratios within one run: `cargo bench --bench overhead`.
//!
//! Two questions. What does a packet cost, with an agent that touches one file of a large repository, against a shell
//! loop of `git worktree add`, the same edit, `git commit` and `git merge`? And what does `dynwf status` cost with
//! fifty packets, and does it start git at all? Counted is the CPU time of all processes that take part, those that
//! outlive their parents included, so a busy machine changes little.
//!
//! The repository is generated; `DYNWF_BENCH_BUNDLE` names a bundle to take instead. Nothing here fails because it is
//! slow: it prints what it found and what was wanted.
#![expect(clippy::print_stdout, reason = "it is a program")]

mod measure;
mod packets;
mod repository;
mod status;

use anyhow::Result;

fn main() -> Result<()> {
    measure::adopt_orphans()?;
    packets::report()?;
    status::report()
}
