//! `dynwf init`: prepare a repository. Not needed; every verb works without it.

use anyhow::Result;

use super::context::Context;
use super::{hooks, output};
use crate::config::resolve::REPOSITORY_FILE;
use crate::error::{ExitCode, usage};
use crate::report::face;

/// The settings, each with its default, all of them commented out.
const SETTINGS: &str = include_str!("dynwf.toml");

/// Prepare a repository: settings to edit, and git told to ignore the folders of runs
///
/// Nothing here is needed: every verb works without it. It writes dynwf.toml, in which every setting is commented out,
/// unless the file is there, and two lines to .git/info/exclude. It says what it wrote, and writes nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf init
  dynwf init --hooks     the pre-push hook too (dynwf hooks install)")]
pub(super) struct InitArgs {
    /// Install the pre-push hook, too
    #[arg(long)]
    hooks: bool,
}

pub(super) fn init(context: &Context, args: &InitArgs) -> Result<ExitCode> {
    let git = &context.git;
    let Some(top) = git.work_tree().or(git.main_work_tree()) else {
        return Err(usage(
            "this repository is bare: there is no folder to put dynwf.toml into",
            "dynwf init in a worktree of it",
        ));
    };
    let file = top.join(REPOSITORY_FILE);
    // A link that leads nowhere is something, too.
    if file.symlink_metadata().is_ok() {
        output::say(&format!("{} is there and is left as it is", file.display()));
    } else {
        crate::process::write_durably(&file, SETTINGS.as_bytes())?;
        output::answer(&format!("wrote {}", file.display()))?;
        output::say(
            "  every setting is commented out; edit it, and commit it if others should have it",
        );
    }
    let exclude = git.common_dir().join("info/exclude");
    if face::ignore_runs(git.common_dir())? {
        output::answer(&format!("wrote {}", exclude.display()))?;
        output::say("  /.workflow/* is ignored, but for recipes, which are meant to be committed");
    } else {
        output::say(&format!(
            "{} ignores /.workflow/* already",
            exclude.display()
        ));
    }
    if args.hooks {
        hooks::install(context)?;
    } else {
        output::say("dynwf hooks install stops unapproved work from being pushed by accident");
    }
    output::say(
        "next: dynwf plan NAME --task \"what is to be done\", or dynwf demo to see how it goes",
    );
    Ok(ExitCode::Done)
}
