//! `dynwf archive` and `dynwf recipe`.

use super::{landed, waiting};
use crate::support::TestRepo;

#[test]
fn it_refuses_while_something_waits_and_says_what() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    dynwf
        .line("archive lines")
        .expect_code(2)
        .complains("lines waits at merge:02-db")
        .complains("--force");
    assert!(repo.resolve("refs/heads/dynwf/lines/01-net").is_some());
    dynwf.line("reject lines merge:02-db").success();
    dynwf.line("run lines").expect_code(3);
    dynwf.line("reject lines land").success();
    dynwf
        .line("archive lines")
        .expect_code(2)
        .complains("integrated work that is not landed");
}

#[test]
fn it_keeps_every_commit_and_every_file() {
    let repo = TestRepo::small();
    let dynwf = waiting(&repo);
    let tip = repo
        .resolve("refs/heads/dynwf/lines/03-core")
        .expect("a tip");
    let unsaved = repo.place().join("repo.dynwf/lines/03-core/unsaved.txt");
    std::fs::write(&unsaved, "precious\n").unwrap();
    let before = repo.fingerprint();
    dynwf.line("archive lines --force").success();
    dynwf.line("archive lines").success();
    assert_eq!(repo.git(["for-each-ref", "refs/heads/dynwf"]), "");
    assert_eq!(repo.resolve("refs/dynwf/w/lines/branch/03-core"), Some(tip));
    assert!(!repo.place().join("repo.dynwf").exists());
    before.assert_same(&repo.fingerprint());
    let list = dynwf.line("rescue lines --json").success().json();
    let rescued = &list["rescued"][0];
    assert_eq!(rescued["packet"], "03-core");
    assert_eq!(rescued["files"][0], "unsaved.txt");
    let name = rescued["ref"].as_str().expect("a ref");
    assert_eq!(
        repo.git(["show", &format!("{name}:unsaved.txt")]),
        "precious"
    );
    dynwf
        .line("rescue")
        .success()
        .says("unsaved.txt")
        .says(name);
    dynwf
        .run(["rescue", "show", name])
        .success()
        .says("+ precious");
    let short = name.trim_start_matches("refs/dynwf/rescue/");
    dynwf.run(["rescue", "show", short]).success();
    for wrong in ["refs/heads/main", "lines/nothing", "../.."] {
        dynwf
            .run(["rescue", "show", wrong])
            .expect_code(2)
            .complains("no rescue ref");
    }
    dynwf
        .line("run lines")
        .expect_code(2)
        .complains("is archived");
    let rejected = "packet retry lines 03-core";
    for line in [rejected, "packet drop lines 03-core --why late"] {
        dynwf.line(line).expect_code(2).complains("is archived");
    }
    let report = repo.read(".workflow/lines/final-report.md");
    assert!(report.contains("03-core"), "{report}");
    assert!(!report.contains("packet retry"), "{report}");
    assert!(report.contains("recipe save lines NAME`"), "{report}");
    dynwf
        .line("gates lines")
        .success()
        .complains("no gate waits");
}

#[test]
fn what_was_landed_can_be_pushed_after_the_archive() {
    let repo = TestRepo::small().with_remote();
    let dynwf = landed(&repo);
    dynwf.line("archive lines").success();
    let there = || repo.remote_git(["rev-parse", "main"]);
    let before = there();
    dynwf
        .line("push lines")
        .expect_code(3)
        .complains("dynwf approve lines push:origin");
    dynwf.line("gates lines").success().says("push:origin");
    assert_eq!(there(), before);
    dynwf.line("approve lines push:origin --yes").success();
    dynwf.line("push lines").success();
    assert_eq!(Some(there()), repo.resolve("refs/heads/main"));
    dynwf
        .line("gates lines")
        .success()
        .complains("no gate waits");
}

#[test]
fn a_recipe_is_kept_shown_and_used_again() {
    let repo = TestRepo::small();
    let dynwf = landed(&repo);
    dynwf.line("recipe list").success();
    dynwf.line("archive lines --recipe by-crate").success();
    let text = repo.read(".workflow/recipes/by-crate.toml");
    assert!(
        text.contains("01-net") && !text.contains("03-core"),
        "{text}"
    );
    // It is meant to be committed.
    let seen = repo.git(["status", "--porcelain", "--untracked-files=all"]);
    assert!(seen.contains(".workflow/recipes/by-crate.toml"), "{seen}");
    dynwf
        .line("recipe list")
        .success()
        .says("by-crate  1 packet");
    let list = dynwf.line("recipe list --json").success().json();
    assert_eq!(list["recipes"][0]["name"], "by-crate");
    // Scripts are recipes too, by name.
    repo.write(
        ".workflow/recipes/ours.js",
        "export const meta = { name: 'ours', description: 'What we do' }\nreturn 1\n",
    );
    dynwf
        .line("recipe list")
        .success()
        .says("ours  script  What we do")
        .says("council  script  ");
    let list = dynwf.line("recipe list --json").success().json();
    assert_eq!(list["scripts"][0]["name"], "ours");
    assert_eq!(list["scripts"][0]["file"], ".workflow/recipes/ours.js");
    dynwf.line("recipe show ours").success().says("return 1");
    dynwf
        .line("recipe use ours again")
        .expect_code(2)
        .complains("dynwf script run ours");
    dynwf
        .line("recipe show by-crate")
        .success()
        .says("{{goal}}");
    dynwf
        .run([
            "recipe",
            "use",
            "by-crate",
            "again",
            "--set",
            "goal=Once more",
        ])
        .success();
    let plan = repo.read(".workflow/again/plan.toml");
    assert!(plan.contains("Once more"), "{plan}");
    dynwf.line("plan again").success();
    dynwf
        .line("recipe use by-crate again")
        .expect_code(2)
        .complains("a workflow again already");
    dynwf
        .line("recipe use by-crate third --set goal")
        .expect_code(2)
        .complains("NAME=VALUE");
    dynwf
        .line("recipe use by-crate third --set no=x")
        .expect_code(2)
        .complains("no");
    dynwf
        .line("recipe show nothing")
        .expect_code(2)
        .complains("by-crate");
}

#[test]
fn another_recipe_of_the_name_is_not_written_over() {
    let repo = TestRepo::small();
    let dynwf = landed(&repo);
    dynwf.line("recipe save lines shape").success();
    dynwf.line("recipe save lines shape").success();
    repo.write(".workflow/recipes/shape.toml", "# mine\n");
    dynwf
        .line("recipe save lines shape")
        .expect_code(2)
        .complains("--force");
    dynwf.line("archive lines --recipe shape").expect_code(2);
    let state = dynwf.status("lines");
    assert_eq!(state["integration"]["branch"], "dynwf/lines/integration");
    assert!(
        repo.resolve("refs/heads/dynwf/lines/integration").is_some(),
        "it is not closed"
    );
    assert_eq!(repo.read(".workflow/recipes/shape.toml"), "# mine\n");
    dynwf.line("recipe save lines shape --force").success();
    assert!(repo.read(".workflow/recipes/shape.toml").contains("01-net"));
}
