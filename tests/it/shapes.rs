//! Repositories of every shape: in each the whole small job gives the right tree, or is refused with a reason.

use std::fs;
use std::path::Path;

use crate::support::{Dynwf, Fingerprint, TestRepo, line_in, plan_of, skip};

/// Two packets side by side.
fn two() -> String {
    plan_of(&[("net", &line_in("net")), ("db", &line_in("db"))])
}

/// What a landing in nobody's checkout may change.
const MAIN: [&str; 1] = ["ref refs/heads/main"];

/// Writes the plan beside the repository.
fn write_plan(repo: &TestRepo, plan: &str) -> String {
    let file = repo.place().join("plan.toml");
    fs::write(&file, plan).expect("the plan can be written");
    file.display().to_string()
}

/// Plan, run, approve, land and push as seen from where `dynwf` is called; the pushed tree has both lines and
/// is otherwise the one before.
#[track_caller]
fn whole_job(repo: &TestRepo, dynwf: &Dynwf<'_>) {
    let base = repo.git(["rev-parse", "main"]);
    let plan = write_plan(repo, &two());
    dynwf.run(["plan", "lines", "--from", &plan]).success();
    dynwf.line("run lines").expect_code(3);
    let before = repo.git(["rev-parse", "main"]);
    assert_eq!(before, base);
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    dynwf.line("push lines").expect_code(3);
    dynwf.line("approve lines push:origin --yes").success();
    dynwf.line("push lines").success();
    assert_result(repo, &base, "main");
    assert_eq!(
        repo.remote_git(["rev-parse", "main"]),
        repo.git(["rev-parse", "main"])
    );
    repo.git(["fsck", "--strict"]);
}

/// Exactly the two lines were added.
#[track_caller]
fn assert_result(repo: &TestRepo, base: &str, tip: &str) {
    let names = repo.git(["diff", "--name-only", base, tip]);
    assert_eq!(names, "crates/db/src/lib.rs\ncrates/net/src/lib.rs");
    for id in ["net", "db"] {
        let file = format!("crates/{id}/src/lib.rs");
        let old = repo.git(["show", &format!("{base}:{file}")]);
        let new = repo.git(["show", &format!("{tip}:{file}")]);
        assert_eq!(new, format!("{old}\n// {id}"));
    }
}

#[track_caller]
fn assert_only_main(before: Fingerprint, repo: &TestRepo) {
    before
        .without(&MAIN)
        .assert_same(&repo.fingerprint().without(&MAIN));
}

/// The whole job from the top of a repository whose `main` is in use nowhere.
#[track_caller]
fn works(repo: TestRepo) {
    let repo = repo.with_remote().in_use();
    let before = repo.fingerprint();
    whole_job(&repo, &Dynwf::new(&repo));
    assert_only_main(before, &repo);
}

#[test]
fn a_path_that_needs_quoting_everywhere() {
    works(TestRepo::with_odd_name());
    for name in [
        "line\nbreak",
        "-n",
        "tab\there",
        "ünï ☃",
        "%s {slug} {packet}",
        "a\\b",
        "trailing ",
    ] {
        works(
            TestRepo::init(name, &[])
                .expect("a folder may have any name")
                .with_crates(&["net", "db"]),
        );
    }
}

#[test]
fn a_detached_head_needs_a_target_and_no_more() {
    let repo = TestRepo::small().with_remote().detached();
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    let plan = write_plan(&repo, &two().replace("target = \"main\"\n", ""));
    dynwf
        .run(["plan", "lines", "--from", &plan])
        .expect_code(2)
        .complains("HEAD is detached")
        .complains("`target`");
    whole_job(&repo, &dynwf);
    assert_only_main(before, &repo);
}

#[test]
fn base_and_target_are_what_is_checked_out_where_the_plan_says_nothing() {
    let repo = TestRepo::small().in_use();
    repo.git(["commit", "-q", "--no-verify", "--allow-empty", "-m", "mine"]);
    let dynwf = Dynwf::new(&repo);
    let text = two()
        .replace("target = \"main\"\n", "")
        .replace("base = \"main\"\n", "");
    let plan = write_plan(&repo, &text);
    dynwf.run(["plan", "lines", "--from", &plan]).success();
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_eq!(status["target"]["ref"], "refs/heads/my-work");
    assert_eq!(status["base"], repo.git(["rev-parse", "my-work"]));
}

