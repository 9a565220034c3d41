//! Git in the sandbox: everything works, and the repository stays as it was.

use std::fs;

use crate::support::{Dynwf, Fingerprint, TestRepo, line_in, packet, packet_of, plan_of};

/// One packet, `net`, in a sandbox; the user is in the middle of work.
struct Trial {
    repo: TestRepo,
    before: Fingerprint,
}

impl Trial {
    fn new(run: &str) -> Self {
        Self::of(TestRepo::small(), &packet_of("net", run, ""))
    }

    fn of(repo: TestRepo, packet: &str) -> Self {
        let repo = repo.in_use();
        let repo = repo.planned(&format!("{}{packet}", plan_of(&[])));
        let before = repo.fingerprint();
        Self { repo, before }
    }

    /// Runs it; `net` is integrated and nothing of the user's changed. Returns its line in the status.
    #[track_caller]
    fn is_integrated(&self) -> String {
        let dynwf = Dynwf::new(&self.repo).env("DYNWF_CONFIG_SANDBOX__MODE", "bubblewrap");
        let said = dynwf.line("run lines").expect_code(3);
        let status = Dynwf::new(&self.repo).status("lines");
        let net = packet(&status, "net");
        assert_eq!(net["status"], "integrated", "{said}\n{net:#}");
        self.before.assert_same(&self.repo.fingerprint());
        self.repo.git(["fsck", "--strict"]);
        self.log()
    }

    fn log(&self) -> String {
        let journal = self.repo.common_dir().join("dynwf/w/lines/journal.jsonl");
        fs::read_to_string(journal).expect("there is a journal")
    }

    fn refs(&self, prefix: &str) -> Vec<String> {
        let refs = self
            .repo
            .git(["for-each-ref", "--format=%(refname)", prefix]);
        refs.lines().map(str::to_owned).collect()
    }

    fn merged(&self) -> String {
        let file = "dynwf/lines/integration:crates/net/src/lib.rs";
        self.repo.git(["show", file])
    }
}

#[test]
fn every_command_works_and_nothing_of_the_repository_changes() {
    need_bubblewrap!();
    let script = format!(
        "set -ex
         git status; git log -1; git branch -a | grep main
         {line}; git diff --exit-code && exit 9
         git add -A; git commit -qm first
         test \"$(git log -1 --format=%an)\" = 'Test User'
         git mv crates/net/Cargo.toml crates/net/C.toml; git commit -qam moved; git revert --no-edit HEAD
         git checkout -qb side HEAD~1; git reset -q --hard HEAD~1; git commit -q --allow-empty -m empty
         git checkout -q -; git merge -q --no-edit side; git rebase -q HEAD~1; git cherry-pick --allow-empty side || git cherry-pick --skip
         git branch -D side; git tag mine; git notes add -m note; git config core.fsmonitor false; git gc -q
         git worktree add -q ../other HEAD; git -C ../other log -1; git worktree remove ../other
         git update-ref -d refs/heads/main; git reflog; git fsck
         git init -q \"$HOME/scratch\"; cd \"$HOME/scratch\"; echo x > x; git add x; git commit -qm x; git log",
        line = line_in("net")
    );
    let trial = Trial::new(&script);
    let journal = trial.is_integrated();
    assert!(trial.merged().ends_with("// net"));
    assert!(journal.contains("commits were made in it"), "{journal}");
    let made = trial.refs("refs/dynwf/w/lines/made/net");
    assert_eq!(made.len(), 1, "{made:?}");
    let subjects = trial.repo.git(["log", "--format=%s", &made[0]]);
    assert!(subjects.lines().any(|line| line == "first"), "{subjects}");
}

