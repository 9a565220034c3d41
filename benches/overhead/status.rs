//! `dynwf status` with fifty packets: what people and tools ask again and again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;

use crate::measure::{Place, cpu, verdict};

const PACKETS: usize = 50;

/// How often it is asked: the kernel counts in steps of 10 ms, so one call alone says nothing.
const CALLS: u32 = 40;

/// At most this many milliseconds of CPU time a call.
const TARGET: f64 = 30.0;

/// Measures and prints.
pub(crate) fn report() -> Result<()> {
    let place = Place::new()?;
    let repository = place.join("repository");
    fs::create_dir(&repository)?;
    place.git(&repository, &["init", "-q"])?;
    let mut plan = "goal = \"Many packets\"\nbase = \"main\"\n".to_owned();
    for number in 0..PACKETS {
        fs::create_dir(repository.join(format!("part-{number}")))?;
        fs::write(repository.join(format!("part-{number}/file.txt")), "text\n")?;
        plan += &format!(
            "[[packet]]\nid = \"p{number:02}\"\nobjective = \"Touch a file\"\nscope = [\"part-{number}/**\"]\n\
             run = \"echo more >> part-{number}/file.txt\"\n"
        );
    }
    fs::write(place.join("plan.toml"), plan)?;
    place.git(&repository, &["add", "-A"])?;
    place.git(&repository, &["commit", "-q", "-m", "begin"])?;
    cpu(
        &mut place.dynwf(&repository, "plan many --from ../plan.toml"),
        &[0],
    )?;
    cpu(&mut place.dynwf(&repository, "run many"), &[0, 3])?;

    let record = place.join("git-was-started");
    let path = recording_path(&place)?;
    println!("status of {PACKETS} packets ({CALLS} calls)");
    for line in ["status many", "status many --json"] {
        let mut spent = 0.0;
        for _ in 0..CALLS {
            let mut call = place.dynwf(&repository, line);
            spent += cpu(call.env("PATH", &path), &[0])?.as_secs_f64() * 1000.0;
        }
        let each = spent / f64::from(CALLS);
        println!(
            "  dynwf {line}: {each:.1} ms CPU, at most {TARGET} wanted: {}",
            verdict(each, TARGET)
        );
    }
    let started = fs::read_to_string(&record)
        .unwrap_or_default()
        .lines()
        .count();
    let verdict = if started == 0 { "met" } else { "MISSED" };
    println!("  git processes: {started}, none wanted: {verdict}");
    Ok(())
}

/// A search path whose git writes down that it was started, then does its work.
fn recording_path(place: &Place) -> Result<std::ffi::OsString> {
    let folder = place.join("recording");
    fs::create_dir(&folder)?;
    let program = folder.join("git");
    let old = std::env::var_os("PATH").unwrap_or_default();
    let script = format!(
        "#!/bin/sh\necho \"$*\" >> '{}'\nPATH='{}' exec git \"$@\"\n",
        place.join("git-was-started").display(),
        old.display()
    );
    fs::write(&program, script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let parts = [folder].into_iter().chain(std::env::split_paths(&old));
    Ok(std::env::join_paths(parts)?)
}
