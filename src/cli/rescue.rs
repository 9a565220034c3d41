//! `dynwf rescue`: what would have been lost, and is not.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::context::Context;
use super::output;
use crate::error::{ExitCode, usage};
use crate::git::Git;
use crate::model::id::{CommitId, RefName, Slug};
use crate::model::path::{RepoPath, printable};
use crate::report::json;
use crate::review::diff::{self, Limits};
use crate::review::render::{self, Paper};

/// Where rescue refs lie.
const BELOW: &str = "refs/dynwf/rescue/";

/// List what was put on rescue refs: files that a removed or repeated attempt would have lost
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  dynwf rescue
  dynwf rescue refactor
  dynwf rescue show refactor/03-cli/20250102T030405Z
  git restore --source=refs/dynwf/rescue/refactor/03-cli/20250102T030405Z -- src/lib.rs"
)]
pub(super) struct RescueArgs {
    /// Only what was rescued from this workflow
    slug: Option<Slug>,

    /// Machine-readable, for scripts
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    command: Option<RescueCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum RescueCommand {
    /// Show what a rescue ref holds beyond the commit that was safe already
    Show {
        /// The ref, in full or from the workflow's name on
        name: String,
        /// Machine-readable, for scripts
        #[arg(long)]
        json: bool,
    },
}

/// What a rescue ref says.
#[derive(Serialize)]
struct Rescued {
    #[serde(rename = "ref")]
    name: RefName,
    workflow: String,
    packet: String,
    at: Option<Timestamp>,
    commit: CommitId,
    /// The commit that was safe already.
    base: Option<CommitId>,
    files: Vec<RepoPath>,
    message: String,
}

pub(super) fn rescue(context: &Context, args: &RescueArgs) -> Result<ExitCode> {
    match &args.command {
        Some(RescueCommand::Show { name, json }) => show(context, name, *json)?,
        None => list(context, args)?,
    }
    Ok(ExitCode::Done)
}

fn list(context: &Context, args: &RescueArgs) -> Result<()> {
    let git = &context.git;
    let prefix = match &args.slug {
        Some(slug) => format!("{BELOW}{slug}/"),
        None => BELOW.to_owned(),
    };
    let all = git
        .list_refs(&prefix)?
        .into_iter()
        .map(|(name, commit)| look(git, name, commit))
        .collect::<Result<Vec<_>>>()?;
    if args.json {
        return output::answer(&json::document(&serde_json::json!({"rescued": all})));
    }
    if all.is_empty() {
        output::say("nothing had to be rescued");
        return Ok(());
    }
    for rescued in &all {
        let at = rescued.at.map_or_else(
            || "at an unknown time".to_owned(),
            |at| {
                at.to_zoned(TimeZone::system())
                    .strftime("%F %H:%M")
                    .to_string()
            },
        );
        let names: Vec<String> = rescued
            .files
            .iter()
            .take(4)
            .map(ToString::to_string)
            .collect();
        let more = rescued.files.len().saturating_sub(names.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let line = format!(
            "{at}  {} {}  {}{more}",
            rescued.workflow,
            rescued.packet,
            names.join(", ")
        );
        output::answer(&format!("{}\n  {}", printable(&line), rescued.name))?;
    }
    output::say(
        "dynwf rescue show REF shows one; git restore --source=REF -- PATH brings a file back",
    );
    Ok(())
}

fn look(git: &Git, name: RefName, commit: CommitId) -> Result<Rescued> {
    let mut parts = name.as_str().trim_start_matches(BELOW).split('/');
    let workflow = parts.next().unwrap_or_default().to_owned();
    let packet = parts.next().unwrap_or_default().to_owned();
    let base = git.parents_of(&commit)?.into_iter().next();
    let files = match &base {
        Some(base) => git
            .changes(&git.tree_of(base)?, &git.tree_of(&commit)?)?
            .into_iter()
            .map(|change| change.path)
            .collect(),
        None => Vec::new(),
    };
    Ok(Rescued {
        workflow,
        packet,
        at: time_of(git, &commit)?,
        files,
        base,
        message: git.message_of(&commit)?,
        name,
        commit,
    })
}

fn time_of(git: &Git, commit: &CommitId) -> Result<Option<Timestamp>> {
    let seconds = git
        .command()
        .args(["show", "--no-patch", "--format=%ct", commit.as_str()])
        .text()
        .with_context(|| format!("reading the commit {commit}"))?;
    let seconds = seconds.trim().parse().ok();
    Ok(seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()))
}

fn show(context: &Context, name: &str, as_json: bool) -> Result<()> {
    let git = &context.git;
    let full = if name.starts_with("refs/") {
        name.to_owned()
    } else {
        format!("{BELOW}{name}")
    };
    let none = || {
        usage(
            format!("no rescue ref is called {name}"),
            "dynwf rescue lists them",
        )
    };
    if !full.starts_with(BELOW) {
        return Err(none());
    }
    let full: RefName = full.parse().map_err(|_| none())?;
    let commit = git.read_ref(&full)?.ok_or_else(none)?;
    let rescued = look(git, full, commit)?;
    if as_json {
        return output::answer(&json::document(&rescued));
    }
    let mut lines = vec![
        format!("ref     {}", rescued.name),
        format!("commit  {}", rescued.commit),
    ];
    lines.extend(
        rescued
            .message
            .trim_end()
            .lines()
            .map(|line| printable(line).into_owned()),
    );
    let mut bytes = format!("{}\n\n", lines.join("\n")).into_bytes();
    if let Some(base) = &rescued.base {
        let limits = Limits::default();
        let difference = diff::compare(
            git,
            &git.tree_of(base)?,
            &git.tree_of(&rescued.commit)?,
            limits,
        )?;
        let look = output::look(&std::io::stdout());
        let paper = Paper {
            width: look.width,
            side_by_side: false,
            unicode: look.unicode,
            colour: look.colour,
        };
        render::write(&difference, paper, &mut bytes)?;
    }
    output::answer(&String::from_utf8_lossy(&bytes))
}
