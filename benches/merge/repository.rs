//! The repository that is measured on, and its branches.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::place::Place;

/// How many branches there are.
pub(crate) const PACKETS: usize = 50;

/// How many files one of them touches: all but one are changed, and that one is deleted.
const TOUCHED: usize = 20;

/// How many files lie in one folder, and how many folders in one package.
const FILES_A_FOLDER: usize = 12;
const FOLDERS_A_PACKAGE: usize = 16;

/// Where the files come from.
pub(crate) enum Source {
    Bundle(PathBuf),
    Files(usize),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle(file) => write!(f, "{}", file.display()),
            Self::Files(count) => write!(f, "{count} generated files"),
        }
    }
}

/// The name of a branch.
pub(crate) fn branch(number: usize) -> String {
    format!("packet-{number:02}")
}

/// Makes the repository, bare, with `main` and the branches.
pub(crate) fn make(place: &Place, source: &Source) -> Result<PathBuf> {
    let dir = place.join("large.git");
    fs::create_dir(&dir)?;
    place.git(&dir, &["init", "-q", "--bare"])?;
    match source {
        Source::Bundle(file) => {
            let file = fs::canonicalize(file)?.display().to_string();
            let heads = place.git(place.path(), &["bundle", "list-heads", &file])?;
            let head = heads.split_whitespace().nth(1).context("an empty bundle")?;
            place.git(
                &dir,
                &["fetch", "-q", &file, &format!("{head}:refs/heads/main")],
            )?;
        }
        Source::Files(count) => import(place, &dir, |out| files(out, *count))?,
    }
    let listed = place.git(&dir, &["ls-tree", "-r", "-z", "main"])?;
    let paths: Vec<&str> = listed
        .split('\0')
        .filter(|line| line.starts_with("100"))
        .filter_map(|line| line.split_once('\t'))
        .map(|(_, path)| path)
        .collect();
    let step = paths.len() / PACKETS;
    ensure!(step > TOUCHED, "too few files for {PACKETS} packets");
    import(place, &dir, |out| {
        for (number, paths) in paths.chunks(step).take(PACKETS).enumerate() {
            packet(out, number, &paths[..TOUCHED])?;
        }
        Ok(())
    })?;
    Ok(dir)
}

fn import(
    place: &Place,
    dir: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let stream = place.join("stream");
    let mut out = BufWriter::new(File::create(&stream)?);
    write(&mut out)?;
    out.flush()?;
    let status = place
        .command("git", dir)
        .args(["fast-import", "--quiet"])
        .stdin(File::open(&stream)?)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "git fast-import: {status}");
    Ok(())
}

fn begin(out: &mut dyn Write, branch: &str) -> Result<()> {
    writeln!(
        out,
        "commit refs/heads/{branch}\ncommitter Bench <bench@example.com> 1700000000 +0000\ndata 2\nm"
    )?;
    Ok(())
}

fn file(out: &mut dyn Write, path: &str, text: &str) -> Result<()> {
    write!(
        out,
        "M 100644 inline {}\ndata {}\n{text}\n",
        quoted(path),
        text.len()
    )?;
    Ok(())
}

fn quoted(path: &str) -> String {
    let bytes: Vec<String> = path.bytes().map(|byte| format!("\\{byte:03o}")).collect();
    format!("\"{}\"", bytes.concat())
}

/// One commit with this many files; sizes vary between a few lines and a hundred.
fn files(out: &mut dyn Write, count: usize) -> Result<()> {
    begin(out, "main")?;
    for number in 0..count {
        let folder = number / FILES_A_FOLDER;
        let path = format!(
            "packages/package-{:03}/src/folder-{:02}/file-{:02}.js",
            folder / FOLDERS_A_PACKAGE,
            folder % FOLDERS_A_PACKAGE,
            number % FILES_A_FOLDER
        );
        let lines = 4 + number * 7919 % 90;
        let text: Vec<String> = (0..lines)
            .map(|line| format!("export const value{line} = {};\n", number * 31 + line))
            .collect();
        file(out, &path, &text.concat())?;
    }
    Ok(())
}

/// The branch of one packet: these files, of which the last goes, and two new ones beside the first.
fn packet(out: &mut dyn Write, number: usize, paths: &[&str]) -> Result<()> {
    begin(out, &branch(number))?;
    writeln!(out, "from refs/heads/main^0")?;
    let Some((last, changed)) = paths.split_last() else {
        return Ok(());
    };
    for path in changed {
        file(out, path, &format!("changed by packet {number}: {path}\n"))?;
    }
    writeln!(out, "D {}", quoted(last))?;
    for name in ["one", "two"] {
        let added = format!("{}-{number}-{name}", paths[0]);
        file(out, &added, &format!("{name} of packet {number}\n"))?;
    }
    Ok(())
}
