//! What merging costs, as ratios within one run: `cargo bench --bench merge`.
//!
//! Fifty branches, each with twenty changed files and two new ones in a corner of its own, are integrated one after
//! another: by dynwf, by `git merge-tree` and `git commit-tree`, and by `git merge` in a full worktree. Then all pairs of
//! them are probed. Counted is CPU time, of dynwf's own process to the nanosecond and of children to the tick, so a busy
//! machine changes little.
//!
//! The repositories are generated, in two sizes; `DYNWF_BENCH_BUNDLE` names a bundle to take instead. Nothing here fails
//! because it is slow: it prints what it found and what was wanted.
#![expect(clippy::print_stdout, reason = "it is a program")]

mod place;
mod repository;
mod work;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use place::{Place, children_cpu};
use repository::{PACKETS, Source, branch};

/// How often dynwf's part is measured; the middle counts.
const TIMES: usize = 5;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, task, dir] = &arguments[..]
        && work::run(task, Path::new(dir))?
    {
        return Ok(());
    }
    if let Some(bundle) = std::env::var_os("DYNWF_BENCH_BUNDLE") {
        return measure(&Source::Bundle(bundle.into())).map(drop);
    }
    let small = measure(&Source::Files(14_000))?;
    let large = measure(&Source::Files(57_000))?;
    println!(
        "57,000 files against 14,000: {}",
        verdict(large / small, 2.0, "×")
    );
    Ok(())
}

/// Measures on one repository; returns the milliseconds of CPU that an integration took.
fn measure(source: &Source) -> Result<f64> {
    let place = Place::new()?;
    let large = repository::make(&place, source)?;
    println!("{source}, {PACKETS} packets");
    let mut ours = Vec::new();
    let mut peak = 0.0_f64;
    let mut tree = String::new();
    for time in 0..TIMES {
        let dir = shared_clone(&place, &large, &format!("dynwf-{time}"), true)?;
        let said = place.own("integrate", &dir)?;
        let words: Vec<&str> = said.split_whitespace().collect();
        let [id, cpu, memory] = words[..] else {
            anyhow::bail!("unexpected: {said}");
        };
        id.clone_into(&mut tree);
        ours.push(cpu.parse()?);
        peak = peak.max(memory.parse()?);
    }
    let ours = median(ours);
    println!(
        "  dynwf: {ours:.1} ms CPU, peak {}",
        verdict(peak, 40.0, " MB")
    );
    let plumbing = plumbing(&place, &large, &tree)?;
    println!(
        "  git merge-tree + commit-tree: {plumbing:.0} ms CPU; dynwf is {}",
        verdict(100.0 * ours / plumbing, 25.0, " %")
    );
    let porcelain = porcelain(&place, &large, &tree)?;
    println!(
        "  git merge in a worktree: {porcelain:.0} ms CPU; dynwf is {}",
        verdict(100.0 * ours / porcelain, 1.0, " %")
    );
    let mut probes = Vec::new();
    for _ in 0..TIMES {
        probes.push(place.own("probe", &large)?.trim().parse()?);
    }
    let pairs = PACKETS * (PACKETS - 1) / 2;
    println!(
        "  {pairs} pairs probed: {}",
        verdict(median(probes), 100.0, " ms CPU")
    );
    Ok(ours)
}

/// A clone that borrows the objects, so that what is measured really has to write.
fn shared_clone(place: &Place, from: &Path, name: &str, bare: bool) -> Result<std::path::PathBuf> {
    let dir = place.join(name);
    let (from, to) = (from.display().to_string(), dir.display().to_string());
    let bare: &[&str] = if bare { &["--bare"] } else { &["-b", "main"] };
    place.git(
        place.path(),
        &[&["clone", "-q", "--shared"], bare, &[&from, &to]].concat(),
    )?;
    Ok(dir)
}

fn plumbing(place: &Place, large: &Path, tree: &str) -> Result<f64> {
    let dir = shared_clone(place, large, "plumbing", true)?;
    let before = children_cpu()?;
    let mut ours = place.git(&dir, &["rev-parse", "main"])?;
    let mut merged = String::new();
    for number in 0..PACKETS {
        let theirs = branch(number);
        merged = place.git(&dir, &["merge-tree", "--write-tree", &ours, &theirs])?;
        ours = place.git(
            &dir,
            &[
                "commit-tree",
                &merged,
                "-p",
                &ours,
                "-p",
                &theirs,
                "-m",
                "merge",
            ],
        )?;
    }
    let spent = children_cpu()? - before;
    ensure!(merged == tree, "git merges to {merged}, dynwf to {tree}");
    Ok(spent)
}

fn porcelain(place: &Place, large: &Path, tree: &str) -> Result<f64> {
    let dir = shared_clone(place, large, "porcelain", false)?;
    let before = children_cpu()?;
    for number in 0..PACKETS {
        let theirs = format!("origin/{}", branch(number));
        place.git(&dir, &["merge", "-q", "-m", "merge", &theirs])?;
    }
    let spent = children_cpu()? - before;
    let merged = place.git(&dir, &["rev-parse", "HEAD^{tree}"])?;
    ensure!(merged == tree, "git merges to {merged}, dynwf to {tree}");
    fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
    Ok(spent)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn verdict(value: f64, most: f64, unit: &str) -> String {
    let word = if value <= most { "met" } else { "MISSED" };
    format!("{value:.2}{unit}, at most {most}{unit} wanted: {word}")
}
