//! `dynwf script check` and `dynwf script types`.

use super::repo;
use crate::support::{Dynwf, Place};

const META: &str = "export const meta = { name: 'n', description: 'what it does', phases: [{ title: 'Scan' }] };\n";

#[test]
fn a_script_is_checked_without_a_repository() {
    let place = Place::new();
    let dynwf = Dynwf::at(&place, &place.path());
    let write = |name: &str, text: &str| {
        std::fs::write(place.path().join(name), text).expect("the file can be written");
    };
    write("good.js", &format!("{META}return await agent('x')\n"));
    dynwf
        .line("script check good.js")
        .success()
        .says("good.js: ok\n  n: what it does\n  phases: Scan\n");
    write(
        "bad.js",
        &format!("{META}agent('x')\nlog(Math['random']())\n"),
    );
    dynwf
        .line("script check bad.js")
        .expect_code(2)
        .says("warning: agent() is not awaited")
        .says(" --> bad.js:3:5\n3 | log(Math['random']())\n  |     ^^^^^^^^^^^^^^\n")
        .says("bad.js: 1 error, 1 warning");
    let found = dynwf
        .line("script check bad.js --json")
        .expect_code(2)
        .json();
    assert_eq!(found["ok"], false);
    assert_eq!(found["problems"][1]["line"], 3);
    assert_eq!(found["problems"][1]["column"], 5);
    assert_eq!(found["problems"][1]["severity"], "error");
    assert_eq!(found["meta"]["phases"][0]["title"], "Scan");

    dynwf
        .line("script check nowhere.js")
        .expect_code(2)
        .complains("nowhere.js cannot be read");
    std::fs::write(place.path().join("latin.js"), b"// caf\xe9\n")
        .expect("the file can be written");
    dynwf
        .line("script check latin.js")
        .expect_code(2)
        .complains("is not UTF-8 text: byte 6 is wrong");
}

#[test]
fn the_types_name_what_a_script_can_use() {
    let place = Place::new();
    let types = Dynwf::at(&place, &place.path())
        .line("script types")
        .success()
        .stdout;
    for name in [
        "agent",
        "parallel",
        "pipeline",
        "packet",
        "integrate",
        "sh",
        "gate",
        "checkpoint",
        "report",
        "workflow",
        "phase",
        "log",
    ] {
        assert!(
            types.contains(&format!("declare function {name}")),
            "{name}"
        );
    }
}

#[test]
fn scripts_that_come_along_are_listed_shown_and_run_by_name() {
    let repo = repo();
    let dynwf = Dynwf::new(&repo);
    let listed = dynwf.line("script list").success().stdout;
    for name in ["chain", "council", "fix", "migrate", "panel", "review"] {
        assert!(
            listed.contains(&format!("{name}  (comes with dynwf)")),
            "{listed}"
        );
    }
    let text = dynwf.line("script show fix").success().stdout;
    assert!(text.starts_with("export const meta = {"), "{text}");
    dynwf
        .line("script show nothing")
        .expect_code(2)
        .complains("there are chain, council");
    dynwf
        .run(["script", "run", "fix", "--agent", "echo"])
        .expect_code(2)
        .complains("check");
    let value = dynwf
        .run([
            "script",
            "run",
            "fix",
            "--agent",
            "echo",
            "--args",
            r#"{"check":"true"}"#,
            "--json",
        ])
        .success()
        .json();
    assert_eq!(value["value"]["passed"], true);

    // One of the repository goes before the one that comes along.
    repo.write(
        ".workflow/recipes/fix.js",
        &format!("{META}return 'mine'\n"),
    );
    let listed = dynwf.line("script list --json").success().json();
    assert_eq!(listed["scripts"][0]["file"], ".workflow/recipes/fix.js");
    dynwf
        .run(["script", "run", "fix", "--agent", "echo", "--name", "own"])
        .success()
        .says("mine");
    // The nearest one goes before, as in a repository of many packages.
    repo.write(
        "crates/.claude/workflows/fix.js",
        &format!("{META}return 'nearer'\n"),
    );
    let below = Dynwf::at(repo.place(), &repo.join("crates/net/src"));
    let listed = below.line("script list --json").success().json();
    assert_eq!(listed["scripts"].as_array().map(Vec::len), Some(6));
    below
        .run(["script", "run", "fix", "--agent", "echo", "--name", "near"])
        .success()
        .says("nearer");
    dynwf
        .run(["script", "run", "fix", "--agent", "echo", "--name", "top"])
        .success()
        .says("mine");
}