#[test]
fn what_git_hides_is_kept_and_told() {
    need_bubblewrap!();
    let trial = Trial::new(
        "set -e
         echo one >> crates/net/src/lib.rs; git stash -q
         echo two >> crates/net/src/lib.rs; git stash -q
         git checkout -q --detach; echo lost > crates/net/lost; git add -A; git commit -qm lost; git checkout -q -
         git checkout -qb other; echo o > crates/net/o; git add -A; git commit -qm other; git checkout -q -
         echo '// net' >> crates/net/src/lib.rs",
    );
    let journal = trial.is_integrated();
    assert_eq!(trial.merged().lines().last(), Some("// net"));
    assert!(journal.contains("not in the collected files"), "{journal}");
    let rescued = trial.refs("refs/dynwf/rescue/lines");
    assert_eq!(rescued.len(), 1, "{rescued:?}");
    let kept = trial.repo.git(["log", "--format=%s", &rescued[0]]);
    assert!(kept.contains("lost") && kept.contains("other"), "{kept}");
    assert_eq!(kept.matches("WIP on").count(), 2, "both stashes: {kept}");
}

#[test]
fn an_unfinished_merge_is_told() {
    need_bubblewrap!();
    let trial = Trial::new(
        "git checkout -qb side; echo a >> crates/net/src/lib.rs; git commit -qam side; git checkout -q -
         echo b >> crates/net/src/lib.rs; git commit -qam own; git merge side; sed -i '/^[<=>]/d' crates/net/src/lib.rs",
    );
    let journal = trial.is_integrated();
    assert!(journal.contains("a merge was left unfinished"), "{journal}");
    assert_eq!(trial.refs("refs/dynwf/rescue/lines").len(), 1);
}

#[test]
fn a_repository_with_longer_ids_works_too() {
    need_bubblewrap!();
    let Ok(repo) = TestRepo::sha256() else {
        crate::support::skip!("this git has no SHA-256");
    };
    let repo = repo.with_crates(&["net", "db"]);
    let run = format!("{} && git commit -qam own", line_in("net"));
    let trial = Trial::of(repo, &packet_of("net", &run, ""));
    trial.is_integrated();
    assert_eq!(trial.refs("refs/dynwf/w/lines/made/net").len(), 1);
}

#[test]
fn commits_and_checks_of_later_turns_start_from_what_was_collected() {
    need_bubblewrap!();
    let run = "n=$(git rev-list --count HEAD); echo \"// $n\" >> crates/net/src/lib.rs; git commit -qam \"turn $n\"";
    let check = "checks = [\"test $(grep -c '^// [0-9]' crates/net/src/lib.rs) -ge 2 && test -z \\\"$(git status --porcelain)\\\"\"]\nturns = 3";
    let trial = Trial::of(TestRepo::small(), &packet_of("net", run, check));
    trial.is_integrated();
    assert_eq!(trial.refs("refs/dynwf/w/lines/made/net").len(), 2);
}

#[test]
fn strays_are_told_where_there_is_no_sandbox() {
    let repo = TestRepo::small().in_use();
    let lib = repo.join("crates/db/src/lib.rs").display().to_string();
    let new = repo.join("crates/stray.txt").display().to_string();
    let ignored = repo.join("crates/stray.log").display().to_string();
    let run = format!(
        "echo stray >> '{lib}'; echo new > '{new}'; echo x > '{ignored}'; git branch stray; {}",
        line_in("net")
    );
    let repo = repo.planned(&plan_of(&[("net", &run)]));
    Dynwf::new(&repo).line("run lines").expect_code(3);
    let journal = repo.common_dir().join("dynwf/w/lines/journal.jsonl");
    let journal = fs::read_to_string(journal).expect("there is a journal");
    for told in [
        "your checkout: crates/db/src/lib.rs",
        "your checkout: crates/stray.txt",
        "refs/heads/stray was made",
        "copies are kept as refs/dynwf/rescue/lines/net/",
    ] {
        assert!(journal.contains(told), "{told}: {journal}");
    }
    assert!(!journal.contains("checkout: crates/stray.log"), "{journal}");
    let stray = repo.common_dir().join("dynwf/w/lines/stray/lines.net");
    let copies: Vec<_> = walk(&stray);
    assert!(
        copies
            .iter()
            .any(|file| file.ends_with("crates/db/src/lib.rs")),
        "{copies:?}"
    );
    assert!(
        repo.read("crates/db/src/lib.rs").ends_with("stray\n"),
        "it stays where it is"
    );
    let refs = repo.git(["for-each-ref", "--format=%(refname)", "refs/dynwf/rescue"]);
    let kept = repo.git(["show", &format!("{refs}:0/crates/db/src/lib.rs")]);
    assert!(kept.ends_with("stray"), "{kept}");
    let merged = repo.git(["show", "dynwf/lines/integration:crates/db/src/lib.rs"]);
    assert!(!merged.contains("stray"), "never merged: {merged}");
}

