//! Installing, chaining, noticing drift, taking away.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::{Repo, git, noting, run, write_script};
use crate::error::{ExitCode, code_of, hint_of};
use crate::hook::{State, install, status, uninstall};

/// Every file of a folder: its mode and its bytes, or where it links to.
fn listing(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    fs::read_dir(folder)
        .map(|entries| {
            entries
                .map(|entry| {
                    let path = entry.expect("is listed").path();
                    let meta = fs::symlink_metadata(&path).expect("is there");
                    let bytes = fs::read_link(&path)
                        .map(|link| link.into_os_string().into_encoded_bytes())
                        .or_else(|_| fs::read(&path))
                        .expect("is read");
                    (path, (meta.mode(), bytes))
                })
                .collect()
        })
        .unwrap_or_default()
}

#[test]
fn it_is_installed_once_and_leaves_nothing_behind() {
    let repo = Repo::new();
    let folder = repo.git.common_dir().join("hooks");
    let before = listing(&folder);
    let program = repo.program("exit 0");
    let done = install(&repo.git, &program).expect("is installed");
    assert_eq!(
        (done.hook.clone(), done.changed, done.chained),
        (repo.hook(), true, false)
    );
    let text = fs::read(repo.hook()).expect("reads");
    assert!(text.starts_with(b"#!/bin/sh\n") && !text.contains(&b'\r'));
    assert_eq!(
        fs::metadata(repo.hook()).expect("is there").mode() & 0o777,
        0o755
    );
    assert_eq!(status(&repo.git).expect("looks").state, State::Installed);
    let installed = listing(&folder);
    assert!(
        !install(&repo.git, &program)
            .expect("is there already")
            .changed
    );
    assert_eq!(listing(&folder), installed);
    assert!(uninstall(&repo.git).expect("is taken away").changed);
    assert_eq!(listing(&folder), before);
    assert_eq!(status(&repo.git).expect("looks").state, State::Absent);
    assert!(!uninstall(&repo.git).expect("is gone already").changed);
}

#[test]
fn a_folder_that_was_made_goes_again() {
    let repo = Repo::new();
    let folder = repo.git.common_dir().join("hooks");
    fs::remove_dir_all(&folder).expect("is removed");
    let program = repo.program("exit 0");
    install(&repo.git, &program).expect("is installed");
    install(&repo.git, &program).expect("is there already");
    uninstall(&repo.git).expect("is taken away");
    assert!(!folder.exists());
}

#[test]
fn git_asks_it_with_every_ref_and_obeys() {
    let repo = Repo::new();
    let note = repo.dir.path().join("note");
    install(&repo.git, &repo.program(&noting(&note, 1))).expect("is installed");
    assert!(
        !git(&repo.top(), &["push", "-q", "origin", "main"])
            .status
            .success()
    );
    let id = repo.id("HEAD");
    let zero = "0".repeat(40);
    let asked = fs::read_to_string(&note).expect("was asked");
    let expected = format!(
        "hook pre-push origin {}\nrefs/heads/main {id} refs/heads/main {zero}\n",
        repo.remote()
    );
    assert_eq!(asked, expected);
    install(&repo.git, &repo.program(&noting(&note, 0))).expect("the program is another now");
    let linked = repo.dir.path().join("linked");
    run(
        &repo.top(),
        &["worktree", "add", "-q", linked.to_str().expect("is text")],
    );
    fs::remove_file(&note).expect("is removed");
    run(&linked, &["push", "-q", "origin", "main"]);
    assert_eq!(
        fs::read_to_string(&note).expect("was asked from a linked worktree"),
        expected
    );
}