#[test]
fn a_checkout_in_the_middle_of_work_is_left_as_it_is() {
    works(TestRepo::small());
}

#[test]
fn called_from_a_subdirectory() {
    let repo = TestRepo::small().with_remote().in_use();
    let before = repo.fingerprint();
    let below = repo.join("crates/net/src");
    whole_job(&repo, &Dynwf::at(repo.place(), &below));
    assert!(repo.join(".workflow/lines/plan.toml").is_file());
    assert!(!below.join(".workflow").exists());
    assert_only_main(before, &repo);
}

#[test]
fn called_with_a_directory_from_somewhere_else() {
    let repo = TestRepo::small().with_remote().in_use();
    let before = repo.fingerprint();
    let dynwf = Dynwf::at(repo.place(), Path::new("/"));
    let base = repo.git(["rev-parse", "main"]);
    write_plan(&repo, &two());
    let dir = repo.path().display().to_string();
    // A relative file is taken from that directory, as everything is.
    let call = |words: &[&str]| dynwf.run([&["-C", &dir], words].concat());
    call(&["plan", "lines", "--from", "../plan.toml"]).success();
    call(&["run", "lines"]).expect_code(3);
    call(&["approve", "lines", "land", "--yes"]).success();
    call(&["land", "lines"]).success();
    assert_result(&repo, &base, "main");
    call(&["status", "lines", "--json"]).success().json();
    dynwf
        .run(["-C", "/no/such/folder", "status"])
        .expect_code(2)
        .complains("/no/such/folder");
    assert_only_main(before, &repo);
}

#[test]
fn called_from_another_linked_worktree() {
    let repo = TestRepo::small().with_remote().in_use();
    let linked = repo.linked_worktree("side");
    fs::write(linked.join("README.md"), "mine\n").expect("it can be edited");
    let before = repo.fingerprint();
    whole_job(&repo, &Dynwf::at(repo.place(), &linked));
    // What people read lies in the main worktree, wherever dynwf was called from.
    assert!(repo.join(".workflow/lines/plan.toml").is_file());
    assert!(!linked.join(".workflow").exists());
    let said = repo.git_in(&linked, ["status", "--porcelain"]).success();
    assert_eq!(said.stdout, " M README.md\n");
    assert_only_main(before, &repo);
    // From the main worktree it is the same workflow.
    Dynwf::new(&repo)
        .line("status lines")
        .success()
        .says("lines");
}

#[test]
fn called_from_within_a_packets_own_workspace() {
    let repo = TestRepo::small().in_use();
    let plan = write_plan(&repo, &two());
    let dynwf = Dynwf::new(&repo);
    dynwf.run(["plan", "lines", "--from", &plan]).success();
    dynwf.line("split lines").success();
    let inside = repo.place().join(format!(
        "{}.dynwf/lines/net/crates",
        repo.path().file_name().expect("a name").to_string_lossy()
    ));
    assert!(inside.is_dir());
    let dynwf = Dynwf::at(repo.place(), &inside);
    dynwf.line("status lines").success().says("net");
    dynwf.line("run lines").expect_code(3);
}

#[test]
fn submodules_stay_as_they_are() {
    works(TestRepo::small().with_submodule());
}

#[test]
fn filters_are_applied_as_git_applies_them() {
    let repo = TestRepo::small().with_filter().with_remote().in_use();
    let before = repo.fingerprint();
    whole_job(&repo, &Dynwf::new(&repo));
    assert_only_main(before, &repo);
    // A packet that writes a filtered file: clean text in the commit, smudged text in the workspace.
    let run = "test \"$(cat assets/model.big)\" = heavy && echo heavier > assets/model.big && \
               printf 'two\\r\\nlines\\r\\n' > assets/dos.crlf";
    let plan = plan_of(&[("net", run)])
        .replace("crates/net/**", "assets/**")
        .replace("Lines", "Weights");
    let plan = write_plan(&repo, &plan);
    let dynwf = Dynwf::new(&repo);
    dynwf.run(["plan", "weights", "--from", &plan]).success();
    dynwf.line("run weights").expect_code(3);
    let of = |file: &str| {
        repo.git([
            "cat-file",
            "blob",
            &format!("dynwf/weights/integration:{file}"),
        ])
    };
    assert_eq!(of("assets/model.big"), "pointer heavier");
    assert_eq!(of("assets/dos.crlf"), "two\nlines");
}

