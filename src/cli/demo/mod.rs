//! `dynwf demo`: the whole way of a change, on a small repository of its own, in a few seconds.
//!
//! Every step is the verb that a person would type, parsed and run in this process; nothing is played. Only two
//! things a person would do are done by the demo, and it says so: it answers the gates of its own repository, and it
//! resolves the conflict. Invariants: nothing outside the demo's folder is written; the person's own configuration
//! (dynwf's and git's identity, hooks, signing) has no influence. Called by `cli`.

mod repository;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::context::Context;
use super::{gates, output};
use crate::error::{ExitCode, Failure, usage};
use crate::model::id::{GateId, Slug};

/// The name of the demo's workflow.
const SLUG: &str = "hello";

/// Watch a small change go through all seven stages, in a folder of its own
///
/// Makes a repository and a bare remote in a temporary folder, runs five packets with one conflict and three gates
/// from the plan to the push, and shows each command that you would type. It takes a few seconds, needs nothing but
/// git and sh, and touches nothing outside that folder, which is kept for you to look around in.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf demo
  dynwf demo --into ~/dynwf-demo
  dynwf demo --remove              leave nothing behind")]
pub(super) struct DemoArgs {
    /// Make it in this folder, which must be empty or not there yet
    #[arg(long, value_name = "DIR", conflicts_with = "remove")]
    into: Option<PathBuf>,

    /// Keep the folder (that is what happens anyway)
    #[arg(long, hide = true, conflicts_with = "remove")]
    keep: bool,

    /// Remove the folder at the end
    #[arg(long)]
    remove: bool,
}

/// Runs a verb, given as its words, on the repository in a folder.
pub(super) type Perform = fn(&[&str], &Path) -> Result<ExitCode>;

pub(super) fn demo(
    directory: Option<&Path>,
    args: &DemoArgs,
    perform: Perform,
) -> Result<ExitCode> {
    let began = Instant::now();
    // Kept from the first moment on: after a failure most of all, somebody wants to look at it.
    let root = match &args.into {
        Some(folder) => own_folder(directory, folder)?,
        None => tempfile::Builder::new()
            .prefix("dynwf-demo-")
            .tempdir()
            .context("making a temporary folder")?
            .keep(),
    };
    let repository = repository::make(&root)?;
    let demo = Demo {
        repository,
        slug: SLUG.parse()?,
        perform,
    };
    demo.play(&root)
        .with_context(|| format!("the demo in {} did not come to its end", root.display()))?;
    demo.ending(&root, began.elapsed().as_secs_f32(), args.remove)?;
    if args.remove {
        std::fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
    }
    Ok(ExitCode::Done)
}

