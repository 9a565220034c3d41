//! Remotes and pushing, to a bare repository beside.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::{Sample, name, on_every_kind};
use crate::error::{ExitCode, code_of};
use crate::git::PushResult;
use crate::model::id::CommitId;
use crate::model::op::RefUpdate;

fn with_remote(sample: &Sample) -> PathBuf {
    let bare = sample.top.with_file_name("remote.git");
    sample.git(&["clone", "-q", "--bare", ".", bare.to_str().expect("text")]);
    sample.git(&["remote", "add", "origin", bare.to_str().expect("text")]);
    bare
}

fn update(branch: &str, old: Option<&CommitId>, new: Option<&CommitId>) -> RefUpdate {
    RefUpdate {
        name: name(branch),
        old: old.cloned(),
        new: new.cloned(),
    }
}

#[test]
fn the_remote_follows_from_the_configuration_in_order() {
    let sample = Sample::new();
    let main = name("refs/heads/main");
    let ask = |given| sample.door().default_remote(&main, given);
    assert_eq!(code_of(&ask(None).expect_err("none")), ExitCode::Usage);
    sample.git(&["remote", "add", "only", "/nowhere"]);
    assert_eq!(ask(None).expect("the only one"), "only");
    for remote in ["tracked", "default", "own"] {
        sample.git(&["remote", "add", remote, "/nowhere"]);
    }
    assert_eq!(code_of(&ask(None).expect_err("several")), ExitCode::Usage);
    for (key, remote) in [
        ("branch.main.remote", "tracked"),
        ("remote.pushDefault", "default"),
        ("branch.main.pushRemote", "own"),
    ] {
        sample.git(&["config", key, remote]);
        assert_eq!(ask(None).expect("configured"), remote);
    }
    assert_eq!(ask(Some("only")).expect("given"), "only");
    assert_eq!(
        code_of(&ask(Some("other")).expect_err("unknown")),
        ExitCode::Usage
    );
    sample.git(&["remote", "set-url", "--push", "only", "/push"]);
    assert_eq!(sample.door().remote_url("only").expect("known"), "/push");
}

#[test]
fn exactly_the_stated_refs_are_sent_and_sending_again_is_no_error() {
    on_every_kind(|sample| {
        let one = sample.commit("one");
        let bare = with_remote(sample);
        let two = sample.commit("two");
        sample.git(&["tag", "-a", "-m", "t", "v1"]);
        sample.git(&["config", "push.followTags", "true"]);
        let git = sample.door();
        let (main, side) = ("refs/heads/main", "refs/heads/dynwf/x/a");
        let both = [
            update(main, Some(&one), Some(&two)),
            update(side, None, Some(&one)),
        ];
        assert_eq!(
            git.push("origin", &both).expect("answers"),
            PushResult::Pushed
        );
        assert_eq!(
            git.push("origin", &both).expect("answers"),
            PushResult::Pushed
        );
        let names = [name(side), name("refs/heads/none"), name(main)];
        assert_eq!(
            git.remote_refs("origin", &names).expect("answers"),
            [Some(one.clone()), None, Some(two.clone())]
        );
        assert_eq!(sample.git_in(&bare, &["tag"]), "", "no tag came along");

        let away = [update(side, Some(&one), None)];
        assert_eq!(
            git.push("origin", &away).expect("answers"),
            PushResult::Pushed
        );
        assert_eq!(
            git.push("origin", &away).expect("answers"),
            PushResult::Pushed
        );

        // Somebody else moved the branch: neither ref is sent.
        let late = [
            update(main, Some(&one), Some(&one)),
            update(side, None, Some(&two)),
        ];
        let refused = git.push("origin", &late).expect("answers");
        assert!(
            matches!(&refused, PushResult::Refused(why) if why.contains("stale")),
            "{refused:?}"
        );
        assert_eq!(
            git.remote_refs("origin", &[name(side)]).expect("answers"),
            [None]
        );
    });
}

#[test]
fn the_persons_hook_runs_and_can_refuse() {
    let sample = Sample::new();
    let one = sample.commit("one");
    let bare = with_remote(&sample);
    let hook = sample.top.join(".git/hooks/pre-push");
    std::fs::create_dir_all(hook.parent().expect("has one")).expect("makes folders");
    std::fs::write(&hook, "#!/bin/sh\necho \"not today: $(pwd)\" >&2\nexit 1\n").expect("writes");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("sets");
    let new = [update("refs/heads/new", None, Some(&one))];
    let refused = sample.door().push("origin", &new).expect("answers");
    let said = format!("not today: {}", sample.top.display());
    assert!(
        matches!(&refused, PushResult::Refused(why) if why.contains(&said)),
        "{refused:?}"
    );
    assert_eq!(sample.git_in(&bare, &["branch", "--list", "new"]), "");
}

#[test]
fn a_remote_that_is_not_there_is_an_error() {
    let sample = Sample::new();
    let one = sample.commit("one");
    sample.git(&["remote", "add", "origin", "/nowhere/at/all"]);
    let git = sample.door();
    let new = [update("refs/heads/new", None, Some(&one))];
    assert!(git.push("origin", &new).is_err());
    assert!(
        git.remote_refs("origin", &[name("refs/heads/new")])
            .is_err()
    );
    assert!(git.remote_url("other").is_err());
}
