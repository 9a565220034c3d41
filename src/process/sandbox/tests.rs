//! The view that units get, seen from inside.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use super::*;

/// A machine in a folder: a home with a secret and tools, a repository with a store, a workspace.
struct Machine {
    root: PathBuf,
    _temp: tempfile::TempDir,
}

impl Machine {
    /// Nothing, with the reason printed, where bubblewrap does not work.
    #[expect(clippy::print_stdout, reason = "says why a test did not run")]
    fn new() -> Option<Self> {
        if available() == Kind::None {
            println!("skipped: bubblewrap does not work here");
            return None;
        }
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        for folder in [
            "home/.ssh",
            "home/.cargo/registry",
            "home/.local/share/tool/bin",
            "home/bin",
            "repo/.git/objects/info",
            "repo/.git/dynwf/w/x/units/1/io",
            "repo/.git/dynwf/w/x/units/1/ctl",
            "lender/objects",
            "work",
            "private",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "home/.ssh/id_ed25519",
            "home/.cargo/credentials.toml",
            "home/.cargo/registry/index",
            "repo/.git/config",
            "repo/.git/dynwf/w/x/journal.jsonl",
            "lender/objects/one",
            "work/.git",
            "pointer",
        ] {
            fs::write(root.join(file), file).unwrap();
        }
        let lender = root.join("lender/objects").display().to_string();
        fs::write(root.join("repo/.git/objects/info/alternates"), lender).unwrap();
        Some(Self { root, _temp: temp })
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox {
            workspace: self.root.join("work"),
            git: Some(PrivateGit {
                dir: self.root.join("private"),
                pointer: self.root.join("pointer"),
            }),
            io: Some(self.root.join("repo/.git/dynwf/w/x/units/1/io")),
            repository: Some(self.root.join("repo/.git")),
            hidden: vec![self.root.join("repo/.git/dynwf")],
            home: Some(self.root.join("home")),
            ..Sandbox::default()
        }
    }

    fn run(&self, sandbox: &Sandbox, script: &str) -> Output {
        let home = self.root.join("home");
        let path = format!(
            "{}:{}:/usr/bin:/bin",
            home.join("bin").display(),
            home.display()
        );
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), home.display().to_string()),
            ("ROOT".to_owned(), self.root.display().to_string()),
            ("SSH_AUTH_SOCK".to_owned(), "/run/agent".to_owned()),
            ("DYNWF_UNIT".to_owned(), "mark".to_owned()),
        ]);
        let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let line = sandbox.wrap(argv, &mut env).unwrap();
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env_clear().envs(&env);
        command
            .stdin(Stdio::null())
            .current_dir("/")
            .output()
            .unwrap()
    }

    /// Runs a script that must end well, and returns what it printed.
    #[track_caller]
    fn answer(&self, sandbox: &Sandbox, script: &str) -> String {
        let output = self.run(sandbox, script);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[track_caller]
    fn refused(&self, sandbox: &Sandbox, script: &str) {
        let output = self.run(sandbox, script);
        assert!(!output.status.success(), "{script} worked");
    }
}

#[test]
fn only_what_is_the_units_can_be_written() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let sandbox = machine.sandbox();
    let script = "pwd; echo x > new; echo y > $ROOT/private/HEAD; echo z > $ROOT/repo/.git/dynwf/w/x/units/1/io/result; cat .git";
    let answer = machine.answer(&sandbox, script);
    assert_eq!(answer, format!("{}/work\npointer", machine.root.display()));
    for file in [
        "work/new",
        "private/HEAD",
        "repo/.git/dynwf/w/x/units/1/io/result",
    ] {
        assert!(machine.root.join(file).exists(), "{file}");
    }
    for script in [
        "echo x > .git",
        "rm .git",
        "mv .git x",
        "echo x > $ROOT/repo/.git/config",
        "echo x > /etc/new",
        "echo x > /usr/new",
    ] {
        machine.refused(&sandbox, script);
    }
    // Everything around is a folder of the unit's own.
    machine.answer(
        &sandbox,
        "echo x > $ROOT/forged; mkdir -p $ROOT/lender; echo x > $HOME/.bashrc",
    );
    assert!(!machine.root.join("forged").exists() && !machine.root.join("home/.bashrc").exists());
}

#[test]
fn the_home_folder_is_empty_but_for_tools() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let sandbox = machine.sandbox();
    machine.refused(&sandbox, "cat $HOME/.ssh/id_ed25519");
    machine.refused(&sandbox, "cat $HOME/.cargo/credentials.toml");
    assert_eq!(machine.answer(&sandbox, "ls $HOME/.cargo"), "registry");
    machine.refused(&sandbox, "echo x > $HOME/.cargo/registry/new");
    let asked = Sandbox {
        read: vec![machine.root.join("home/.ssh")],
        write: vec![machine.root.join("home/.cargo/registry")],
        ..sandbox
    };
    machine.answer(
        &asked,
        "cat $HOME/.ssh/id_ed25519; echo x > $HOME/.cargo/registry/new",
    );
    machine.refused(&asked, "echo x > $HOME/.ssh/new");
}

