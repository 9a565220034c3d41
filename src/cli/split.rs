//! `dynwf split`: branches, workspaces and packet files; of a plan, of files, or of a branch that is there.

use anyhow::Result;

use super::context::Context;
use super::{drive, fan_out, output, start};
use crate::error::{ExitCode, usage};
use crate::model::carve::Carved;
use crate::model::id::{CommitId, RefName, Slug};
use crate::model::path::{RepoPath, printable};
use crate::model::plan::{PARENT_AGENT, Plan};
use crate::plan::carve;
use crate::plan::render::{self, Setting};
use crate::plan::shard::{self, By, Cut, Request};
use crate::plan::{parse, toml_text};
use crate::report::cut::{self, Shown};
use crate::report::face::{Face, PlanTexts};
use crate::runner::{Goal, Order};

/// Freeze the plan, and give each packet that can start a branch, a workspace and a packet file
///
/// With --by the plan is made first: the files that --paths matches are put into packets with the same work to do, each
/// with a scope of its own. With --from-branch what a branch changed is put into packets instead, each a commit on the base,
/// collected and ready to be reviewed and merged; that all of them together are the branch is proved first, and printed.
/// What there would be is printed by --dry-run, which changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dynwf split refactor                             split the plan in .workflow/refactor/
  dynwf split log --by dir --paths 'crates/**/*.rs' --objective 'Replace log by tracing' --agent codex
  dynwf split lic --by size --max-packets 6 --paths '**/*.rs' --objective 'New licence header' \\
      --run 'set -f; GIT_GLOB_PATHSPECS=1 git ls-files -z -- $DYNWF_SCOPE | xargs -0 sed -i 1s/2025/2026/'
  dynwf split own --by owner --paths src docs --objective 'Rename the product' --dry-run
  dynwf split big --from-branch big-refactor --by dir          carve a branch into packets
  dynwf split big --from-branch v1..v2 --by size --max-packets 5 --dry-run")]
pub(super) struct SplitArgs {
    /// The workflow
    slug: Slug,

    /// Make the plan: packets by directory, by CODEOWNERS, by balanced size, or one for each glob
    #[arg(long, value_enum)]
    by: Option<Way>,

    /// Carve this branch into packets, or this range of commits, A..B
    #[arg(long, value_name = "REF", requires = "by")]
    from_branch: Option<String>,

    /// Which files: globs, relative to the top of the repository. Of a branch the rest becomes a packet of its own
    #[arg(long, value_name = "GLOB", num_args = 1.., requires = "by")]
    paths: Vec<String>,

    /// What every packet is to do
    #[arg(long, value_name = "TEXT", requires = "by")]
    objective: Option<String>,

    /// The shell command that does it in each packet's workspace; $DYNWF_SCOPE holds the packet's globs
    #[arg(long, value_name = "CMD", requires = "by", conflicts_with = "agent")]
    run: Option<String>,

    /// The agent that does it. Default: parent, which is you
    #[arg(long, value_name = "NAME", requires = "by")]
    agent: Option<String>,

    /// At most so many packets. By size it makes as many as it may [default there: 8], by directory it joins
    /// neighbours; owners and globs are never joined
    #[arg(long, value_name = "N", requires = "by", value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_packets: Option<u32>,

    /// Start from this revision. Default: HEAD; for a branch, where it left the branch to land on
    #[arg(long, value_name = "REV", requires = "by")]
    base: Option<String>,

    /// Land on this branch. Default: the one that is checked out
    #[arg(long, value_name = "BRANCH", requires = "by")]
    target: Option<String>,

    /// Print what there would be, and change nothing
    #[arg(long, requires = "by")]
    dry_run: bool,

    /// Machine-readable, for scripts
    #[arg(long, requires = "by")]
    json: bool,
}

/// How `--by` says it.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Way {
    /// A packet for each directory in the one that holds all files, and one for the files that lie in that one
    Dir,
    /// A packet for each owner in CODEOWNERS, and one for what nobody owns
    Owner,
    /// Packets of about as many bytes each; files that history changes together stay together
    Size,
    /// A packet for each glob
    Glob,
}

impl From<Way> for By {
    fn from(way: Way) -> Self {
        match way {
            Way::Dir => Self::Dir,
            Way::Owner => Self::Owner,
            Way::Size => Self::Size,
            Way::Glob => Self::Glob,
        }
    }
}

pub(super) fn split(context: &Context, args: &SplitArgs) -> Result<ExitCode> {
    match args.by {
        None => cut_branches(context, &args.slug, false),
        Some(way) => match &args.from_branch {
            None => by(context, args, way.into()),
            Some(from) => carve(context, args, way.into(), from),
        },
    }
}

