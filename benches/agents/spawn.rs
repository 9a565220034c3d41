//! What the sandbox costs for each process that it is put around.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::measure::{Place, ends};
use crate::{Cost, middle};

/// How many processes there are: commands that prepare a workspace, one after another.
const SPAWNS: usize = 20;

/// How often each way is measured, in turns.
const ROUNDS: usize = 5;

/// Measures and prints.
pub(crate) fn report() -> Result<()> {
    println!("a process of a unit that does nothing ({SPAWNS} of them, {ROUNDS} rounds, medians)");
    let place = Place::new()?;
    let repository = place.join("repository");
    fs::create_dir(&repository)?;
    place.git(&repository, &["init", "-q"])?;
    fs::write(repository.join("notes.txt"), "notes\n")?;
    place.git(&repository, &["add", "-A"])?;
    place.git(&repository, &["commit", "-q", "-m", "begin"])?;
    place.git(&repository, &["checkout", "-q", "-b", "mine"])?;
    let modes = ["none", "auto"];
    let mut sandboxes = Vec::new();
    let mut costs = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for round in 0..ROUNDS {
        for (mode, costs) in modes.iter().zip(&mut costs) {
            for (spawns, costs) in [0, SPAWNS].into_iter().zip(costs) {
                let slug = format!("{mode}-{spawns}-{round}");
                costs.push(run(&place, &repository, &slug, mode, spawns)?);
                if spawns > 0 && round == 0 {
                    sandboxes.push(sandbox(&repository, &slug)?);
                }
            }
        }
    }
    let mut plain = None;
    for (sandbox, [without, with]) in sandboxes.iter().zip(&costs) {
        let each = each(without, with);
        println!("  {sandbox:<11} {:5.1} ms CPU, {:5.1} ms", each.0, each.1);
        match plain {
            None => plain = Some(each),
            Some(_) if sandbox == "none" => println!("  no sandbox works here"),
            Some(plain) => println!(
                "  the sandbox itself: {:.1} ms CPU, {:.1} ms",
                each.0 - plain.0,
                each.1 - plain.1
            ),
        }
    }
    Ok(())
}

/// What one process costs: the difference between a run with all of them and a run without.
fn each(without: &[Cost], with: &[Cost]) -> (f64, f64) {
    let (without, with) = (middle(without), middle(with));
    let spawns = f64::from(u8::try_from(SPAWNS).unwrap_or(u8::MAX));
    ((with.0 - without.0) / spawns, (with.1 - without.1) / spawns)
}

/// A workflow of one packet whose workspace is prepared by so many commands.
fn run(place: &Place, repository: &Path, slug: &str, mode: &str, spawns: usize) -> Result<Cost> {
    let folder = place.join(".config/dynwf");
    fs::create_dir_all(&folder)?;
    let setup = vec!["\"true\""; spawns].join(", ");
    let config = format!("[sandbox]\nmode = \"{mode}\"\n[workspace]\nsetup = [{setup}]\n");
    fs::write(folder.join("config.toml"), config)?;
    let plan = "goal = \"Say so\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\n[[packet]]\nid = \"one\"\n\
                objective = \"Say so\"\nscope = [\"notes.txt\"]\nrun = \"echo touched >> notes.txt\"\n";
    fs::write(place.join("plan.toml"), plan)?;
    let mut command = place.dynwf(repository, &format!("plan {slug} --from ../plan.toml"));
    ends(&mut command, &[0])?;
    let mut command = place.dynwf(repository, &format!("run {slug}"));
    Cost::of(|| ends(&mut command, &[3]))
}

/// What kept the units of a run in their place.
fn sandbox(repository: &Path, slug: &str) -> Result<String> {
    let journal: PathBuf = repository.join(format!(".git/dynwf/w/{slug}/journal.jsonl"));
    let text =
        fs::read_to_string(&journal).with_context(|| format!("reading {}", journal.display()))?;
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut begun = records.filter(|record: &serde_json::Value| record["kind"] == "RunStarted");
    let begun = begun.next().context("a run begins")?;
    Ok(begun["e"]["sandbox"].as_str().unwrap_or("none").to_owned())
}