#[test]
fn the_store_cannot_be_seen_and_borrowed_objects_can() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let sandbox = machine.sandbox();
    let seen = machine.answer(
        &sandbox,
        "cd $ROOT/repo/.git/dynwf && find . -type f; ls w/x/units/1",
    );
    assert_eq!(seen, "io");
    assert_eq!(
        machine.answer(&sandbox, "cat $ROOT/lender/objects/one"),
        "lender/objects/one"
    );
}

#[test]
fn links_lead_to_programs_as_outside() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let home = machine.root.join("home");
    let tool = home.join(".local/share/tool");
    fs::create_dir(tool.join("lib")).unwrap();
    fs::write(tool.join("lib/part"), "part").unwrap();
    let script = "#!/bin/sh\ncat \"$(dirname \"$(readlink -f \"$0\")\")/../lib/part\"\n";
    fs::write(tool.join("bin/tool"), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tool.join("bin/tool"), mode).unwrap();
    symlink("../.local/share/tool/bin/tool", home.join("bin/tool")).unwrap();
    symlink("share/tool/bin/tool", home.join(".local/again")).unwrap();
    let sandbox = machine.sandbox();
    machine.refused(&sandbox, "tool");
    let sandbox = Sandbox {
        programs: vec![home.join("bin/tool"), home.join(".local/again")],
        ..sandbox
    };
    assert_eq!(machine.answer(&sandbox, "tool"), "part");
    assert_eq!(machine.answer(&sandbox, "$HOME/.local/again"), "part");
}

#[test]
fn it_is_alone() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let sandbox = machine.sandbox();
    let own = std::process::id();
    machine.refused(&sandbox, &format!("test -e /proc/{own}/environ && kill -0 {own} && test -d /proc/{own}/task/{own} && tr '\\0' '\\n' < /proc/{own}/environ | grep CARGO"));
    machine.refused(&sandbox, "echo x > /dev/tty");
    assert_eq!(
        machine.answer(&sandbox, "echo $SSH_AUTH_SOCK; echo $DYNWF_UNIT"),
        "mark"
    );
    assert_eq!(
        machine.answer(
            &sandbox,
            "grep CapEff /proc/self/status | tr -d 'A-Za-z:\\t0'"
        ),
        ""
    );
    let offline = Sandbox {
        offline: true,
        ..sandbox
    };
    assert_eq!(machine.answer(&offline, "grep -c : /proc/net/dev"), "1");
}

#[test]
fn a_socket_that_lies_in_sight_is_hidden() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let socket = machine.root.join("work/agent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let sandbox = machine.sandbox();
    machine.answer(&sandbox, "test -S agent.sock");
    let sandbox = Sandbox {
        hidden: vec![socket],
        ..sandbox
    };
    machine.refused(&sandbox, "test -S agent.sock");
}

#[test]
fn a_home_folder_can_be_made() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let sandbox = Sandbox {
        home: Some("/tmp/no-such-home".into()),
        files: vec![(
            machine.root.join("pointer"),
            "/tmp/no-such-home/.gitconfig".into(),
        )],
        ..machine.sandbox()
    };
    let script = "cat /tmp/no-such-home/.gitconfig; echo x > /tmp/no-such-home/new";
    assert_eq!(machine.answer(&sandbox, script), "pointer");
    assert!(!Path::new("/tmp/no-such-home").exists());
}

#[test]
fn what_is_needed_must_be_there() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let sandbox = Sandbox {
        io: Some(machine.root.join("nowhere")),
        ..machine.sandbox()
    };
    let error = sandbox
        .wrap(vec!["true".into()], &mut BTreeMap::new())
        .unwrap_err();
    assert!(error.to_string().ends_with("/nowhere"), "{error}");
}

#[test]
fn limits_hold_in_it() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let sandbox = machine.sandbox();
    // Without limits all of it works.
    let large = "head -c 3000000 /dev/zero > large && test \"$(wc -c < large)\" -eq 3000000";
    let hungry = "perl -e 'my $x = \"x\" x 300_000_000; exit 0'";
    machine.answer(&sandbox, large);
    machine.answer(&sandbox, hungry);
    let limited = Sandbox {
        limits: Limits {
            memory_mb: 64,
            file_mb: 2,
            processes: 100,
        },
        ..sandbox
    };
    machine.refused(&limited, large);
    machine.refused(&limited, hungry);
    let most = machine.answer(&limited, "cat /proc/self/limits");
    let processes = most.lines().find(|line| line.starts_with("Max processes"));
    assert!(
        processes.is_some_and(|line| line.contains(" 100 ")),
        "{most}"
    );
    assert!(
        most.lines()
            .any(|line| line.starts_with("Max core file size") && line.contains(" 0 "))
    );
}
