//! `dynwf probe`: would two commits merge?

use std::io::BufRead as _;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::context::Context;
use super::output;
use crate::error::{ExitCode, Failure, usage};
use crate::git::{Batch, Git, TreeMerge};
use crate::model::id::CommitId;

/// Merge two commits in memory and say what would come of it; nothing moves and nothing is checked out
///
/// Prints the id of the merged tree, or the paths in conflict, and which road was taken: `tree` in this process, or `git`
/// for what only the git program can answer. Both give the same. Ends with 0, or with 4 if there is a conflict.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf probe main feature              would feature merge into main?
  dynwf probe main feature --json       the same for programs
  dynwf probe main fix --base fix~1     only what the last commit of fix changed
  dynwf probe --stdin < pairs           a pair (or OURS THEIRS BASE) a line, an answer a line")]
pub(super) struct ProbeArgs {
    /// What is merged onto: a branch, a tag, an id
    #[arg(required_unless_present = "stdin", conflicts_with = "stdin")]
    ours: Option<String>,

    /// What is merged
    #[arg(required_unless_present = "stdin", conflicts_with = "stdin")]
    theirs: Option<String>,

    /// Take this for the common ancestor
    #[arg(long, value_name = "REV", conflicts_with = "stdin")]
    base: Option<String>,

    /// Read pairs, one a line, and answer each line at once
    #[arg(long)]
    stdin: bool,

    /// Answer with JSON: {tree, conflicts: [{path, kind}], road}, on one line; with `reason` if the program had to
    /// merge, and `directories` for a directory that was moved in two ways
    #[arg(long)]
    json: bool,
}

pub(super) fn probe(context: &Context, args: &ProbeArgs) -> Result<ExitCode> {
    let mut prober = Prober {
        git: &context.git,
        batch: context.git.batch()?,
        json: args.json,
    };
    if args.stdin {
        return prober.lines();
    }
    let words = [&args.ours, &args.theirs, &args.base];
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    let merged = prober.one(&words)?;
    prober.show(&merged)?;
    Ok(code(&merged))
}

struct Prober<'a> {
    git: &'a Git,
    batch: Batch,
    json: bool,
}

impl Prober<'_> {
    /// Answers line by line. A line that cannot be answered is an answer too: `error: …`.
    fn lines(&mut self) -> Result<ExitCode> {
        let mut worst = ExitCode::Done;
        for line in std::io::stdin().lock().lines() {
            let line = line.context("reading the pairs")?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match self.one(&words) {
                Ok(merged) => {
                    self.show(&merged)?;
                    if worst == ExitCode::Done {
                        worst = code(&merged);
                    }
                }
                Err(error) => {
                    let text = format!("{error:#}").replace('\n', " ");
                    output::answer(&if self.json {
                        json!({ "error": text }).to_string()
                    } else {
                        format!("error: {text}")
                    })?;
                    worst = ExitCode::Usage;
                }
            }
        }
        Ok(worst)
    }

    fn one(&mut self, words: &[&str]) -> Result<TreeMerge> {
        let (ours, theirs, base) = match words {
            [ours, theirs] => (ours, theirs, None),
            [ours, theirs, base] => (ours, theirs, Some(base)),
            _ => {
                return Err(usage(
                    "a line must name two revisions, or three with the common ancestor",
                    "OURS THEIRS [BASE]",
                ));
            }
        };
        let (ours, theirs) = (self.commit(ours)?, self.commit(theirs)?);
        let base = base.map(|base| self.commit(base)).transpose()?;
        let merged = self.batch.probe(base.as_ref(), &ours, &theirs);
        if merged.is_err() && base.is_none() && self.git.merge_base(&ours, &theirs)?.is_none() {
            return Err(usage(
                format!(
                    "{} and {} have no common ancestor",
                    ours.short(),
                    theirs.short()
                ),
                "name one with --base",
            ));
        }
        merged
    }

    fn commit(&self, rev: &str) -> Result<CommitId> {
        let found = self.git.resolve(rev)?;
        Ok(found.ok_or_else(|| {
            Failure::usage(format!("`{rev}` names no commit"))
                .hint("give a branch, a tag or an id; git log --oneline --all shows some")
        })?)
    }

    fn show(&self, merged: &TreeMerge) -> Result<()> {
        output::answer(&if self.json {
            let mut answer = as_json(merged);
            if let Some(reason) = self.batch.reason() {
                answer["reason"] = reason.into();
            }
            answer.to_string()
        } else {
            as_text(merged)
        })
    }
}

fn code(merged: &TreeMerge) -> ExitCode {
    match merged {
        TreeMerge::Clean { .. } => ExitCode::Done,
        TreeMerge::Conflicted { .. } => ExitCode::Conflict,
    }
}

fn as_json(merged: &TreeMerge) -> Value {
    match merged {
        TreeMerge::Clean { tree, road } => json!({"tree": tree, "conflicts": [], "road": road}),
        TreeMerge::Conflicted { files, unmerged } => {
            let files: Vec<_> = files
                .iter()
                .map(|file| json!({"path": file.path, "kind": file.kind}))
                .collect();
            // `conflicts` holds what git lists as unmerged and nothing else.
            if *unmerged {
                json!({"tree": null, "conflicts": files, "road": "git"})
            } else {
                json!({"tree": null, "conflicts": [], "directories": files, "road": "git"})
            }
        }
    }
}

/// `TREE road`, or one line for the conflict with the paths indented below.
fn as_text(merged: &TreeMerge) -> String {
    match merged {
        TreeMerge::Clean { tree, road } => format!("{tree} {road}"),
        TreeMerge::Conflicted { files, .. } => {
            let paths: Vec<_> = files
                .iter()
                .map(|file| format!("\n  {}  {}", file.path, file.kind))
                .collect();
            format!("conflict git{}", paths.concat())
        }
    }
}
