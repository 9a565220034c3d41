//! The command line: a file a verb, one enum, one match.
//!
//! A verb is a `struct …Args` whose doc comments are its help, and a function that takes the resolved
//! `context::Context` and answers with an exit code. Invariants: stdout gets answers and nothing else, stderr
//! gets everything that narrates; no verb asks a question unless a person sits at a terminal; `--json` where
//! something is read. Called by `main`.

mod advice;
mod agents;
mod agents_test;
mod archive;
mod confirm;
mod context;
mod demo;
mod doctor;
mod drive;
mod fan_out;
mod gates;
mod hooks;
mod init;
mod integrate;
mod keys;
mod land;
mod log;
mod output;
mod packet;
mod plan;
mod probe;
mod prune;
mod push;
mod recipe;
mod report;
mod request;
mod rescue;
mod revert;
mod review;
mod review_head;
mod review_since;
mod run;
mod script;
mod script_check;
mod script_end;
mod script_fresh;
mod script_list;
mod script_run;
mod split;
mod start;
mod status;
mod verify;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::error::{self, ExitCode};
use context::Context;

/// One large code change as many small supervised ones
///
/// dynwf plans a change, splits it into packets, gives each packet its own git worktree and branch where an agent
/// or a person works, merges what came back, proves what it merged, and asks before anything large lands and
/// before anything at all leaves the machine.
#[derive(Debug, Parser)]
#[command(name = "dynwf", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    /// Run as if started in this folder
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = output::Colour::Auto, value_name = "WHEN")]
    color: output::Colour,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  dynwf plan refactor --from plan.toml   check a plan and put it in place
  dynwf run refactor                     everything up to the next gate; resumes whatever is there
  dynwf status refactor                  what is going on, what waits for you, and the command that answers it
  dynwf review refactor 03-cli           read a packet's difference
  dynwf approve refactor merge:03-cli    answer a gate
  dynwf land refactor                    move the target branch, once that is approved
  dynwf push refactor                    push what was landed, once that is approved

Exit codes: 0 done, 1 some packets failed, 2 bad input, 3 a gate or work waits for you, 4 a conflict is yours,
5 another dynwf holds the workflow, 6 verification failed, 7 budget used up, 70 a bug.";

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::PlanArgs),
    Split(split::SplitArgs),
    Run(run::RunArgs),
    Status(status::StatusArgs),
    Integrate(integrate::IntegrateArgs),
    Probe(probe::ProbeArgs),
    Verify(verify::VerifyArgs),
    Gates(gates::GatesArgs),
    Approve(gates::ApproveArgs),
    Reject(gates::RejectArgs),
    Revoke(gates::RevokeArgs),
    Review(review::ReviewArgs),
    Land(land::LandArgs),
    Push(push::PushArgs),
    Revert(revert::RevertArgs),
    #[command(subcommand)]
    Packet(packet::PacketCommand),
    Stop(request::StopArgs),
    Archive(archive::ArchiveArgs),
    #[command(subcommand)]
    Script(script::ScriptCommand),
    #[command(subcommand)]
    Recipe(recipe::RecipeCommand),
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    #[command(subcommand)]
    Hooks(hooks::HooksCommand),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Agents(agents::AgentsCommand),
    Log(log::LogArgs),
    Report(report::ReportArgs),
    Rescue(rescue::RescueArgs),
    Prune(prune::PruneArgs),
    Triage(advice::TriageArgs),
    Completions(advice::CompletionsArgs),
    #[command(subcommand, hide = true)]
    Hook(hooks::HookCommand),
}

/// Parses the arguments, runs the verb, prints an error if there is one, and returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let asked = !error.use_stderr();
            let _ = error.print();
            return if asked { 0 } else { ExitCode::Usage.number() };
        }
    };
    output::set_colour(cli.color);
    let directory = cli.directory.as_deref();
    match dispatch(&cli.command, directory, &|| Context::open(directory)) {
        Ok(code) => code.number(),
        Err(error) if output::is_closed_pipe(&error) => 0,
        Err(error) => {
            output::error(&error);
            error::code_of(&error).number()
        }
    }
}

/// Runs a verb on the repository that `here` finds; `directory` is what `-C` said.
fn dispatch(
    command: &Command,
    directory: Option<&Path>,
    here: &dyn Fn() -> Result<Context>,
) -> Result<ExitCode> {
    match command {
        Command::Plan(args) => plan::plan(here, args),
        Command::Split(args) => split::split(&here()?, args),
        Command::Run(args) => run::run(&here()?, args),
        Command::Status(args) => status::status(&here()?, args),
        Command::Integrate(args) => integrate::integrate(&here()?, args),
        Command::Probe(args) => probe::probe(&here()?, args),
        Command::Verify(args) => verify::verify(&here()?, args),
        Command::Gates(args) => gates::gates(&here()?, args),
        Command::Approve(args) => gates::approve(&here()?, args),
        Command::Reject(args) => gates::reject(&here()?, args),
        Command::Revoke(args) => gates::revoke(&here()?, args),
        Command::Land(args) => land::land(&here()?, args),
        Command::Push(args) => push::push(&here()?, args),
        Command::Revert(args) => revert::revert(&here()?, args),
        Command::Packet(args) => packet::packet(&here()?, args),
        Command::Stop(args) => request::stop(&here()?, args),
        Command::Review(args) => review::review(&here()?, args),
        Command::Archive(args) => archive::archive(&here()?, args),
        Command::Script(args) => script::script(directory, here, args),
        Command::Recipe(args) => recipe::recipe(&here()?, args),
        Command::Demo(args) => demo::demo(directory, args, perform),
        Command::Init(args) => init::init(&here()?, args),
        Command::Hooks(args) => hooks::hooks(&here()?, args),
        Command::Doctor(args) => doctor::doctor(directory, args),
        Command::Agents(agents::AgentsCommand::List { json, no_version }) => {
            agents::list(&here()?, *json, *no_version)
        }
        Command::Agents(agents::AgentsCommand::Test { name }) => agents_test::test(&here()?, name),
        Command::Prune(args) => prune::prune(&here()?, args),
        Command::Log(args) => log::log(&here()?, args),
        Command::Report(args) => report::report(&here()?, args),
        Command::Rescue(args) => rescue::rescue(&here()?, args),
        Command::Triage(args) => advice::triage(args),
        Command::Completions(args) => advice::completions(args, Cli::command()),
        Command::Hook(args) => Ok(hooks::hook(args)),
    }
}

/// Runs a verb as if it had been typed in the repository in this folder, which stands alone.
fn perform(words: &[&str], repository: &Path) -> Result<ExitCode> {
    let words = std::iter::once("dynwf").chain(words.iter().copied());
    let cli = Cli::try_parse_from(words).context("understanding a verb")?;
    dispatch(&cli.command, None, &|| Context::open_alone(repository))
}
