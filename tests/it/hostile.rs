//! Agents that do what agents should not: each gets a stated outcome, and nothing is lost.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::{
    CommandOutput, Dynwf, Fingerprint, TestRepo, assert_packet, line_in, packet, plan_of,
    wait_until_gone,
};

/// One packet, `net`, that a bad agent works on, beside a good one, `db`; the user is in the middle of work.
struct Trial {
    repo: TestRepo,
    before: Fingerprint,
}

impl Trial {
    /// The agent is a shell command.
    fn of_command(run: &str) -> Self {
        let repo = TestRepo::small().in_use();
        repo.place().user_config("[sandbox]\nmode = \"none\"\n");
        let repo = repo.planned(&plan_of(&[("net", run), ("db", &line_in("db"))]));
        let before = repo.fingerprint();
        Self { repo, before }
    }

    /// The agent does these steps.
    fn of_steps(steps: &[&str]) -> Self {
        let words: Vec<String> = steps.iter().map(|step| format!("\"{step}\"")).collect();
        Self::of_command(&format!("exec fake-agent {}", words.join(" ")))
    }

    fn dynwf(&self) -> Dynwf<'_> {
        Dynwf::new(&self.repo)
    }

    /// Runs up to the landing of what is good: `net` has this status, `db` is integrated, and nothing of the
    /// user's changed.
    #[track_caller]
    fn ends(&self, word: &str, reason: &str) -> serde_json::Value {
        let said = self.dynwf().line("run lines").expect_code(3);
        let status = self.dynwf().status("lines");
        assert_packet(&status, "net", word, reason);
        assert_packet(&status, "db", "integrated", "");
        self.unchanged();
        let merged = self
            .repo
            .git(["show", "dynwf/lines/integration:crates/net/src/lib.rs"]);
        assert_eq!(merged.ends_with("// net"), word == "integrated", "{said}");
        status
    }

    #[track_caller]
    fn unchanged(&self) {
        self.before.assert_same(&self.repo.fingerprint());
        self.repo.git(["fsck", "--strict"]);
    }

    /// Fails if no tip or rescue ref of `net` holds this file.
    #[track_caller]
    fn keeps(&self, file: &str) {
        let prefixes = ["refs/dynwf/rescue/lines/net", "refs/dynwf/w/lines/tip/net"];
        let refs = ["for-each-ref", "--format=%(refname)"]
            .iter()
            .chain(&prefixes);
        let refs = self.repo.git(refs);
        let holds = |name: &str| self.repo.resolve(&format!("{name}:{file}")).is_some();
        assert!(refs.lines().any(holds), "{file} is in none of: {refs}");
    }

    /// Where `net` is worked on.
    #[track_caller]
    fn workspace(&self) -> PathBuf {
        let status = self.dynwf().status("lines");
        let path = packet(&status, "net")["worktree"].as_str();
        PathBuf::from(path.expect("it has a workspace"))
    }

    /// Tries the packet again, which removes the workspace first.
    fn again(&self) -> CommandOutput {
        self.dynwf().line("packet retry lines net").success();
        self.dynwf().line("run lines")
    }
}

const GOOD: &str = "append crates/net/src/lib.rs // net\\n";

#[test]
fn a_flood_of_output_is_cut_and_does_no_harm() {
    let trial = Trial::of_steps(&[GOOD, "print-bytes 1073741824"]);
    trial.dynwf().line("run lines").expect_code(3);
    let status = trial.dynwf().status("lines");
    let word = packet(&status, "net")["status"]
        .as_str()
        .expect("a word")
        .to_owned();
    assert!(
        ["integrated", "failed"].contains(&word.as_str()),
        "{status:#}"
    );
    let units = trial.repo.common_dir().join("dynwf/w/lines/units");
    assert!(
        size_of(&units) < 200 << 20,
        "{} bytes were kept",
        size_of(&units)
    );
    // It can be looked at.
    trial.dynwf().line("packet log lines net").success();
    trial.unchanged();
}

fn size_of(folder: &std::path::Path) -> u64 {
    let entries = fs::read_dir(folder).expect("it can be read").flatten();
    entries
        .map(|entry| {
            let meta = entry.metadata().expect("it is there");
            if meta.is_dir() {
                size_of(&entry.path())
            } else {
                meta.len()
            }
        })
        .sum()
}

