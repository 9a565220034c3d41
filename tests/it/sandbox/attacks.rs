//! What a hostile agent tries, with bubblewrap and without anything.
//!
//! Each attack is a shell command, and a look from outside (or, for what can only be seen inside, from inside)
//! whether it worked. `docs/sandbox.md` has the same table; the test fails where it says something else.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::support::{Dynwf, TestRepo, line_in, packet_of, plan_of};

/// Whether an attack worked, seen from outside.
type Look = fn(&Trial) -> bool;

/// One attack: its name in the docs, the command, and where to look; without a look, the command's own success.
type Attack = (&'static str, &'static str, Option<Look>);

const ATTACKS: [Attack; 36] = [
    (
        "read the ssh key in the home folder",
        "cat @HOME@/.ssh/id_ed25519",
        None,
    ),
    (
        "read a secret in dynwf's environment",
        "test -n \"$SECRET_TOKEN\"",
        None,
    ),
    (
        "read the environment of dynwf itself",
        "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ | grep SECRET_TOKEN=; done 2>/dev/null | grep -q SECRET",
        None,
    ),
    (
        "signal dynwf itself",
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -q '^[^ ]*/dynwf run lines ' && kill -0 ${p#/proc/} && exit 0; done 2>/dev/null; exit 1",
        None,
    ),
    ("write to the terminal", ": > /dev/tty", None),
    (
        "reach the ssh agent's socket",
        "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => shift) or exit 1' @PLACE@/agent.sock",
        Some(|trial| trial.agent.accept().is_ok()),
    ),
    (
        "connect to a port of this machine",
        "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => shift) or exit 1' 127.0.0.1:@PORT@",
        Some(|trial| trial.port.accept().is_ok()),
    ),
    (
        "leave a process behind",
        "(flock -x 9; setsid sleep 100000 & ) 9> @WORK@/held > /dev/null 2>&1",
        Some(Trial::is_held),
    ),
    (
        "write into another packet's workspace",
        "echo evil > @DB@/evil",
        Some(|trial| trial.repo.place().join("repo.dynwf/lines/db/evil").exists()),
    ),
    (
        "write into the checkout",
        "echo evil > @REPO@/evil",
        Some(|trial| trial.repo.join("evil").exists()),
    ),
    (
        "forge the face in .workflow",
        "echo evil > @REPO@/.workflow/lines/evil",
        Some(|trial| trial.repo.join(".workflow/lines/evil").exists()),
    ),
    (
        "write the person's ~/.gitconfig",
        "echo '[evil]' >> @HOME@/.gitconfig",
        Some(|trial| holds(&trial.repo.place().home().join(".gitconfig"), "[evil]")),
    ),
    (
        "write dynwf's own records",
        "echo evil > @COMMON@/dynwf/w/lines/evil",
        Some(|trial| trial.repo.common_dir().join("dynwf/w/lines/evil").exists()),
    ),
    (
        "forge the end of its own unit",
        "for ctl in @COMMON@/dynwf/w/lines/units/*/ctl; do echo '{}' > $ctl/evil; done",
        Some(|trial| {
            let units = trial.repo.common_dir().join("dynwf/w/lines/units");
            let units = fs::read_dir(units).expect("there are units").flatten();
            units
                .map(|unit| unit.path().join("ctl/evil"))
                .any(|file| file.exists())
        }),
    ),
    (
        "push to the remote",
        "git push -q --no-verify @REMOTE@ HEAD:refs/heads/evil",
        Some(|trial| {
            !trial
                .repo
                .remote_git(["for-each-ref", "refs/heads/evil"])
                .is_empty()
        }),
    ),
    (
        "change the repository's configuration",
        "git config core.evil yes",
        Some(|trial| holds(&trial.repo.common_dir().join("config"), "evil")),
    ),
    (
        "replace a hook",
        "h=\"$(git rev-parse --git-common-dir)/hooks\"; mkdir -p \"$h\"; echo evil > \"$h/pre-push\"",
        Some(|trial| trial.repo.common_dir().join("hooks/pre-push").exists()),
    ),
    (
        "move the target branch",
        "git update-ref refs/heads/main HEAD",
        Some(|trial| trial.repo.resolve("refs/heads/main") != Some(trial.main.clone())),
    ),
    (
        "move another packet's branch",
        "git update-ref refs/heads/dynwf/lines/db HEAD~1",
        Some(|trial| trial.repo.resolve("refs/heads/dynwf/lines/db") == Some(trial.main.clone())),
    ),
    (
        "plant a replacement of a commit",
        "git replace HEAD HEAD~1",
        Some(|trial| !trial.repo.git(["for-each-ref", "refs/replace"]).is_empty()),
    ),
    (
        "throw away objects that no ref names",
        "git gc -q --prune=now",
        Some(|trial| trial.repo.try_git(["cat-file", "-e", &trial.loose]).code() != 0),
    ),
    (
        "leave a lock on the person's index",
        "touch @COMMON@/index.lock",
        Some(|trial| trial.repo.common_dir().join("index.lock").exists()),
    ),
    (
        "delete another packet's administrative folder",
        "rm -rf @COMMON@/worktrees/lines.db",
        Some(|trial| !trial.repo.common_dir().join("worktrees/lines.db").exists()),
    ),
    (
        "have the repository borrow from elsewhere",
        "echo @HOME@/loot >> \"$(git rev-parse --git-common-dir)/objects/info/alternates\"",
        Some(|trial| {
            holds(
                &trial.repo.common_dir().join("objects/info/alternates"),
                "loot",
            )
        }),
    ),
    (
        "have the person's next `git status` run a program",
        "git config core.fsmonitor 'touch \"@RAW@/run-in-checkout\"; false'",
        Some(|trial| trial.runs_a_program(trial.repo.path(), "run-in-checkout")),
    ),
    (
        "have `git status` in its workspace run a program",
        "rm -f .git && git init -q && git config core.fsmonitor 'touch \"@RAW@/run-in-workspace\"; false'",
        Some(|trial| trial.runs_a_program(&trial.work(), "run-in-workspace")),
    ),
    (
        "have dynwf write through a link in its private git directory",
        "g=\"$(git rev-parse --absolute-git-dir)\"; mkdir -p @HOME@/loot/info; mv \"$g/objects\" \"$g/o\"; ln -s @HOME@/loot \"$g/objects\"",
        Some(|trial| {
            fs::read_dir(trial.repo.place().home().join("loot/info"))
                .is_ok_and(|mut i| i.next().is_some())
        }),
    ),
    (
        "type into the terminal",
        "perl -e 'open(T, \"+<\", \"/dev/tty\") or exit 1; my $c = \"x\"; ioctl(T, 0x5412, $c) or exit 1'",
        None,
    ),
    (
        "change a client's own configuration",
        "mkdir -p @HOME@/.codex && echo evil > @HOME@/.codex/config.toml",
        Some(|trial| {
            holds(
                &trial.repo.place().home().join(".codex/config.toml"),
                "evil",
            )
        }),
    ),
    (
        "have a secret read through a link as its answer",
        "ln -sf @HOME@/.ssh/id_ed25519 \"$DYNWF_RESULT_FILE\"; ln -sf @HOME@/.ssh/id_ed25519 crates/net/key",
        Some(|trial| {
            let told = trial.repo.join(".workflow/lines");
            let told = walk(&told).iter().any(|file| holds(file, SECRET));
            let kept = trial
                .repo
                .try_git(["grep", "-q", SECRET, "dynwf/lines/net"]);
            told || kept.code() == 0
        }),
    ),
    (
        "answer a gate with dynwf itself",
        "for d in @REPO@ @WORK@; do @DYNWF@ -C $d approve lines packet:ask --yes && exit 0; done; exit 1",
        Some(Trial::is_let_through),
    ),
    (
        "answer a gate from a process that left the unit behind",
        "(setsid sh -c 'env -i PATH=/usr/bin:/bin \"$1\" -C \"$2\" approve lines packet:ask --yes; : > \"$3\"' x @DYNWF@ @REPO@ @WORK@/asked &) ; until [ -e @WORK@/asked ]; do :; done",
        Some(Trial::is_let_through),
    ),
    (
        "forge an approval",
        "mkdir -p @COMMON@/dynwf/approvals && echo '{}' > @COMMON@/dynwf/approvals/evil",
        Some(|trial| {
            trial
                .repo
                .common_dir()
                .join("dynwf/approvals/evil")
                .exists()
        }),
    ),
    (
        "leave a request for dynwf",
        "mkdir -p @COMMON@/dynwf/w/lines/inbox && echo '{}' > @COMMON@/dynwf/w/lines/inbox/forged-request",
        Some(|trial| {
            // Also where dynwf has put it aside since.
            walk(&trial.repo.common_dir().join("dynwf/w/lines"))
                .iter()
                .any(|file| file.to_string_lossy().contains("forged-request"))
        }),
    ),
    (
        "take dynwf's lock away",
        "rm -f @COMMON@/dynwf/w/lines/lock",
        Some(|trial| !trial.repo.common_dir().join("dynwf/w/lines/lock").exists()),
    ),
    (
        "write into the journal",
        // Opened and left alone: what it holds is needed to look at the rest.
        "perl -e 'open(F, \"+<\", shift) or exit 1' @COMMON@/dynwf/w/lines/journal.jsonl",
        None,
    ),
];

/// What lies in the ssh key.
const SECRET: &str = "THE-KEY-OF-THE-PERSON";

/// One packet, `net`, that attacks, after a good one, `db`.
struct Trial {
    repo: TestRepo,
    agent: UnixListener,
    port: TcpListener,
    main: String,
    loose: String,
}

impl Trial {
    fn new() -> Self {
        let repo = TestRepo::small().with_remote();
        let home = repo.place().home();
        fs::create_dir_all(home.join(".ssh")).expect("made");
        fs::create_dir_all(home.join("loot/info")).expect("made");
        fs::write(home.join(".ssh/id_ed25519"), SECRET).expect("written");
        let agent = UnixListener::bind(repo.place().join("agent.sock")).expect("bound");
        let port = TcpListener::bind("127.0.0.1:0").expect("bound");
        agent.set_nonblocking(true).expect("set");
        port.set_nonblocking(true).expect("set");
        repo.write("debug.log", "nobody names this");
        let loose = repo.git(["hash-object", "-w", "debug.log"]);
        let main = repo.resolve("refs/heads/main").expect("a commit");
        let trial = Self {
            repo,
            agent,
            port,
            main,
            loose,
        };
        let db = packet_of("db", &line_in("db"), "");
        let net = packet_of("net", &trial.script(), "after = [\"db\"]");
        let ask = packet_of("ask", "true", "");
        let gate = "[[gate]]\nbefore = \"packet:ask\"\n";
        let plan = format!("{}{gate}{db}{net}{ask}", plan_of(&[]));
        let Self {
            repo,
            agent,
            port,
            main,
            loose,
        } = trial;
        Self {
            repo: repo.planned(&plan),
            agent,
            port,
            main,
            loose,
        }
    }

    /// All attacks; what works by its own word is noted in the packet's scope.
    fn script(&self) -> String {
        let place = self.repo.place();
        let mut script = "exec 2> /dev/null\n".to_owned();
        for (number, (_, command, _)) in ATTACKS.iter().enumerate() {
            script += &format!(
                "if (\n{command}\n) > /dev/null < /dev/null; then echo {number} >> crates/net/worked; fi\n"
            );
        }
        script += "echo done >> crates/net/worked\n";
        let port = self.port.local_addr().expect("bound").port().to_string();
        let path = |path: PathBuf| format!("'{}'", path.display());
        let dynwf = PathBuf::from(env!("CARGO_BIN_EXE_dynwf"));
        let names: [(&str, String); 10] = [
            ("@DYNWF@", path(dynwf)),
            ("@HOME@", path(place.home())),
            ("@PLACE@", path(place.path())),
            ("@REPO@", path(self.repo.path().to_owned())),
            ("@COMMON@", path(self.repo.common_dir())),
            ("@REMOTE@", path(self.repo.remote_path())),
            ("@DB@", path(place.join("repo.dynwf/lines/db"))),
            ("@WORK@", path(self.work())),
            ("@PORT@", port),
            ("@RAW@", place.home().display().to_string()),
        ];
        for (name, value) in names {
            script = script.replace(name, &value);
        }
        script
    }

    fn work(&self) -> PathBuf {
        self.repo.place().join("repo.dynwf/lines/net")
    }

    /// Runs it, and says of every attack whether it worked.
    fn result(&self, mode: &str) -> BTreeMap<&'static str, bool> {
        let socket = self.repo.place().join("agent.sock");
        let dynwf = Dynwf::new(&self.repo)
            .env("DYNWF_CONFIG_SANDBOX__MODE", mode)
            .env("DYNWF_CONFIG_SANDBOX__NETWORK", "none")
            .env("SECRET_TOKEN", "s3cret")
            .env("SSH_AUTH_SOCK", socket);
        dynwf.line("run lines");
        let said = fs::read_to_string(self.work().join("crates/net/worked"));
        let said = said.expect("the attacks were tried");
        assert!(
            said.ends_with("done\n"),
            "not all attacks were tried: {said}"
        );
        let worked: Vec<&str> = said.lines().collect();
        let attacks = ATTACKS.iter().enumerate();
        attacks
            .map(|(number, (name, _, look))| {
                let number = number.to_string();
                let by_its_word = worked.contains(&number.as_str());
                (*name, look.map_or(by_its_word, |look| look(self)))
            })
            .collect()
    }

    /// Whether somebody said yes to the gate.
    fn is_let_through(&self) -> bool {
        let journal = self.repo.common_dir().join("dynwf/w/lines/journal.jsonl");
        let inbox = self.repo.common_dir().join("dynwf/w/lines/inbox");
        holds(&journal, "\"kind\":\"GateDecided\"")
            || walk(&inbox).iter().any(|file| holds(file, "approve"))
    }

    fn is_held(&self) -> bool {
        use rustix::fs::{FlockOperation, flock};
        let file = fs::File::open(self.work().join("held")).expect("it made the file");
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
    }

    /// Whether git runs something when a person asks for the status there.
    fn runs_a_program(&self, folder: &std::path::Path, mark: &str) -> bool {
        let mut git = self.repo.place().command("git");
        let status = git.arg("status").current_dir(folder).output();
        status.expect("git runs");
        self.repo.place().home().join(mark).exists()
    }
}

