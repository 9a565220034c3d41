//! One turn of each client: by hand, as a unit, as a whole packet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dynwf::agent::env::unit_environment;
use dynwf::agent::{self, Call};
use dynwf::config::AgentConfig;
use dynwf::model::unit::UnitOutcome;
use dynwf::process::{Follow, Stop, Task, UnitDir, attend, launch_with};
use tokio::sync::watch;

use crate::clients::{Client, clients};
use crate::measure::Place;
use crate::model_server::{ModelServer, Step};
use crate::{Cost, middle};

/// How often each way is measured, in turns.
const ROUNDS: usize = 5;

/// What every turn does.
const PROMPT: &str = "Say so. [[script=turn]]";

/// Measures and prints.
pub(crate) fn report() -> Result<()> {
    println!("a client's turn (two calls of a scripted model, {ROUNDS} rounds, medians)");
    let (there, absent) = clients();
    for variable in absent {
        println!("  not measured: {variable} names no program");
    }
    let steps = vec![
        Step::run("echo touched >> notes.txt"),
        Step::say("It is done."),
    ];
    let server = ModelServer::start([("turn", steps)]);
    for client in &there {
        let bench = Bench::new(client, &server)?;
        let (mut by_hand, mut units, mut packets) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            by_hand.push(Cost::of(|| bench.by_hand(round))?);
            units.push(Cost::of(|| bench.unit(round))?);
            packets.push(bench.packet(round)?);
        }
        let (cpu, wall) = middle(&by_hand);
        println!(
            "  {:<6} by hand   {cpu:5.0} ms CPU, {wall:5.0} ms",
            client.name
        );
        for (name, costs) in [("a unit", units), ("a packet", packets)] {
            let (more_cpu, more_wall) = middle(&costs);
            println!(
                "         {name:<9} {more_cpu:5.0} ms CPU, {more_wall:5.0} ms, ratios {:.2} and {:.2}",
                more_cpu / cpu,
                more_wall / wall
            );
        }
    }
    println!();
    Ok(())
}

struct Bench {
    place: Place,
    name: &'static str,
    config: AgentConfig,
    repository: PathBuf,
}

impl Bench {
    fn new(client: &Client, server: &ModelServer) -> Result<Self> {
        let place = Place::new()?;
        let table = client.table(&place.join("client"), &server.url());
        let folder = place.join(".config/dynwf");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("config.toml"), &table)?;
        let table: toml::Table = toml::from_str(&table)?;
        let config = table["agents"][client.name].clone().try_into()?;
        let repository = place.join("repository");
        fs::create_dir(&repository)?;
        place.git(&repository, &["init", "-q"])?;
        fs::write(repository.join("notes.txt"), "notes\n")?;
        place.git(&repository, &["add", "-A"])?;
        place.git(&repository, &["commit", "-q", "-m", "begin"])?;
        place.git(&repository, &["checkout", "-q", "-b", "mine"])?;
        Ok(Self {
            place,
            name: client.name,
            config,
            repository,
        })
    }

    /// What is started, and with which environment: the same by hand and in a unit.
    fn launch(&self, folder: &Path) -> Result<(Vec<String>, BTreeMap<String, String>)> {
        let launch = agent::for_name(self.name, &self.config)?.argv(&Call {
            config: &self.config,
            program: None,
            prompt: PROMPT,
            prompt_file: &folder.join("prompt.md"),
            result_file: &folder.join("result"),
            schema_file: None,
            workspace: &self.repository,
            session: None,
            run: None,
            sandboxed: false,
        })?;
        let caller = self.place.command("true", &self.repository);
        let caller: Vec<_> = caller
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let env = unit_environment(caller, &self.config, &launch.env, &BTreeMap::new());
        Ok((launch.argv, env))
    }

    fn by_hand(&self, round: usize) -> Result<()> {
        let (argv, env) = self.launch(self.place.path())?;
        let file = |name: &str| fs::File::create(self.place.join(&format!("{name}-{round}")));
        let status = Command::new(&argv[0])
            .args(&argv[1..])
            .env_clear()
            .envs(env)
            .current_dir(&self.repository)
            .stdin(Stdio::null())
            .stdout(file("stdout")?)
            .stderr(file("stderr")?)
            .status()?;
        ensure!(status.success(), "{} by hand: {status}", self.name);
        Ok(())
    }

    /// Under the shim, with its output read and judged.
    fn unit(&self, round: usize) -> Result<()> {
        let dir = UnitDir::new(self.place.join(&format!("unit-{round}")));
        dir.create()?;
        let (argv, env) = self.launch(&dir.io())?;
        let mut task = Task::new(argv, self.repository.display().to_string());
        task.env = Some(env);
        launch_with(Path::new(env!("CARGO_BIN_EXE_dynwf")), &dir, &task)?;
        let mut follow = Follow::new(dir.stdout());
        let (_stop, stopped) = watch::channel(Stop::No);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let ended = runtime.block_on(attend(dir, stopped))?;
        let mut reader = agent::for_name(self.name, &self.config)?.reader();
        while let Some(line) = follow.last_line()? {
            reader.line(&line);
        }
        let verdict = reader.finish(&ended.outcome);
        ensure!(
            verdict.ok && ended.outcome == UnitOutcome::Exited(0),
            "{} as a unit: {verdict:?}",
            self.name
        );
        Ok(())
    }

    /// Through `dynwf run`, up to the gate for landing.
    fn packet(&self, round: usize) -> Result<Cost> {
        let plan = format!(
            "goal = \"Say so\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\n[[packet]]\nid = \"turn\"\n\
             objective = \"{PROMPT}\"\nscope = [\"notes.txt\"]\nagent = \"{}\"\n",
            self.name
        );
        fs::write(self.place.join("plan.toml"), plan)?;
        let mut command = self.place.dynwf(
            &self.repository,
            &format!("plan turn-{round} --from ../plan.toml"),
        );
        crate::measure::ends(&mut command, &[0])?;
        let mut command = self
            .place
            .dynwf(&self.repository, &format!("run turn-{round}"));
        let cost = Cost::of(|| crate::measure::ends(&mut command, &[3]))?;
        let merged = format!("dynwf/turn-{round}/integration:notes.txt");
        let mut command = self.place.command("git", &self.repository);
        let shown = command
            .args(["show", &merged])
            .output()
            .context("git show")?;
        ensure!(shown.stdout.ends_with(b"touched\n"), "nothing was merged");
        Ok(cost)
    }
}
