//! The repositories that are measured on.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::measure::Place;

/// As many files as a large JavaScript monorepo had when this was written.
pub(crate) const FILES: usize = 27_674;

/// How many of them lie in one folder, and how many folders in one package.
const FILES_A_FOLDER: usize = 12;
const FOLDERS_A_PACKAGE: usize = 16;

/// Makes the large repository, not checked out; returns its directory.
pub(crate) fn large(place: &Place) -> Result<PathBuf> {
    let dir = place.join("large.git");
    fs::create_dir(&dir)?;
    place.git(&dir, &["init", "-q", "--bare"])?;
    if let Some(bundle) = std::env::var_os("DYNWF_BENCH_BUNDLE") {
        let bundle = fs::canonicalize(bundle)?.display().to_string();
        // A bundle need not have a HEAD.
        let heads = place
            .command("git", &dir)
            .args(["bundle", "list-heads", &bundle])
            .output()?;
        let heads = String::from_utf8(heads.stdout)?;
        let head = heads.split_whitespace().nth(1).context("an empty bundle")?;
        let to_main = format!("{head}:refs/heads/main");
        place.git(&dir, &["fetch", "-q", &bundle, &to_main])?;
        return Ok(dir);
    }
    let stream = place.join("stream");
    write_stream(&stream)?;
    let mut import = place.command("git", &dir);
    import
        .args(["fast-import", "--quiet"])
        .stdin(File::open(&stream)?);
    ensure!(
        import.stdout(Stdio::null()).status()?.success(),
        "git fast-import failed"
    );
    Ok(dir)
}

/// A clone with its work tree, on `main`.
pub(crate) fn clone(place: &Place, from: &Path, name: &str) -> Result<PathBuf> {
    let dir = place.join(name);
    let (from, to) = (from.display().to_string(), dir.display().to_string());
    place.git(place.path(), &["clone", "-q", "-b", "main", &from, &to])?;
    Ok(dir)
}

/// The path of a generated file.
fn path(number: usize) -> String {
    let folder = number / FILES_A_FOLDER;
    format!(
        "packages/package-{:03}/src/folder-{:02}/file-{:02}.js",
        folder / FOLDERS_A_PACKAGE,
        folder % FOLDERS_A_PACKAGE,
        number % FILES_A_FOLDER
    )
}

/// One commit with all files, for `git fast-import`. Sizes vary between a few lines and a few hundred.
fn write_stream(to: &Path) -> Result<()> {
    let mut out = BufWriter::new(File::create(to)?);
    writeln!(out, "commit refs/heads/main")?;
    writeln!(
        out,
        "committer Bench <bench@example.com> 1700000000 +0000\ndata 5\nbegin"
    )?;
    for number in 0..FILES {
        let lines = 4 + number * 7919 % 90;
        let text: String = (0..lines)
            .map(|line| format!("export const value{line} = {};\n", number * 31 + line))
            .collect::<Vec<_>>()
            .concat();
        writeln!(
            out,
            "M 100644 inline {}\ndata {}\n{text}",
            path(number),
            text.len()
        )?;
    }
    Ok(out.flush()?)
}

/// Paths of a repository, spread evenly: one for each packet.
pub(crate) fn spread(place: &Place, dir: &Path, count: usize) -> Result<Vec<String>> {
    let output = place
        .command("git", dir)
        .args(["ls-files", "*.js"])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut folders: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains([' ', '"', '[']))
        .collect();
    // One file a folder, so that no two packets share a scope.
    folders.dedup_by_key(|line| line.rsplit_once('/').map_or("", |(folder, _)| folder));
    ensure!(
        folders.len() >= count,
        "too few folders for {count} packets"
    );
    let step = folders.len() / count;
    Ok(folders
        .iter()
        .step_by(step)
        .take(count)
        .map(|&line| line.to_owned())
        .collect())
}
