//! A repository, a scripted model, and a person who has configured the clients.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{
    Client, CommandOutput, Dynwf, Fingerprint, ModelServer, Running, Step, TestRepo,
};

/// The workflow of every scene.
const SLUG: &str = "real";

/// A packet of a scene: it may change the crate of its own name.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) id: String,
    agent: &'static str,
}

impl Packet {
    /// A path that it may change.
    pub(super) fn file(&self, name: &str) -> String {
        format!("crates/{}/{name}", self.id)
    }
}

/// What a scene is made of.
pub(super) struct Setting<'a> {
    pub(super) clients: &'a [Client],
    /// How many packets each client works on.
    pub(super) each: usize,
    /// More of every packet in the plan; `{file}` is the path of its crate.
    pub(super) packet: &'a str,
    /// More of the person's configuration.
    pub(super) config: &'a str,
}

impl<'a> Setting<'a> {
    /// One packet for each client, called like it.
    pub(super) fn of(clients: &'a [Client]) -> Self {
        Self {
            clients,
            each: 1,
            packet: "",
            config: "",
        }
    }

    fn packets(&self) -> Vec<Packet> {
        let names = |agent: &'static str| {
            (1..=self.each).map(move |number| Packet {
                id: if self.each == 1 {
                    agent.to_owned()
                } else {
                    format!("{agent}-{number}")
                },
                agent,
            })
        };
        let clients = self.clients.iter();
        clients.flat_map(|client| names(client.name)).collect()
    }
}

/// A repository with a plan whose packets' prompts name scripts of the server.
pub(super) struct Scene {
    pub(super) repo: TestRepo,
    pub(super) server: ModelServer,
    pub(super) packets: Vec<Packet>,
    before: Fingerprint,
}

impl Scene {
    /// Sets it.
    pub(super) fn new(setting: &Setting<'_>, script: impl Fn(&Packet) -> Vec<Step>) -> Self {
        let packets = setting.packets();
        let names: Vec<&str> = packets.iter().map(|packet| packet.id.as_str()).collect();
        let repo = TestRepo::unborn().with_crates(&names).in_use();
        let scripts = packets
            .iter()
            .map(|packet| (packet.id.clone(), script(packet)));
        let server = ModelServer::start(scripts);
        let mut config = setting.config.to_owned();
        for client in setting.clients {
            let folder = repo.place().join(format!("{}-home", client.name));
            config += &client.table(&folder, &server.url());
        }
        repo.place().user_config(&config);
        let before = repo.fingerprint();
        let scene = Self {
            repo,
            server,
            packets,
            before,
        };
        let file = scene.repo.place().join("plan.toml");
        fs::write(&file, scene.plan(setting.packet)).expect("the plan can be written");
        let file = file.display().to_string();
        scene.dynwf().run(["plan", SLUG, "--from", &file]).success();
        scene
    }

    fn plan(&self, more: &str) -> String {
        let mut plan =
            "goal = \"Say so\"\nbase = \"main\"\n[integration]\ntarget = \"main\"\n".to_owned();
        for Packet { id, agent } in &self.packets {
            let cwd = self.workspace(id);
            let more = more.replace("{crate}", &format!("crates/{id}"));
            let _ = write!(
                plan,
                "[[packet]]\nid = \"{id}\"\nobjective = \"Say so. [[script={id} cwd={}]]\"\nagent = \"{agent}\"\n\
                 scope = [\"crates/{id}/**\"]\n{more}\n",
                cwd.display()
            );
        }
        plan
    }

    /// Where a packet is worked on.
    pub(super) fn workspace(&self, id: &str) -> PathBuf {
        self.repo.place().join(format!("repo.dynwf/{SLUG}/{id}"))
    }