/// All files below a folder.
fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path()),
            _ => vec![entry.path()],
        })
        .collect()
}

fn holds(file: &std::path::Path, text: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|content| content.contains(text))
}

/// What the docs say: of every attack, whether it works with bubblewrap and with nothing.
fn documented() -> BTreeMap<&'static str, (bool, bool)> {
    let text = include_str!("../../../docs/sandbox.md");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", name, with, without, ""] if with == "no" || with == "**yes**" => {
                Some((name, (with != "no", without != "no")))
            }
            _ => None,
        }
    });
    rows.collect()
}

#[test]
fn no_attack_works_in_bubblewrap() {
    need_bubblewrap!();
    let trial = Trial::new();
    let before = trial.repo.fingerprint();
    let result = trial.result("bubblewrap");
    let worked: Vec<_> = result.iter().filter(|(_, worked)| **worked).collect();
    assert!(worked.is_empty(), "{worked:?}");
    before.assert_same(&trial.repo.fingerprint());
    let said = documented();
    for name in result.keys() {
        assert_eq!(said.get(name).map(|(with, _)| *with), Some(false), "{name}");
    }
    trial.repo.git(["fsck", "--strict"]);
}

#[test]
fn the_docs_say_what_works_without_a_sandbox() {
    let trial = Trial::new();
    let result = trial.result("none");
    let said: BTreeMap<&str, bool> = documented()
        .into_iter()
        .map(|(name, (_, without))| (name, without))
        .collect();
    assert_eq!(result, said);
}