#[test]
fn a_filter_that_fails_fails_the_packets_with_its_reason() {
    let repo = TestRepo::small().with_filter().in_use();
    repo.git(["config", "filter.big.smudge", "echo no server >&2; exit 1"]);
    let before = repo.fingerprint();
    let plan = write_plan(&repo, &two());
    let dynwf = Dynwf::new(&repo);
    dynwf.run(["plan", "lines", "--from", &plan]).success();
    dynwf.line("run lines").expect_code(1);
    let status = dynwf.status("lines");
    let reason = status["packets"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("assets/model.big"), "{status:#}");
    before.assert_same(&repo.fingerprint());
}

#[test]
fn a_sparse_checkout_stays_sparse_and_packets_see_everything() {
    let repo = TestRepo::small().with_remote().in_use();
    repo.git(["stash", "push", "-q"]);
    let repo = repo.sparse("crates/net");
    assert!(!repo.join("crates/db").exists());
    let before = repo.fingerprint();
    whole_job(&repo, &Dynwf::new(&repo));
    assert!(!repo.join("crates/db").exists());
    assert_only_main(before, &repo);
}

#[test]
fn landing_in_a_sparse_checkout_keeps_it_sparse() {
    let repo = TestRepo::small().with_remote().sparse("crates/net");
    whole_job(&repo, &Dynwf::new(&repo));
    assert!(!repo.join("crates/db").exists());
    assert!(repo.read("crates/net/src/lib.rs").ends_with("// net\n"));
    assert_eq!(repo.git(["status", "--porcelain"]), "");
}

#[test]
fn a_hooks_folder_relative_to_the_work_tree() {
    works(TestRepo::small().with_relative_hooks());
}