    pub(super) fn dynwf(&self) -> Dynwf<'_> {
        Dynwf::new(&self.repo).env("DYNWF_CONFIG_SANDBOX__MODE", "auto")
    }

    /// `dynwf run`, started.
    pub(super) fn start(&self) -> Running {
        self.dynwf().spawn(["run", SLUG])
    }

    /// `dynwf run` to its end, which leaves the person's checkout and no process behind.
    #[track_caller]
    pub(super) fn run(&self, code: i32) -> CommandOutput {
        self.ends(self.start(), code)
    }

    /// Waits for the end of a run, as [`Scene::run`] does.
    #[track_caller]
    pub(super) fn ends(&self, running: Running, code: i32) -> CommandOutput {
        let said = running.wait();
        assert!(
            said.code() == code,
            "exit {code} was expected\n{said}\n{:#}",
            self.status()
        );
        self.before.assert_same(&self.repo.fingerprint());
        let left = self.processes();
        assert!(left.is_empty(), "still there: {left:#?}");
        said
    }

    pub(super) fn status(&self) -> Value {
        self.dynwf().status(SLUG)
    }

    /// What `status` says of a packet.
    #[track_caller]
    pub(super) fn packet(&self, id: &str) -> Value {
        let status = self.status();
        let packets = status["packets"].as_array().expect("a list of packets");
        let found = packets.iter().find(|packet| packet["id"] == id);
        found
            .unwrap_or_else(|| panic!("{id} is not in {status:#}"))
            .clone()
    }

    /// Fails unless each packet stands there.
    #[track_caller]
    pub(super) fn assert_all(&self, word: &str) {
        for Packet { id, .. } in &self.packets {
            let packet = self.packet(id);
            assert_eq!(
                packet["status"],
                word,
                "{id} in {:#}\n{}",
                self.status(),
                self.transcripts()
            );
        }
    }

    /// A file as it was integrated, without its last newline.
    #[track_caller]
    pub(super) fn integrated(&self, path: &str) -> String {
        self.repo
            .git(["show", &format!("dynwf/{SLUG}/integration:{path}")])
    }

    /// The facts of one kind, oldest first.
    pub(super) fn facts(&self, kind: &str) -> Vec<Value> {
        let journal = self
            .repo
            .common_dir()
            .join(format!("dynwf/w/{SLUG}/journal.jsonl"));
        // A run may be writing its first or its last line.
        let text = fs::read_to_string(journal).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("a record is JSON"))
            .filter(|record: &Value| record["kind"] == kind)
            .map(|record| record["e"].clone())
            .collect()
    }

    /// What the journal says of the end of each turn of a packet, by this name.
    pub(super) fn of_turns(&self, id: &str, name: &str) -> Vec<Value> {
        let started = self.facts("UnitStarted");
        let turns: Vec<Value> = started
            .into_iter()
            .map(|fact| fact["unit"].clone())
            .filter(|unit| unit["workspace"] == id && unit["kind"]["work"].is_object())
            .map(|unit| unit["id"].clone())
            .collect();
        let ended = self.facts("UnitEnded");
        let of_turn = |fact: &&Value| turns.contains(&fact["unit"]);
        ended
            .iter()
            .filter(of_turn)
            .map(|fact| fact[name].clone())
            .collect()
    }

    /// Why a packet failed.
    #[track_caller]
    pub(super) fn why(&self, id: &str) -> String {
        let failed = self.facts("PacketFailed");
        let why = failed.iter().find(|fact| fact["packet"] == id);
        let why = why.and_then(|fact| fact["why"].as_str());
        why.unwrap_or_else(|| panic!("{id} did not fail"))
            .to_owned()
    }

    /// Waits until the model was asked for this step of every script.
    #[track_caller]
    pub(super) fn wait_for_step(&self, running: &mut Running, step: usize) {
        running.wait_until(&format!("every client asks for step {step}"), || {
            let is_there = |packet: &Packet| {
                let asked = self.server.asked(&packet.id);
                asked.iter().any(|asked| asked.step == step)
            };
            self.packets.iter().all(is_there)
        });
    }

    /// What the units said, for a person who looks at a failed test.
    pub(super) fn transcripts(&self) -> String {
        let mut all = String::new();
        let units = self.repo.common_dir().join(format!("dynwf/w/{SLUG}/units"));
        for unit in fs::read_dir(units).into_iter().flatten().flatten() {
            for name in ["stdout", "stderr"] {
                let text =
                    fs::read_to_string(unit.path().join("io").join(name)).unwrap_or_default();
                let end: Vec<&str> = text.lines().rev().take(12).collect();
                for line in end.iter().rev() {
                    let line: String = line.chars().take(600).collect();
                    let _ = writeln!(all, "unit {} {name}: {line}", unit.file_name().display());
                }
            }
        }
        all
    }

    /// The processes that were started for this scene and still run: their environment names its folder.
    pub(super) fn processes(&self) -> Vec<String> {
        let mark = self
            .repo
            .place()
            .path()
            .into_os_string()
            .into_encoded_bytes();
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| {
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let found = environment.windows(mark.len()).any(|part| part == mark);
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            (found && !line.is_empty()).then(|| {
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                format!("{}: {line}", entry.file_name().display())
            })
        })
        .collect()
    }
}