/// Carves a branch into packets.
fn carve(context: &Context, args: &SplitArgs, by: By, from: &str) -> Result<ExitCode> {
    let slug = &args.slug;
    let range = range(context, args, from)?;
    let base = range.base.to_string();
    let objective = match &args.objective {
        Some(objective) => objective.clone(),
        None => objective_of(context, from, &range)?,
    };
    let request = Request {
        objective: &objective,
        ..request(args, by, Some(&base))
    };
    filled(request.objective)?;
    let carving = carve::carve(&context.git, &range.base, &range.tip, &request)?;
    let carved = Carved {
        from: from.to_owned(),
        base: carving.base.clone(),
        tip: carving.tip.clone(),
        tree: carving.tree.clone(),
        packets: carving.cut.rows.iter().map(|row| row.id.clone()).collect(),
        proof: carving.proof,
    };
    let known = context
        .store
        .read(slug)?
        .filter(|state| state.frozen.is_some());
    if let Some(state) = &known {
        let same = state.carved.as_ref().is_some_and(|known| {
            (&known.base, &known.tip, &known.packets)
                == (&carved.base, &carved.tip, &carved.packets)
        });
        if !same {
            return Err(already_split(slug));
        }
    }
    let target = check(context, slug, &carving.cut, &carving.added())?;
    let mut shown = Shown {
        slug,
        by,
        base: &carving.base,
        cut: &carving.cut,
        plan: None,
        carved: Some(&carved),
    };
    if args.dry_run {
        show(&shown, args.json)?;
        output::say("nothing was changed; without --dry-run this becomes branches");
        return Ok(ExitCode::Done);
    }
    let mut session = match known {
        Some(_) => start::begin(context, slug)?,
        None => start::begin_carved(context, slug, &carving, carved.clone(), target)?,
    };
    let plan = place(context, slug, &carving.cut)?;
    shown.plan = Some(&plan);
    show(&shown, args.json)?;
    let end = drive::drive(context, &mut session, Order::of(Goal::Split), args.json)?;
    if drive::code(&end) == ExitCode::Done {
        output::say(&format!(
            "next: dynwf run {slug} checks, judges and merges them; dynwf review {slug} PACKET shows one"
        ));
    }
    Ok(drive::code(&end))
}

/// What is carved.
struct Range {
    base: CommitId,
    tip: CommitId,
}

/// Reads `REF` or `A..B`, and finds where it began.
fn range(context: &Context, args: &SplitArgs, from: &str) -> Result<Range> {
    let commit = |rev: &str, what: &str| {
        context.git.resolve(rev)?.ok_or_else(|| {
            usage(
                format!("{what} `{rev}` names no commit in this repository"),
                "git branch --all lists what there is",
            )
        })
    };
    let odd = |why: &str| {
        usage(
            format!("--from-branch `{from}`: {why}"),
            "name a branch or any commit, or a range A..B",
        )
    };
    let or_head = |rev: &str| if rev.is_empty() { "HEAD" } else { rev }.to_owned();
    let (began, tip) = match from.split_once("..") {
        Some((_, rest)) if rest.starts_with('.') => {
            return Err(odd(
                "a range has two dots; with three it has two beginnings",
            ));
        }
        Some(_) if args.base.is_some() => return Err(odd("a range has its base already")),
        Some((began, tip)) => (Some(or_head(began)), or_head(tip)),
        None => (args.base.clone(), from.to_owned()),
    };
    let tip = commit(&tip, "--from-branch")?;
    if let Some(began) = began {
        let base = commit(&began, "--base")?;
        return Ok(Range { base, tip });
    }
    let onto = match &args.target {
        Some(target) => commit(target, "--target")?,
        None => commit("HEAD", "--target")?,
    };
    let base = context.git.merge_base(&tip, &onto)?.ok_or_else(|| {
        usage(
            format!("`{from}` has no commit in common with the branch to land on"),
            "--base REV says what it is to be compared with",
        )
    })?;
    if base == tip {
        return Err(usage(
            format!("the branch to land on has all of `{from}` already"),
            "--target BRANCH names another branch to land on, --base REV where the work began",
        ));
    }
    Ok(Range { base, tip })
}

/// The subject of a single commit, else the branch's name.
fn objective_of(context: &Context, from: &str, range: &Range) -> Result<String> {
    let git = &context.git;
    if git.parents_of(&range.tip)? == [range.base.clone()] {
        let message = git.message_of(&range.tip)?;
        let subject = message.lines().next().unwrap_or_default().trim();
        if !subject.is_empty() {
            return Ok(printable(subject).into_owned());
        }
    }
    Ok(format!("Part of {from}"))
}

fn filled(objective: &str) -> Result<()> {
    if objective.trim().is_empty() {
        return Err(usage(
            "--objective is empty",
            "say in a sentence what each packet is to do",
        ));
    }
    Ok(())
}

/// Makes the branches and workspaces of a plan.
fn cut_branches(context: &Context, slug: &Slug, quiet: bool) -> Result<ExitCode> {
    let mut session = start::begin(context, slug)?;
    if !quiet {
        fan_out::say(context, session.state());
    }
    let end = drive::drive(context, &mut session, Order::of(Goal::Split), quiet)?;
    Ok(drive::code(&end))
}

