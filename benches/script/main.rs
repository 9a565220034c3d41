//! What a script costs beside node: `cargo bench --bench script`.
//!
//! The same scripts with the same fake agents, sixteen at a time, each batch in a journal with one sync: once on the
//! engine with the real journal and its real events, once on node with a small runtime of the same contract
//! (`node.mjs`). Each run is a process of its own; counted are its CPU time and its peak memory, from its start to the
//! value. Then the journal of the longest run is replayed. Nothing here fails because it is slow: it prints what it
//! found and what was wanted.
#![expect(clippy::print_stdout, reason = "it is a program")]

mod run;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// How often each is measured; the middle counts.
const TIMES: usize = 5;

/// What is measured: a name, how many calls it makes, and the script.
const CASES: [(&str, u32, &str); 3] = [
    (
        "parallel 1,000",
        1_000,
        "const out = await parallel(Array.from({ length: 1000 }, (_, i) => () => agent('look at item ' + i, { label: 'item ' + i })))\nreturn out.filter(o => o.ok).length",
    ),
    (
        "parallel 10,000",
        10_000,
        "const out = await parallel(Array.from({ length: 10000 }, (_, i) => () => agent('look at item ' + i, { label: 'item ' + i })))\nreturn out.filter(o => o.ok).length",
    ),
    (
        "pipeline 2,000 × 3",
        6_000,
        "const out = await pipeline(Array.from({ length: 2000 }, (_, i) => i), (v, item) => agent('find ' + item), (v, item) => agent('check ' + v.n), (v, item) => agent('sum ' + v.n))\nreturn out.filter(o => o.ok).length",
    ),
];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    if let [_, how, script, folder] = words.as_slice()
        && matches!(how.as_str(), "--live" | "--replay")
    {
        return child(how, Path::new(script), Path::new(folder));
    }
    if Command::new("node").arg("--version").output().is_err() {
        println!("skipped: node is not installed, and it is what scripts are measured beside");
        return Ok(());
    }
    let place = tempfile::Builder::new().prefix("dynwf-bench").tempdir()?;
    let runtime = place.path().join("node.mjs");
    fs::write(&runtime, include_str!("node.mjs"))?;
    println!(
        "{:<20} {:>17} {:>17} {:>7} {:>17} {:>7}",
        "", "CPU ms dynwf/node", "wanted", "ratio", "MiB dynwf/node", "ratio"
    );
    for (name, calls, body) in CASES {
        case(place.path(), &runtime, name, calls, body)?;
    }
    Ok(())
}

fn child(how: &str, script: &Path, folder: &Path) -> Result<()> {
    let source = fs::read_to_string(script)?;
    let value = if how == "--live" {
        run::live(&source, folder)?
    } else {
        run::replay(&source, folder)?
    };
    let (cpu, memory) = run::used()?;
    println!(
        "{}",
        serde_json::json!({"value": value, "cpu": cpu, "memory": memory})
    );
    Ok(())
}

fn case(place: &Path, runtime: &Path, name: &str, calls: u32, body: &str) -> Result<()> {
    let script = place.join(format!("{calls}.js"));
    fs::write(
        &script,
        format!("export const meta = {{ name: 'bench', description: 'what it costs' }};\n{body}\n"),
    )?;
    let own = std::env::current_exe()?;
    let (mut ours, mut theirs, mut replays) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TIMES {
        let folder = place.join(format!("{calls}-{turn}"));
        fs::create_dir(&folder)?;
        let live = measured(Command::new(&own).arg("--live").arg(&script).arg(&folder))?;
        let node = measured(
            Command::new("node")
                .arg(runtime)
                .arg(&script)
                .arg(folder.join("node.jsonl")),
        )?;
        let replay = measured(Command::new(&own).arg("--replay").arg(&script).arg(&folder))?;
        ensure!(
            live.0 == node.0 && live.0 == replay.0,
            "the values differ: {live:?} {node:?} {replay:?}"
        );
        ours.push((live.1, live.2));
        theirs.push((node.1, node.2));
        replays.push((replay.1, replay.2));
    }
    let (cpu, memory) = middle(&ours);
    let (node_cpu, node_memory) = middle(&theirs);
    let (replay, _) = middle(&replays);
    println!(
        "{name:<20} {:>17} {:>17} {:>7.2} {:>17} {:>7.2}",
        format!("{cpu:.0} / {node_cpu:.0}"),
        "0.80 × and 0.50 ×",
        cpu / node_cpu,
        format!("{:.0} / {:.0}", memory / 1024.0, node_memory / 1024.0),
        memory / node_memory,
    );
    println!(
        "{:<20} {:.1} µs a result (wanted: 60)",
        "  replayed",
        replay * 1000.0 / f64::from(calls)
    );
    Ok(())
}

/// Runs a command and reads what it says of itself: value, CPU in milliseconds, memory in KiB.
fn measured(command: &mut Command) -> Result<(String, f64, f64)> {
    let output = command
        .output()
        .context("starting a run; is node installed?")?;
    ensure!(
        output.status.success(),
        "a run failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let number = |name: &str| said[name].as_f64().context("a run said no figures");
    let value = said["value"].as_str().context("a run said no value")?;
    Ok((value.to_owned(), number("cpu")?, number("memory")?))
}

/// The middle of each of both figures.
fn middle(all: &[(f64, f64)]) -> (f64, f64) {
    let of = |pick: fn(&(f64, f64)) -> f64| {
        let mut figures: Vec<f64> = all.iter().map(pick).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    (of(|one| one.0), of(|one| one.1))
}
