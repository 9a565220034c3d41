//! `dynwf demo`.

use std::process::Command;

use crate::support::{Dynwf, Place};

/// What a folder holds, names and contents.
fn listing(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(listing(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

/// A person without an identity, with signing on by a program that fails, hooks that refuse, and settings that would
/// let nothing through.
fn difficult_person() -> Place {
    let place = Place::new();
    let hooks = place.join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    std::fs::write(hooks.join("pre-push"), "#!/bin/sh\nexit 1\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(hooks.join("pre-push"), mode).unwrap();
    let settings = format!(
        "[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n[core]\n\tautocrlf = true\n\thooksPath = {}\n[user]\n\tuseConfigOnly = true\n",
        hooks.display()
    );
    std::fs::write(place.home().join(".gitconfig"), settings).unwrap();
    place.user_config("[gate]\nunattended = false\nmax_files = 0\n");
    place
}

#[test]
fn it_goes_from_a_plan_to_the_remote_whatever_the_person_has_set() {
    let place = difficult_person();
    let before = listing(&place.home());
    let folder = place.join("the demo");
    // As if an agent's client were around it.
    let dynwf = Dynwf::at(&place, &place.path())
        .env("CLAUDECODE", "1")
        .env("DYNWF_CONFIG_LIMITS__CONCURRENCY", "nonsense");
    let said = dynwf
        .run(["demo", "--into", &folder.display().to_string()])
        .success()
        .says("Merge 04-ci")
        .says("dynwf status hello");
    for stage in ["1  planning", "4  execution", "7  archival"] {
        assert!(said.stderr.contains(stage), "{stage}\n{said}");
    }
    for verb in [
        "plan hello",
        "split hello",
        "run hello",
        "review hello 04-ci",
        "approve hello merge:04-ci",
        "integrate hello --continue",
        "approve hello land",
        "land hello",
        "approve hello push:origin",
        "push hello",
        "archive hello",
    ] {
        assert!(
            said.stderr.contains(&format!("$ dynwf {verb}")),
            "{verb}\n{said}"
        );
    }
    let git = |repository: &str, args: &[&str]| {
        let mut command: Command = place.command("git");
        let output = command
            .args(args)
            .current_dir(folder.join(repository))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let merges = git("remote.git", &["log", "--merges", "--format=%s", "main"]);
    assert_eq!(merges.lines().count(), 5, "{merges}");
    assert_eq!(
        git("remote.git", &["rev-parse", "main"]),
        git("hello", &["rev-parse", "main"])
    );
    assert_eq!(
        git("hello", &["status", "--porcelain", "-uall"]),
        "?? .workflow/recipes/rename-by-part.toml\n"
    );
    let changelog = git("remote.git", &["show", "main:CHANGELOG.md"]);
    assert!(
        changelog.contains("net calls") && changelog.contains("pipeline"),
        "{changelog}"
    );
    assert!(
        folder
            .join("hello/.workflow/hello/final-report.md")
            .is_file()
    );
    assert!(
        folder
            .join("hello/.workflow/recipes/rename-by-part.toml")
            .is_file()
    );
    assert_eq!(
        before,
        listing(&place.home()),
        "the home folder is as it was"
    );
}

#[test]
fn it_leaves_nothing_behind_if_told_so_and_takes_no_folder_that_is_in_use() {
    let place = Place::new();
    let temporary = place.join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let dynwf = Dynwf::at(&place, &place.path()).env("TMPDIR", &temporary);
    dynwf.line("demo --remove").success();
    assert_eq!(listing(&temporary), []);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    let home = place.home().display().to_string();
    dynwf
        .run(["demo", "--into", &home])
        .expect_code(2)
        .complains("is not empty");
}