/// Makes a plan of files, then its branches and workspaces.
fn by(context: &Context, args: &SplitArgs, by: By) -> Result<ExitCode> {
    let slug = &args.slug;
    let frozen = context.store.read(slug)?.and_then(|state| state.frozen);
    let base = match &frozen {
        Some(frozen) => frozen.base.clone(),
        None => base_of(context, args.base.as_deref())?,
    };
    if args.paths.is_empty() || args.objective.is_none() {
        return Err(usage(
            "--by needs --paths GLOB… and --objective TEXT: which files, and what is to be done with them",
            format!(
                "dynwf split {slug} --by {} --paths 'src/**' --objective 'What to do' --dry-run",
                by.word()
            ),
        ));
    }
    let request = request(args, by, args.base.as_deref());
    filled(request.objective)?;
    let cut = shard::shard(&context.git, &base, &request)?;
    if let Some(frozen) = frozen {
        let mut plan = cut.plan.clone();
        start::order(&mut plan);
        if plan != *frozen.plan {
            return Err(already_split(slug));
        }
    }
    check(context, slug, &cut, &[])?;
    let plan = if args.dry_run {
        None
    } else {
        Some(place(context, slug, &cut)?)
    };
    let shown = Shown {
        slug,
        by,
        base: &base,
        cut: &cut,
        plan: plan.as_deref(),
        carved: None,
    };
    show(&shown, args.json)?;
    if args.dry_run {
        output::say("nothing was changed; without --dry-run this becomes branches and workspaces");
        return Ok(ExitCode::Done);
    }
    cut_branches(context, slug, args.json)
}

fn already_split(slug: &Slug) -> anyhow::Error {
    usage(
        format!("workflow {slug} is split already, into other packets than these"),
        format!(
            "dynwf split {slug} goes on with it; another name than {slug} begins another workflow"
        ),
    )
}

fn base_of(context: &Context, given: Option<&str>) -> Result<CommitId> {
    let rev = given.unwrap_or("HEAD");
    context.git.resolve(rev)?.ok_or_else(|| match given {
        Some(rev) => usage(
            format!("--base `{rev}` names no commit in this repository"),
            "git branch --all lists what there is",
        ),
        None => usage(
            "the repository has no commit yet",
            "make a first commit: packets need one to start from",
        ),
    })
}

fn request<'a>(args: &'a SplitArgs, by: By, base: Option<&'a str>) -> Request<'a> {
    let agent = match (&args.agent, &args.run) {
        (None, None) => Some(PARENT_AGENT),
        (agent, _) => agent.as_deref(),
    };
    Request {
        by,
        paths: &args.paths,
        objective: args.objective.as_deref().unwrap_or_default(),
        agent,
        run: args.run.as_deref(),
        most: args.max_packets.and_then(|most| usize::try_from(most).ok()),
        base,
        target: args.target.as_deref(),
    }
}

/// Checks a plan as any other, and that nothing is in its way; returns the branch that it lands on. `added` are files that
/// its packets add.
fn check(context: &Context, slug: &Slug, cut: &Cut, added: &[RepoPath]) -> Result<RefName> {
    let shown = format!(".workflow/{slug}/plan.toml");
    let (plan, places) = parse(toml_text(&cut.plan).as_bytes(), &shown)?;
    let checked = start::check_with(context, plan, &places, added)?;
    if context
        .store
        .read(slug)?
        .is_none_or(|state| state.frozen.is_none())
    {
        refuse_another_plan(context, slug, &cut.plan)?;
        start::names_are_free(context, slug)?;
    }
    Ok(checked.target)
}

/// Puts a plan where people find it; returns where that is.
fn place(context: &Context, slug: &Slug, cut: &Cut) -> Result<String> {
    let setting = Setting {
        slug,
        base: None,
        target: None,
    };
    let face = Face::new(&context.git.face_root()?, context.git.common_dir(), slug);
    face.write_plan(&PlanTexts {
        plan_toml: Some(toml_text(&cut.plan)),
        plan_md: Some(render::plan_md(&setting, &cut.plan)),
        ..PlanTexts::default()
    })?;
    Ok(context.plan_file(slug)?.display().to_string())
}

/// Prints what there is, or would be.
fn show(shown: &Shown<'_>, as_json: bool) -> Result<()> {
    for note in &shown.cut.notes {
        output::say(&format!("note: {note}"));
    }
    if as_json {
        return output::answer(&format!("{:#}", cut::value(shown)));
    }
    output::answer(&cut::table(shown))?;
    if let Some(plan) = shown.plan {
        output::answer(&format!("plan: {plan}"))?;
    }
    Ok(())
}

/// What a person wrote is not written over.
fn refuse_another_plan(context: &Context, slug: &Slug, plan: &Plan) -> Result<()> {
    let file = context.plan_file(slug)?;
    if !file.exists() {
        return Ok(());
    }
    let read = start::read_plan(&file, &format!(".workflow/{slug}/plan.toml"));
    if read.is_ok_and(|(there, _, _)| there == *plan) {
        return Ok(());
    }
    Err(usage(
        format!(
            "there is another plan for {slug} already: {}",
            file.display()
        ),
        format!("dynwf split {slug} splits that one; remove the file to make a new one"),
    ))
}