/// What the journal holds, as text.
fn journal(repo: &TestRepo) -> String {
    let journal = repo.common_dir().join("dynwf/w/lines/journal.jsonl");
    fs::read_to_string(journal).expect("there is a journal")
}

#[test]
fn a_stray_in_a_workspace_that_waits_for_its_worker_is_not_taken_for_its_work() {
    let run = format!(
        "echo stray >> ../db/crates/db/src/lib.rs; {}",
        line_in("net")
    );
    let repo = TestRepo::small().in_use().planned(&format!(
        "{}[budget]\nconcurrency = 1\n",
        plan_of(&[("net", &run), ("db", &line_in("db"))])
    ));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("split lines").success();
    dynwf.line("run lines").expect_code(3);
    let told = "the workspace of db: crates/db/src/lib.rs";
    assert!(journal(&repo).contains(told), "{}", journal(&repo));
    let merged = repo.git(["show", "dynwf/lines/integration:crates/db/src/lib.rs"]);
    assert!(merged.contains("// db"), "its own work is there: {merged}");
    assert!(!merged.contains("stray"), "never merged: {merged}");
    let kept = repo.git(["for-each-ref", "--format=%(refname)", "refs/dynwf/rescue"]);
    assert!(kept.contains("rescue/lines/net/"), "{kept}");
    let status = dynwf.status("lines");
    assert_eq!(status["packets"][0]["attempts"], 1);
    assert_eq!(
        status["packets"][1]["attempts"], 2,
        "begun again in a fresh workspace"
    );
}

#[test]
fn a_workspace_that_somebody_changed_before_its_worker_began_is_made_anew() {
    let repo = TestRepo::small()
        .in_use()
        .planned(&plan_of(&[("net", &line_in("net"))]));
    let dynwf = Dynwf::new(&repo);
    dynwf.line("split lines").success();
    let lib = repo
        .place()
        .join("repo.dynwf/lines/net/crates/net/src/lib.rs");
    fs::write(&lib, "// nobody knows who wrote this\n").expect("the workspace is there");
    let said = dynwf.line("run lines").expect_code(3);
    said.complains("somebody else changed its workspace before: crates/net/src/lib.rs");
    let merged = repo.git(["show", "dynwf/lines/integration:crates/net/src/lib.rs"]);
    assert!(
        merged.contains("// net") && !merged.contains("nobody"),
        "{merged}"
    );
    let kept = repo.git([
        "for-each-ref",
        "--format=%(refname)",
        "refs/dynwf/rescue/lines/net",
    ]);
    let kept = repo.git(["show", &format!("{kept}:crates/net/src/lib.rs")]);
    assert!(kept.contains("nobody"), "{kept}");
}

