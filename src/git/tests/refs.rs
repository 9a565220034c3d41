//! Reading and moving refs.

use std::time::{Duration, SystemTime};

use super::{Sample, name, on_every_kind};
use crate::error::{ExitCode, code_of, hint_of};
use crate::git::RefMove;
use crate::model::id::CommitId;
use crate::model::op::RefUpdate;

fn update(at: &str, old: Option<&CommitId>, new: Option<&CommitId>) -> RefUpdate {
    RefUpdate {
        name: name(at),
        old: old.cloned(),
        new: new.cloned(),
    }
}

#[test]
fn refs_are_read_and_listed_loose_or_packed() {
    on_every_kind(|sample| {
        let one = sample.commit("one");
        let git = sample.door();
        for branch in ["dynwf/x/a", "dynwf/x/b", "dynwf/xy/c"] {
            sample.git(&["branch", branch]);
        }
        sample.git(&["pack-refs", "--all"]);
        let two = sample.commit("two");
        sample.git(&["branch", "-f", "dynwf/x/b"]);
        sample.git(&["symbolic-ref", "refs/dynwf/nowhere", "refs/heads/none"]);
        assert_eq!(
            git.read_ref(&name("refs/heads/dynwf/x/a")).expect("reads"),
            Some(one.clone())
        );
        assert_eq!(
            git.read_ref(&name("refs/heads/dynwf/x/b")).expect("reads"),
            Some(two.clone())
        );
        assert_eq!(
            git.read_ref(&name("refs/heads/dynwf/x")).expect("reads"),
            None
        );
        assert_eq!(git.read_ref(&name("refs/heads/none")).expect("reads"), None);
        let listed = git.list_refs("refs/heads/dynwf/x/").expect("lists");
        assert_eq!(
            listed,
            [
                (name("refs/heads/dynwf/x/a"), one),
                (name("refs/heads/dynwf/x/b"), two)
            ]
        );
        assert_eq!(git.list_refs("refs/heads/dynwf/x").expect("lists").len(), 3);
        assert_eq!(git.list_refs("refs/dynwf/").expect("lists"), []);
    });
}

#[test]
fn refs_move_together_or_not_at_all() {
    on_every_kind(|sample| {
        let one = sample.commit("one");
        let two = sample.commit("two");
        let git = sample.door();
        let (a, b) = ("refs/heads/dynwf/x/a", "refs/dynwf/w/x/base/a");
        let make = [update(a, None, Some(&one)), update(b, None, Some(&one))];
        assert_eq!(
            git.update_refs(&make, "begin").expect("moves"),
            RefMove::Moved
        );
        assert_eq!(
            git.update_refs(&make, "begin").expect("looks"),
            RefMove::Already
        );

        let wrong = [
            update(a, Some(&one), Some(&two)),
            update(b, Some(&two), None),
        ];
        let refused = RefMove::Refused {
            name: name(b),
            found: Some(one.clone()),
        };
        assert_eq!(git.update_refs(&wrong, "no").expect("looks"), refused);
        assert_eq!(git.read_ref(&name(a)).expect("reads"), Some(one.clone()));

        // As after a kill between the two: the rest is done.
        let on = [
            update(a, Some(&one), Some(&two)),
            update(b, Some(&one), None),
        ];
        sample.git(&["update-ref", a, two.as_str()]);
        assert_eq!(
            git.update_refs(&on, "go on").expect("moves"),
            RefMove::Moved
        );
        assert_eq!(git.read_ref(&name(a)).expect("reads"), Some(two.clone()));
        assert_eq!(git.read_ref(&name(b)).expect("reads"), None);
        assert_eq!(
            git.update_refs(&on, "go on").expect("looks"),
            RefMove::Already
        );

        sample.git(&["pack-refs", "--all"]);
        let away = [update(a, Some(&two), None)];
        assert_eq!(
            git.update_refs(&away, "away").expect("moves"),
            RefMove::Moved
        );
        assert_eq!(git.read_ref(&name(a)).expect("reads"), None);
        assert_eq!(
            git.update_refs(&[], "nothing").expect("looks"),
            RefMove::Already
        );
        let left = std::fs::read_dir(git.effects_folder())
            .expect("was made")
            .count();
        assert_eq!(left, 0, "no mark is left behind");
    });
}

#[test]
fn a_branch_named_like_our_folder_is_named_with_the_way_out() {
    on_every_kind(|sample| {
        let one = sample.commit("one");
        sample.git(&["branch", "dynwf"]);
        let wanted = [update("refs/heads/dynwf/x/a", None, Some(&one))];
        let error = sample
            .door()
            .update_refs(&wanted, "x")
            .expect_err("blocked");
        assert_eq!(code_of(&error), ExitCode::Usage, "{error:#}");
        assert!(hint_of(&error).is_some_and(|hint| hint.contains("git branch -m dynwf")));
    });
}

#[test]
fn a_lock_that_a_kill_left_is_moved_aside_by_its_age() {
    let sample = Sample::new();
    let one = sample.commit("one");
    let git = sample.door();
    let lock = sample.top.join(".git/refs/heads/dynwf/x/a.lock");
    std::fs::create_dir_all(lock.parent().expect("has one")).expect("makes folders");
    let file = std::fs::File::create(&lock).expect("makes a lock");
    file.set_modified(SystemTime::now() - Duration::from_mins(1))
        .expect("sets the time");
    let wanted = [update("refs/heads/dynwf/x/a", None, Some(&one))];
    assert_eq!(
        git.update_refs(&wanted, "x").expect("moves"),
        RefMove::Moved
    );
    assert!(!lock.exists());
    let aside = sample
        .top
        .join(".git/dynwf/stale-locks/refs-heads-dynwf-x-a.lock");
    assert!(aside.exists(), "kept for whoever wonders");
}

#[test]
fn a_read_only_repository_is_an_error_and_no_endless_wait() {
    let sample = Sample::new();
    let one = sample.commit("one");
    // A file where a folder is needed fails for root too, whom permissions do not stop.
    std::fs::write(sample.top.join(".git/refs/dynwf"), "junk").expect("writes");
    let wanted = [update("refs/dynwf/w/x/base/a", None, Some(&one))];
    let error = sample.door().update_refs(&wanted, "x").expect_err("cannot");
    assert!(
        format!("{error:#}").contains("refs/dynwf/w/x/base/a"),
        "{error:#}"
    );
}