#[test]
fn a_users_own_pre_push_hook_is_asked_and_may_say_no() {
    let repo = TestRepo::small().with_remote().in_use();
    repo.write(
        ".git/hooks/pre-push",
        "#!/bin/sh\necho not on a Friday >&2\nexit 1\n",
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(repo.join(".git/hooks/pre-push"), mode).expect("it is ours");
    let base = repo.git(["rev-parse", "main"]);
    let dynwf = Dynwf::new(&repo);
    let plan = write_plan(&repo, &two());
    dynwf.run(["plan", "lines", "--from", &plan]).success();
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    dynwf.line("push lines").expect_code(3);
    dynwf.line("approve lines push:origin --yes").success();
    dynwf
        .line("push lines")
        .expect_code(1)
        .complains("not on a Friday");
    assert_eq!(repo.remote_git(["rev-parse", "main"]), base);
    fs::remove_file(repo.join(".git/hooks/pre-push")).expect("it is ours");
    dynwf.line("push lines").success();
    assert_eq!(
        repo.remote_git(["rev-parse", "main"]),
        repo.git(["rev-parse", "main"])
    );
}

#[test]
fn refs_in_the_reftable_format() {
    match TestRepo::reftable() {
        Ok(repo) => works(repo),
        Err(said) => skip!("this git makes no such repository: {}", said.stderr),
    }
}

#[test]
fn object_ids_of_64_digits() {
    let repo = match TestRepo::sha256() {
        Ok(repo) => repo,
        Err(said) => skip!("this git makes no such repository: {}", said.stderr),
    };
    repo.git([
        "init",
        "-q",
        "--bare",
        "-b",
        "main",
        "--object-format=sha256",
        "../remote.git",
    ]);
    repo.git(["remote", "add", "origin", "../remote.git"]);
    repo.git(["push", "-q", "-u", "origin", "main"]);
    let repo = repo.in_use();
    let before = repo.fingerprint();
    whole_job(&repo, &Dynwf::new(&repo));
    assert_only_main(before, &repo);
}

#[test]
fn a_worktree_of_a_bare_repository() {
    let repo = TestRepo::small().with_remote();
    let bare = repo.place().join("bare.git");
    let (here, bare_text) = (
        repo.path().display().to_string(),
        bare.display().to_string(),
    );
    repo.git(["clone", "-q", "--bare", &here, &bare_text]);
    let tree = repo.place().join("tree of bare");
    let tree_text = tree.display().to_string();
    repo.git_in(&bare, ["worktree", "add", "-q", "-b", "mine", &tree_text])
        .success();
    let start = repo.git_in(&bare, ["rev-parse", "main"]).success().stdout;
    let plan = write_plan(&repo, &two());
    let dynwf = Dynwf::at(repo.place(), &tree);
    dynwf.run(["plan", "lines", "--from", &plan]).success();
    // There is no main worktree: the current one holds what people read.
    assert!(tree.join(".workflow/lines/plan.toml").is_file());
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    let log = repo
        .git_in(&bare, ["diff", "--stat", start.trim(), "main"])
        .success();
    assert!(
        log.stdout.contains("2 files changed, 2 insertions"),
        "{log}"
    );
    // The branch that a bare repository's HEAD names is no checkout.
    let said = repo.git_in(&tree, ["status", "--porcelain"]).success();
    assert_eq!(said.stdout, "");
}

#[test]
fn a_git_directory_elsewhere() {
    let repo = TestRepo::small().with_remote().in_use();
    let apart = repo.place().join("apart.git");
    repo.git([
        "init",
        "-q",
        "--separate-git-dir",
        &apart.display().to_string(),
    ]);
    assert!(repo.join(".git").is_file());
    let before = repo.fingerprint();
    whole_job(&repo, &Dynwf::new(&repo));
    assert_only_main(before, &repo);
}

#[test]
fn a_shallow_clone_and_one_with_borrowed_objects() {
    for options in [&["--depth=1"][..], &["--shared"]] {
        let first = TestRepo::small();
        first.write("README.md", "second\n");
        first.commit("second");
        let clone = first.place().join("clone");
        let url = format!("file://{}", first.path().display());
        let to = clone.display().to_string();
        let url = if options == ["--shared"] {
            first.path().display().to_string()
        } else {
            url
        };
        first.git([&["clone", "-q"], options, &[&url, &to]].concat());
        let plan = write_plan(&first, &two());
        let dynwf = Dynwf::at(first.place(), &clone);
        dynwf.run(["plan", "lines", "--from", &plan]).success();
        dynwf.line("run lines").expect_code(3);
        dynwf.line("approve lines land --yes").success();
        dynwf.line("land lines").success();
        let said = first
            .git_in(&clone, ["show", "main:crates/net/src/lib.rs"])
            .success();
        assert!(said.stdout.ends_with("// net\n"), "{said}");
    }
}

#[test]
fn environment_variables_of_git_do_not_lead_astray() {
    let repo = TestRepo::small().with_remote().in_use();
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo)
        .env("GIT_DIR", "/nowhere")
        .env("GIT_WORK_TREE", "/nowhere")
        .env("GIT_INDEX_FILE", repo.join("my-index"))
        .env("GIT_OBJECT_DIRECTORY", "/nowhere")
        .env("GIT_EDITOR", "false");
    whole_job(&repo, &dynwf);
    assert!(!repo.join("my-index").exists());
    assert_only_main(before, &repo);
}

#[test]
fn settings_of_git_that_change_what_commands_say() {
    let repo = TestRepo::small().with_remote();
    for (key, value) in [
        ("core.autocrlf", "true"),
        ("core.quotePath", "true"),
        ("core.fsmonitor", "false"),
        ("core.untrackedCache", "true"),
        ("status.showUntrackedFiles", "no"),
        ("diff.noprefix", "true"),
        ("diff.external", "false"),
        ("merge.conflictStyle", "diff3"),
        ("merge.ff", "false"),
        ("pull.rebase", "true"),
        ("push.followTags", "true"),
        ("push.default", "nothing"),
        ("color.ui", "always"),
        ("core.pager", "false"),
        ("index.version", "4"),
        ("index.skipHash", "true"),
        ("feature.manyFiles", "true"),
        ("core.bigFileThreshold", "1"),
        ("gc.auto", "1"),
        ("submodule.recurse", "true"),
        ("fetch.prune", "true"),
        ("core.sharedRepository", "group"),
    ] {
        repo.git(["config", key, value]);
    }
    let repo = repo.in_use();
    let before = repo.fingerprint();
    whole_job(&repo, &Dynwf::new(&repo));
    assert_only_main(before, &repo);
}