#[test]
fn a_stray_beside_a_worker_is_told_where_that_one_may_not_write() {
    let repo = TestRepo::small().in_use();
    let wait = |name: &str| {
        let file = repo.place().join(name).display().to_string();
        format!("for n in $(seq 500); do test -e '{file}' && break; sleep 0.02; done")
    };
    let touch = |name: &str| format!("touch '{}'", repo.place().join(name).display());
    let net = format!(
        "{}; echo stray >> ../db/crates/db/src/lib.rs; echo stray >> ../db/README.md; {}; {}",
        wait("db-began"),
        line_in("net"),
        touch("net-done"),
    );
    // Its worker is there until the other one's strays are listed.
    let list = repo.common_dir().join("dynwf/w/lines/stray/lines.net");
    let db = format!(
        "{}; {}; {}; for n in $(seq 500); do test -d '{}' && break; sleep 0.02; done",
        touch("db-began"),
        wait("net-done"),
        line_in("db"),
        list.display()
    );
    let repo = repo.planned(&plan_of(&[("net", &net), ("db", &db)]));
    let dynwf = Dynwf::new(&repo);
    let said = dynwf.line("run lines").expect_code(3);
    assert!(said.to_string().contains("outside"), "{said}");
    let journal = journal(&repo);
    let told = "the workspace of db, which others worked in too: README.md";
    assert!(journal.contains(told), "{journal}");
    let own = "which others worked in too: crates/db/src/lib.rs";
    assert!(
        !journal.contains(own),
        "what db may change is db's: {journal}"
    );
    let merged = repo.git(["show", "dynwf/lines/integration:README.md"]);
    assert!(!merged.contains("stray"), "never merged: {merged}");
}

/// A repository whose workspaces have a git directory of their own, without a sandbox.
fn clones(packets: &str) -> TestRepo {
    let repo = TestRepo::small().in_use();
    repo.place()
        .user_config("[sandbox]\nmode = \"none\"\n[workspace]\nlayout = \"clone\"\n");
    repo.planned(&format!("{}{packets}", plan_of(&[])))
}

#[test]
fn a_clone_gives_a_packet_its_own_git_directory_without_a_sandbox() {
    let run = format!(
        "set -e
         test -d .git; test \"$(git rev-parse --git-common-dir)\" = .git; git remote | wc -l | grep -qx 0
         {line}; git add -A; git commit -qm 'my own words'
         git update-ref refs/heads/main HEAD; git config core.fsmonitor false; git gc -q --prune=now
         echo o > crates/net/o; git add -A; git stash -q",
        line = line_in("net")
    );
    let check = "checks = [\"test -d .git && test -z \\\"$(git status --porcelain)\\\"\"]\n";
    let repo = clones(&packet_of("net", &run, check));
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    let said = dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_eq!(
        packet(&status, "net")["status"],
        "integrated",
        "{said}\n{status:#}"
    );
    before.assert_same(&repo.fingerprint());
    let library = repo.git(["show", "dynwf/lines/integration:crates/net/src/lib.rs"]);
    assert!(library.ends_with("// net"), "{library}");
    let made = repo.git([
        "for-each-ref",
        "--format=%(subject)",
        "refs/dynwf/w/lines/made",
    ]);
    assert_eq!(made, "my own words");
    let rescued = repo.git(["for-each-ref", "--format=%(refname)", "refs/dynwf/rescue"]);
    let kept = repo.git(["log", "--format=%s", &rescued]);
    assert!(kept.contains("my own words"), "the stash: {kept}");
    repo.git(["fsck", "--strict"]);
    // Nothing is left of it when the workspaces go.
    dynwf.line("approve lines land --yes");
    dynwf.line("land lines").success();
    dynwf.line("archive lines").success();
    assert!(!repo.place().join("repo.dynwf/lines/net").exists());
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_clone_that_its_worker_destroyed_is_collected_all_the_same() {
    let run = format!(
        "rm -rf .git; git init -q; git add -A; git commit -qm evil; {}",
        line_in("net")
    );
    let gone = format!("rm -rf .git; {}", line_in("db"));
    let packets = format!(
        "{}{}",
        packet_of("net", &run, ""),
        packet_of("db", &gone, "")
    );
    let repo = clones(&packets);
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    let said = dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    for id in ["net", "db"] {
        assert_eq!(
            packet(&status, id)["status"],
            "integrated",
            "{said}\n{status:#}"
        );
        let file = format!("dynwf/lines/integration:crates/{id}/src/lib.rs");
        assert!(repo.git(["show", &file]).ends_with(&format!("// {id}")));
    }
    before.assert_same(&repo.fingerprint());
    repo.git(["fsck", "--strict"]);
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("there is a folder").flatten();
    entries
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path.display().to_string()]
            }
        })
        .collect()
}