#[test]
fn nothing_is_pushed_once_the_program_is_gone() {
    let repo = Repo::new();
    let program = repo.program("exit 0");
    install(&repo.git, &program).expect("is installed");
    fs::remove_file(&program).expect("is removed");
    let output = git(&repo.top(), &["push", "origin", "main"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is gone"));
    let state = status(&repo.git).expect("looks").state;
    assert!(
        matches!(&state, State::Changed(why) if why.contains("is gone")),
        "{state:?}"
    );
}

#[test]
fn the_hook_from_before_runs_first_with_the_same_input_and_comes_back() {
    for kind in ["#!/bin/sh", "#!/usr/bin/env bash", "#!/bin/sh -e"] {
        let repo = Repo::new();
        let folder = repo.git.common_dir().join("hooks");
        let (theirs, ours) = (repo.dir.path().join("theirs"), repo.dir.path().join("ours"));
        write_script(&repo.hook(), &format!("{kind}\n{}\n", noting(&theirs, 0)));
        let before = listing(&folder);
        let done = install(&repo.git, &repo.program(&noting(&ours, 0))).expect("is installed");
        assert!(done.chained);
        run(&repo.top(), &["push", "-q", "origin", "main"]);
        let asked = fs::read_to_string(&ours).expect("ours was asked");
        assert_eq!(
            Some(asked.as_str()),
            fs::read_to_string(&theirs)
                .ok()
                .map(|theirs| format!("hook pre-push {theirs}"))
                .as_deref()
        );
        assert!(uninstall(&repo.git).expect("is taken away").chained);
        assert_eq!(listing(&folder), before, "{kind}");
    }
}

#[test]
fn either_hook_may_refuse() {
    for (theirs, ours) in [(1, 0), (0, 1)] {
        let repo = Repo::new();
        write_script(&repo.hook(), &format!("#!/bin/sh\nexit {theirs}\n"));
        let note = repo.dir.path().join("note");
        install(&repo.git, &repo.program(&noting(&note, ours))).expect("is installed");
        assert!(
            !git(&repo.top(), &["push", "-q", "origin", "main"])
                .status
                .success()
        );
        assert_eq!(
            note.exists(),
            theirs == 0,
            "ours is not asked where theirs refused"
        );
    }
}

#[test]
fn a_hook_that_looks_at_its_own_name_finds_it() {
    let repo = Repo::new();
    let note = repo.dir.path().join("note");
    let folder = repo.git.common_dir().join("hooks");
    write_script(
        &repo.hook(),
        "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"\n",
    );
    fs::write(
        folder.join("h"),
        format!("basename \"$0\" >'{}'\n", note.display()),
    )
    .expect("writes");
    install(&repo.git, &repo.program("exit 0")).expect("is installed");
    run(&repo.top(), &["push", "-q", "origin", "main"]);
    assert_eq!(fs::read_to_string(&note).expect("it ran"), "pre-push\n");
}

#[test]
fn what_git_did_not_run_before_is_not_run_now_and_comes_back() {
    let repo = Repo::new();
    let folder = repo.git.common_dir().join("hooks");
    fs::write(repo.hook(), "#!/bin/sh\nexit 1\n").expect("writes");
    fs::set_permissions(repo.hook(), fs::Permissions::from_mode(0o640)).expect("sets the mode");
    let before = listing(&folder);
    install(&repo.git, &repo.program("exit 0")).expect("is installed");
    run(&repo.top(), &["push", "-q", "origin", "main"]);
    uninstall(&repo.git).expect("is taken away");
    assert_eq!(listing(&folder), before);
}

#[test]
fn a_link_is_kept_as_a_link() {
    let repo = Repo::new();
    let folder = repo.git.common_dir().join("hooks");
    write_script(&folder.join("real"), "#!/bin/sh\nexit 1\n");
    symlink("real", repo.hook()).expect("links");
    let before = listing(&folder);
    install(&repo.git, &repo.program("exit 0")).expect("is installed");
    assert!(
        !git(&repo.top(), &["push", "-q", "origin", "main"])
            .status
            .success()
    );
    uninstall(&repo.git).expect("is taken away");
    assert_eq!(listing(&folder), before);
}

#[test]
fn an_install_that_was_killed_half_way_is_finished() {
    let repo = Repo::new();
    let folder = repo.git.common_dir().join("hooks");
    write_script(&repo.hook(), "#!/bin/sh\nexit 0\n");
    let before = listing(&folder);
    fs::hard_link(repo.hook(), folder.join("pre-push.dynwf-prev")).expect("links");
    let program = repo.program("exit 0");
    assert!(install(&repo.git, &program).expect("goes on").chained);
    // Killed before what was done is recorded.
    fs::remove_file(repo.git.common_dir().join("dynwf/hooks.json")).expect("is removed");
    assert!(!install(&repo.git, &program).expect("goes on").changed);
    uninstall(&repo.git).expect("is taken away");
    assert_eq!(listing(&folder), before);
}

#[test]
fn a_hook_that_another_tool_or_a_person_changed_is_seen_and_not_lost() {
    let repo = Repo::new();
    write_script(&repo.hook(), "#!/bin/sh\nexit 0\n");
    let program = repo.program("exit 0");
    install(&repo.git, &program).expect("is installed");
    let ours = fs::read_to_string(repo.hook()).expect("reads");
    for (text, word) in [
        (format!("{ours}# mine\n"), "text"),
        ("#!/bin/sh\n".to_owned(), "another"),
    ] {
        write_script(&repo.hook(), &text);
        let state = status(&repo.git).expect("looks").state;
        assert!(
            matches!(&state, State::Changed(why) if why.contains(word)),
            "{state:?}"
        );
        let error = install(&repo.git, &program).expect_err("would lose something");
        assert!(code_of(&error) == ExitCode::Usage && hint_of(&error).is_some());
        assert_eq!(fs::read_to_string(repo.hook()).expect("reads"), text);
    }
    let left = uninstall(&repo.git).expect("leaves what is not ours");
    assert!(!left.changed && left.notes[0].contains("stays"));
    assert_eq!(
        fs::read_to_string(repo.hook()).expect("reads"),
        "#!/bin/sh\n"
    );
}

#[test]
fn a_hooks_path_is_followed_and_a_move_of_it_seen() {
    let repo = Repo::new();
    let shared = repo.dir.path().join("my hooks");
    for set in [".hooks", shared.to_str().expect("is text")] {
        run(&repo.top(), &["config", "core.hooksPath", set]);
        let program = repo.program("exit 1");
        let done = install(&repo.git, &program).expect("is installed");
        assert_eq!(done.hook, repo.top().join(set).join("pre-push"));
        assert_eq!(
            done.notes.len(),
            usize::from(set == ".hooks"),
            "{:?}",
            done.notes
        );
        assert!(
            !git(&repo.top(), &["push", "-q", "origin", "main"])
                .status
                .success()
        );
        run(&repo.top(), &["config", "core.hooksPath", "elsewhere"]);
        let state = status(&repo.git).expect("looks").state;
        assert!(
            matches!(&state, State::Changed(why) if why.contains("no longer looks")),
            "{state:?}"
        );
        uninstall(&repo.git).expect("is found where it was put");
        assert!(!repo.top().join(set).exists());
    }
}

#[test]
fn a_hook_that_is_part_of_the_project_or_shared_is_not_touched() {
    let repo = Repo::new();
    let program = repo.program("exit 0");
    run(&repo.top(), &["config", "core.hooksPath", ".hooks"]);
    fs::create_dir(repo.top().join(".hooks")).expect("a folder");
    write_script(&repo.top().join(".hooks/pre-push"), "#!/bin/sh\n");
    run(&repo.top(), &["add", ".hooks"]);
    let error = install(&repo.git, &program).expect_err("is the project's");
    assert!(error.to_string().contains("part of the project"), "{error}");
    assert!(hint_of(&error).is_some_and(|hint| hint.contains("dynwf hook pre-push")));
    run(&repo.top(), &["config", "--unset", "core.hooksPath"]);
    let hooks = repo.git.common_dir().join("hooks");
    fs::rename(&hooks, repo.dir.path().join("shared")).expect("moves");
    symlink(repo.dir.path().join("shared"), &hooks).expect("links");
    assert!(install(&repo.git, &program).is_err());
    assert!(!repo.dir.path().join("shared/pre-push").exists());
    fs::remove_file(&hooks).expect("is removed");
    fs::create_dir_all(hooks.join("pre-push")).expect("a folder");
    assert!(
        install(&repo.git, &program)
            .expect_err("is a folder")
            .to_string()
            .contains("neither")
    );
}
