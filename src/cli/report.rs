//! `dynwf report`: the files that people read, written again from the journal.

use anyhow::Result;
use jiff::Timestamp;

use super::context::Context;
use super::{drive, output, plan};
use crate::error::ExitCode;
use crate::model::id::Slug;
use crate::plan::toml_text;
use crate::report::face::Face;
use crate::report::{json, summary, view};

/// Bring .workflow/SLUG/ up to date with the journal, or print the report
///
/// Everything there but plan.toml is rendered from the journal and can be written again at any time. Prints what was
/// written.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf report refactor
  dynwf report refactor --rebuild     the frozen plan too, if plan.toml is gone
  dynwf report refactor --final       print the report: outcome, evidence, decisions, what is left")]
pub(super) struct ReportArgs {
    /// The workflow
    slug: Slug,

    /// Write plan.toml too if it is not there: the plan as it was frozen
    #[arg(long)]
    rebuild: bool,

    /// Print the report as things stand, and write nothing
    #[arg(long = "final", conflicts_with = "rebuild")]
    print: bool,

    /// Machine-readable, for scripts
    #[arg(long, requires = "print")]
    json: bool,
}

pub(super) fn report(context: &Context, args: &ReportArgs) -> Result<ExitCode> {
    let state = context.state(&args.slug)?;
    let now = Timestamp::now();
    if args.json {
        output::answer(&json::document(&serde_json::json!({
            "status": view::StatusView::new(&state, now),
            "report": summary::final_report(&state, now),
        })))?;
        return Ok(ExitCode::Done);
    }
    if args.print {
        output::answer(&summary::final_report(&state, now))?;
        return Ok(ExitCode::Done);
    }
    let face = Face::new(
        &context.git.face_root()?,
        context.git.common_dir(),
        &args.slug,
    );
    let mut written = Vec::new();
    if let Some(frozen) = &state.frozen
        && args.rebuild
        && face.read("plan.toml")?.is_none()
    {
        plan::write(context, &args.slug, toml_text(&frozen.plan))?;
        written.push("plan.toml".to_owned());
    }
    written.extend(drive::write(&face, &state)?);
    if written.is_empty() {
        output::say(&format!("{} is as it should be", face.path().display()));
    }
    for name in written {
        output::answer(&face.path().join(name).display().to_string())?;
    }
    Ok(ExitCode::Done)
}