/// The folder that the person named, made if it is not there.
fn own_folder(directory: Option<&Path>, folder: &Path) -> Result<PathBuf> {
    let folder = match directory {
        Some(directory) => std::path::absolute(directory.join(folder))?,
        None => std::path::absolute(folder)?,
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut entries =
        std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    if entries.next().is_some() {
        return Err(usage(
            format!("{} is not empty", folder.display()),
            "name an empty folder, or one that is not there yet",
        ));
    }
    Ok(folder)
}

struct Demo {
    repository: PathBuf,
    slug: Slug,
    perform: Perform,
}

impl Demo {
    /// The seven stages.
    fn play(&self, root: &Path) -> Result<()> {
        self.plan_and_split(root)?;
        self.execute()?;
        self.resolve()?;
        self.land_and_push()?;
        self.stage("7  archival");
        note(
            "the workspaces go, the branches stay as plain refs, and the plan's shape is kept as a recipe",
        );
        self.types("archive hello --recipe rename-by-part", &[ExitCode::Done])
    }

    fn plan_and_split(&self, root: &Path) -> Result<()> {
        self.stage("1  planning");
        note("a person (or a planner agent) writes the plan; this one has five packets:");
        for line in repository::PLAN_IN_SHORT.lines() {
            output::say(&format!("    {line}"));
        }
        let plan = root.join("plan.toml");
        self.types_with(
            "plan hello --from ../plan.toml",
            &["plan", SLUG, "--from", &plan.display().to_string()],
            &[ExitCode::Done],
        )?;
        self.stage("2, 3  orchestration and delegation");
        note("each packet gets a branch and a worktree of its own; your checkout is never touched");
        self.types("split hello", &[ExitCode::Done, ExitCode::Waiting])
    }

    fn execute(&self) -> Result<()> {
        self.stage("4  execution");
        note(
            "the agents work in parallel (here they are shell commands); results are collected and merged",
        );
        self.types("run hello", &[ExitCode::Waiting])?;
        note(
            "04-ci changed a protected file, so a person is asked before it is merged; they read it first",
        );
        self.types("review hello 04-ci --no-pager", &[ExitCode::Done])?;
        self.approves("merge:04-ci")
    }

    fn resolve(&self) -> Result<()> {
        self.stage("5  integration");
        self.types("run hello", &[ExitCode::Conflict])?;
        note(
            "02-net and 04-ci wrote the same line of CHANGELOG.md; that conflict lies open in a worktree",
        );
        self.types("integrate hello", &[ExitCode::Conflict])?;
        let context = self.context()?;
        let state = context.state(&self.slug)?;
        let folder = state
            .integration
            .and_then(|integration| integration.workspace)
            .context("the conflict is laid out nowhere")?;
        let file = Path::new(&folder.path).join("CHANGELOG.md");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("reading {}", file.display()))?;
        output::say("");
        for line in text.lines() {
            output::say(&format!("    {line}"));
        }
        output::say("");
        note("the demo keeps both lines, as you would in your editor");
        std::fs::write(&file, repository::RESOLVED)
            .with_context(|| format!("writing {}", file.display()))?;
        let anything = [ExitCode::Done, ExitCode::Waiting];
        self.types("integrate hello --continue", &anything)?;
        self.stage("6  verification");
        note("the checks run on the very tree that would land");
        self.types("run hello", &[ExitCode::Waiting])
    }

    fn land_and_push(&self) -> Result<()> {
        note("everything is integrated and checked; landing and pushing each ask once more");
        self.types(
            "review hello --landing --stat --no-pager",
            &[ExitCode::Done],
        )?;
        self.approves("land")?;
        self.types("land hello", &[ExitCode::Done])?;
        self.types("push hello", &[ExitCode::Waiting])?;
        self.approves("push:origin")?;
        self.types("push hello", &[ExitCode::Done])
    }

    /// Where to look, and what came of it.
    fn ending(&self, root: &Path, seconds: f32, removed: bool) -> Result<()> {
        self.stage("the result");
        let git = self.context()?.git;
        let log = git
            .command()
            .args([
                "log",
                "--graph",
                "--oneline",
                "--no-decorate",
                "refs/heads/main",
            ])
            .text()?;
        let place = self.repository.display();
        output::answer(&format!(
            "main, here and at the remote, has one merge for each packet:\n\n{log}\n\nAll of it took {seconds:.1} s."
        ))?;
        if removed {
            return Ok(());
        }
        output::answer(&format!(
            "\nLook around:\n  \
             cd {place}\n  \
             dynwf status hello                          what became of each packet\n  \
             dynwf log hello                             everything that happened\n  \
             less .workflow/hello/final-report.md        the report, with the evidence\n  \
             less .workflow/recipes/rename-by-part.toml  the plan's shape, to use again\n  \
             git -C {remote} log --oneline main          what was pushed\n\n\
             Nothing outside {root} was touched; rm -r {root} removes it.",
            remote = root.join("remote.git").display(),
            root = root.display()
        ))
    }

    fn context(&self) -> Result<Context> {
        Context::open_alone(&self.repository)
    }

    fn stage(&self, name: &str) {
        let look = output::look(&io::stderr());
        let rule = if look.unicode { "──" } else { "--" };
        let (bold, off) = if look.colour {
            ("\u{1b}[1m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        output::say(&format!(
            "\n{bold}{rule} {} · {name} {rule}{off}",
            self.slug
        ));
    }

    /// Runs a verb as it would be typed, and insists on how it ends.
    fn types(&self, line: &str, expected: &[ExitCode]) -> Result<()> {
        let words: Vec<&str> = line.split(' ').collect();
        self.types_with(line, &words, expected)
    }

    fn types_with(&self, shown: &str, words: &[&str], expected: &[ExitCode]) -> Result<()> {
        prompt(shown);
        let code = (self.perform)(words, &self.repository)?;
        if expected.contains(&code) {
            return Ok(());
        }
        Err(Failure::new(
            ExitCode::Bug,
            format!("`dynwf {shown}` ended with {}", code.number()),
        )
        .hint(format!(
            "dynwf -C {} status hello",
            self.repository.display()
        ))
        .into())
    }

    /// Answers a gate of the demo's own repository.
    fn approves(&self, gate: &str) -> Result<()> {
        prompt(&format!("approve hello {gate}"));
        let context = self.context()?;
        let state = context.state(&self.slug)?;
        let id: GateId = gate.parse()?;
        let gate = state
            .gates
            .get(&id)
            .with_context(|| format!("no gate {id} waits"))?;
        output::say(&gates::describe(&self.slug, gate));
        note("the demo says yes for you; in your repositories only a person can");
        gates::send_yes(&context, gate, &self.slug, false)?;
        Ok(())
    }
}

fn prompt(line: &str) {
    let look = output::look(&io::stderr());
    let (cyan, off) = if look.colour {
        ("\u{1b}[36m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    output::say(&format!("\n{cyan}$ dynwf {line}{off}"));
}

fn note(text: &str) {
    output::say(&format!("  ({text})"));
}