#[test]
fn output_that_is_no_text_is_shown_as_far_as_it_goes() {
    let trial = Trial::of_command(&format!(
        "fake-agent invalid-utf8; printf \"\\\\033[31mred\\\\342\\\\200\\\\256\\\\n\"; {}",
        line_in("net")
    ));
    trial.ends("integrated", "");
    let said = trial
        .dynwf()
        .line("packet log lines net")
        .success()
        .says("before ");
    assert!(!said.stdout.contains(['\u{1b}', '\u{202e}']), "{said}");
}

#[test]
fn an_agent_that_fails_after_good_work_is_failed_and_its_work_can_be_taken() {
    let trial = Trial::of_steps(&[GOOD, "exit 1"]);
    trial.ends("failed", "exit 1");
    trial.dynwf().line("packet done lines net").success();
    trial.ends("integrated", "");
    // And where it is tried again, what it did is kept.
    let trial = Trial::of_steps(&[GOOD, "write crates/net/new.rs x", "exit 1"]);
    trial.ends("failed", "exit 1");
    trial.again().expect_code(3);
    trial.keeps("crates/net/new.rs");
}

#[test]
fn an_agent_without_work_is_told_from_one_that_worked() {
    let trial = Trial::of_steps(&["say done!"]);
    trial.ends("no_change", "");
    let trial = Trial::of_steps(&["exit 3"]);
    trial.ends("failed", "exit 3");
    let trial = Trial::of_command("no-such-program --at-all");
    trial.ends("failed", "exit 127");
    let trial = Trial::of_command("kill -SEGV $$");
    trial.ends("failed", "signal 11");
}

#[test]
fn an_agent_that_hangs_is_ended_at_its_deadline() {
    // A minute is the least that a plan can say: the clock of the test's machine is not waited for.
    let trial = Trial::of_steps(&[
        "fork-daemon $HOME/daemon",
        "touch $HOME/hangs",
        "hang-stubborn",
    ]);
    let home = trial.repo.place().home();
    let dynwf = trial.dynwf();
    let mut run = dynwf.spawn(["run", "lines"]);
    run.wait_for(&home.join("hangs"));
    dynwf.line("packet cancel lines net").success();
    run.wait().expect_code(3);
    let pid = fs::read_to_string(home.join("daemon")).expect("it says who it is");
    wait_until_gone(pid.trim().parse().expect("a number"));
    trial.ends("cancelled", "cancelled by hand");
}

#[test]
fn a_daemon_does_not_outlive_its_agent() {
    let trial = Trial::of_steps(&["fork-daemon $HOME/daemon", GOOD]);
    trial.ends("integrated", "");
    let pid =
        fs::read_to_string(trial.repo.place().home().join("daemon")).expect("it says who it is");
    wait_until_gone(pid.trim().parse().expect("a number"));
}

#[test]
fn an_agent_that_deletes_its_worktree_fails_alone() {
    let trial = Trial::of_steps(&["delete-worktree"]);
    trial.ends("failed", "");
    let trial = Trial::of_command("rm -rf \"$DYNWF_WORKTREE_PATH\"");
    let status = trial.ends("failed", "the workspace");
    let gone = packet(&status, "net")["worktree"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(!PathBuf::from(gone).exists());
    trial.again().expect_code(3);
    trial.ends("failed", "the workspace");
}

#[test]
fn a_worktree_that_is_replaced_by_a_link_is_not_followed() {
    let trial = Trial::of_command(
        "mkdir \"$HOME/precious\" && echo mine > \"$HOME/precious/file\" && cd .. && \
         mv net net.away && ln -s \"$HOME/precious\" net",
    );
    trial.ends("failed", "");
    trial.again();
    trial
        .dynwf()
        .line("packet drop lines net --why no")
        .success();
    let kept = trial.repo.place().home().join("precious/file");
    assert_eq!(fs::read_to_string(kept).expect("it is there"), "mine\n");
    trial.unchanged();
}

#[test]
fn a_git_that_is_replaced_is_not_looked_at() {
    let trial = Trial::of_steps(&[GOOD, "replace-git"]);
    trial.ends("integrated", "");
    let trial = Trial::of_command(&format!("{}; rm .git", line_in("net")));
    trial.ends("integrated", "");
    // A repository whose configuration runs programs.
    let trial = Trial::of_command(&format!(
        "{}; rm .git; git init -q .; git config core.fsmonitor 'touch $HOME/ran #'; \
         git config filter.x.clean 'touch $HOME/ran; cat'; echo '* filter=x' > .git/info/attributes",
        line_in("net")
    ));
    trial.ends("integrated", "");
    assert!(!trial.repo.place().home().join("ran").exists());
}

#[test]
fn a_repository_inside_the_workspace_is_refused_by_name() {
    let trial = Trial::of_steps(&[GOOD, "nested-repo crates/net/vendored"]);
    trial.ends("failed", "crates/net/vendored");
    // It is mended by hand and collected.
    fs::remove_dir_all(trial.workspace().join("crates/net/vendored")).expect("it can be removed");
    trial.dynwf().line("packet done lines net").success();
    trial.ends("integrated", "");
    // Tried again instead, everything that can be kept is.
    let trial = Trial::of_steps(&[
        GOOD,
        "write crates/net/new.rs x",
        "nested-repo crates/net/vendored",
    ]);
    trial.ends("failed", "crates/net/vendored");
    trial.again().expect_code(3);
    trial.keeps("crates/net/new.rs");
}

#[test]
fn commits_of_its_own_are_collected_as_one() {
    let trial = Trial::of_steps(&[
        GOOD,
        "commit mine",
        "append crates/net/src/wire.rs // more\\n",
    ]);
    let status = trial.ends("integrated", "");
    assert_eq!(packet(&status, "net")["files"], 2);
    let range = "main..dynwf/lines/net";
    assert_eq!(trial.repo.git(["rev-list", "--count", range]), "1");
    assert!(
        !trial
            .repo
            .git(["log", "--format=%s", range])
            .contains("mine")
    );
}

#[test]
fn commits_on_another_branch_are_collected_and_that_branch_stays() {
    let trial = Trial::of_command(&format!(
        "git checkout -q -b stray && {} && git commit -q -a --no-verify -m stray",
        line_in("net")
    ));
    trial.dynwf().line("run lines").expect_code(3);
    let status = trial.dynwf().status("lines");
    assert_packet(&status, "net", "integrated", "");
    // Without a sandbox the agent could make it; it is not ours to remove.
    let stray = ["ref refs/heads/stray", "hook post-checkout.ran"];
    let after = trial.repo.fingerprint();
    trial
        .before
        .clone()
        .without(&stray)
        .assert_same(&after.without(&stray));
    assert!(trial.repo.resolve("stray").is_some());
}

#[test]
fn a_commit_on_another_packets_branch_is_found_out() {
    let trial = Trial::of_command(&format!(
        "{} && git commit -q -a --no-verify -m x && git update-ref refs/heads/dynwf/lines/integration HEAD",
        line_in("net")
    ));
    let said = trial.dynwf().line("run lines");
    assert!(said.code() != 0 && said.code() != 70, "{said}");
    let status = trial.dynwf().status("lines");
    let integrated = status["packets"].as_array().expect("packets").iter();
    let moved = integrated
        .filter(|packet| packet["status"] == "integrated")
        .count();
    assert!(moved == 0, "{status:#}");
    trial.unchanged();
}

#[test]
fn files_outside_the_scope_fail_the_packet_with_the_list() {
    let trial = Trial::of_steps(&[GOOD, "write crates/core/mine.rs x", "delete README.md"]);
    let status = trial.ends("failed", "crates/core/mine.rs");
    let reason = packet(&status, "net")["reason"].as_str().expect("a reason");
    assert!(reason.contains("README.md"), "{reason}");
    // Its commit is kept all the same.
    let tip = packet(&status, "net")["tip"]
        .as_str()
        .expect("a tip")
        .to_owned();
    let refs = trial
        .repo
        .git(["for-each-ref", "--contains", &tip, "--format=%(refname)"]);
    assert!(refs.contains("lines"), "no ref holds {tip}: {refs}");
    trial.again().expect_code(3);
    assert!(
        trial
            .repo
            .try_git(["cat-file", "-e", &tip])
            .status
            .success()
    );
}

#[test]
fn files_outside_the_workspace_are_none_of_the_packets() {
    let trial = Trial::of_steps(&["outside ../db/crates/db/stray.rs x", GOOD]);
    trial.dynwf().line("run lines");
    let status = trial.dynwf().status("lines");
    assert_packet(&status, "net", "integrated", "");
    trial.unchanged();
}

#[test]
fn an_index_lock_that_is_left_behind_is_in_nobodys_way() {
    let trial = Trial::of_command(&format!(
        "{} && touch \"$(git rev-parse --git-path index.lock)\"",
        line_in("net")
    ));
    trial.ends("integrated", "");
    let trial = Trial::of_command(
        "touch \"$(git rev-parse --git-path HEAD.lock)\" \"$(git rev-parse --git-path index.lock)\"; \
         touch \"$(git rev-parse --git-common-dir)/refs/heads/dynwf/lines/net.lock\"; exit 1",
    );
    trial.ends("failed", "exit 1");
    trial.again().expect_code(3);
    trial.ends("failed", "exit 1");
}

#[test]
fn a_half_done_merge_and_a_stash_are_told() {
    let trial = Trial::of_command(&format!(
        "{0} && git stash -q && {0} && git checkout -q -b side HEAD~0 && git reset -q --hard && {0} && \
         git commit -q -a --no-verify -m side && git checkout -q - && {0} && echo other >> crates/net/src/lib.rs && \
         git commit -q -a --no-verify -m own && git merge -q side; git branch -D -q side; \
         sed -i -e '/^[<=>]/d' -e '/^other$/d' crates/net/src/lib.rs; true",
        line_in("net")
    ));
    trial.dynwf().line("run lines");
    let status = trial.dynwf().status("lines");
    let word = packet(&status, "net")["status"].as_str().expect("a word");
    assert!(["integrated", "failed"].contains(&word), "{status:#}");
    // A stash is the repository's: where an agent can reach it, it can add to the user's.
    let shared = [
        "ref refs/stash",
        "git logs/refs/stash",
        "hook post-checkout.ran",
    ];
    let after = trial.repo.fingerprint();
    trial
        .before
        .clone()
        .without(&shared)
        .assert_same(&after.without(&shared));
}

#[test]
fn odd_files_are_refused_by_name() {
    for (steps, named) in [
        (&["fifo crates/net/pipe"][..], "crates/net/pipe: a FIFO"),
        (&["symlink crates/net/out /etc/passwd"], "crates/net/out"),
        (
            &["symlink crates/net/out ../../../../elsewhere"],
            "crates/net/out",
        ),
        (&["write crates/net/.GIT/config x"], "crates/net/.GIT"),
    ] {
        let trial = Trial::of_steps(&[&[GOOD], steps].concat());
        trial.ends("failed", named);
        trial.again().expect_code(3);
        trial.ends("failed", named);
    }
}

#[test]
fn odd_names_and_contents_are_collected_as_they_are() {
    let trial = Trial::of_command(&format!(
        "{}; cd crates/net; printf x > \"$(printf 'a\\nb')\"; printf x > 'sp ace \"q\" $x'; printf x > \"$(printf '\\377')\"; \
         printf x > ':(glob)**'; printf x > -rf; mkdir -p deep/$(printf 'd%.0s' $(seq 200)); printf '\\000\\001' > bin; \
         ln -s src/lib.rs link; chmod +x src/wire.rs; : > empty",
        line_in("net")
    ));
    let status = trial.dynwf().line("run lines");
    assert!(matches!(status.code(), 3), "{status}");
    let status = trial.dynwf().status("lines");
    let word = packet(&status, "net")["status"]
        .as_str()
        .expect("a word")
        .to_owned();
    if word == "waiting" {
        trial.dynwf().line("review lines net");
        trial
            .dynwf()
            .line("approve lines merge:net --yes")
            .success();
    }
    trial.ends("integrated", "");
    let names = trial.repo.git([
        "ls-tree",
        "-r",
        "-z",
        "--name-only",
        "dynwf/lines/integration",
        "crates/net/",
    ]);
    for name in [
        "a\nb",
        "sp ace \"q\" $x",
        ":(glob)**",
        "-rf",
        "bin",
        "link",
        "empty",
    ] {
        assert!(
            names
                .split('\0')
                .any(|path| path == format!("crates/net/{name}")),
            "{name:?}: {names:?}"
        );
    }
}

#[test]
fn an_agent_that_interrupts_everybody_it_can_reach_fails_alone() {
    let trial = Trial::of_command("kill -TERM $PPID; sleep 5");
    trial.ends("failed", "cancelled");
    let trial = Trial::of_command("kill -KILL $PPID; sleep 5");
    trial.ends("failed", "lost with the process that attended it");
}

#[test]
fn two_interrupts_end_even_what_does_not_listen() {
    let trial = Trial::of_steps(&[
        "fork-daemon $HOME/daemon",
        "touch $HOME/hangs",
        "hang-stubborn",
    ]);
    let home = trial.repo.place().home();
    let mut run = trial.dynwf().spawn(["run", "lines"]);
    run.wait_for(&home.join("hangs"));
    run.signal(Signal::INT);
    let dynwf = trial.dynwf();
    // The first one is taken before the second one is sent: both at once are one.
    run.wait_until("it winds down", || dynwf.line("status lines").code() == 0);
    run.signal(Signal::INT);
    run.wait().expect_code(130);
    let pid = fs::read_to_string(home.join("daemon")).expect("it says who it is");
    wait_until_gone(pid.trim().parse().expect("a number"));
    trial.unchanged();
}
