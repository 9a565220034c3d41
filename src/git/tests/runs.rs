//! Runs of the git program.

use std::fs::OpenOptions;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Sample;
use crate::git::wait_for_effects;

#[test]
fn a_run_answers_and_a_failed_one_says_why() {
    let sample = Sample::new();
    let git = sample.door();
    let id = git
        .command()
        .args(["hash-object", "--stdin"])
        .stdin("x")
        .text();
    assert_eq!(
        id.expect("answers"),
        "c1b0730e0133447badcfd47fd144e254807b06e1"
    );
    let error = git
        .command()
        .args(["cat-file", "-e", "nothing"])
        .ok()
        .expect_err("no object");
    assert!(format!("{error:#}").contains("git cat-file"), "{error:#}");
    assert!(format!("{error:#}").contains("nothing"), "{error:#}");
}

#[test]
fn hooks_run_only_when_asked_for_and_configuration_reaches_git() {
    let sample = Sample::new();
    let git = sample.door();
    let hooks = |on| {
        let command = git.command().hooks(on);
        command
            .args(["config", "--default", "own", "core.hooksPath"])
            .text()
            .expect("answers")
    };
    assert_eq!(hooks(false), "/dev/null");
    assert_eq!(hooks(true), "own");
    let value = git
        .command()
        .config("core.fsync", "none")
        .args(["config", "core.fsync"])
        .text();
    assert_eq!(value.expect("answers"), "none");
}

#[test]
fn a_run_that_hangs_is_ended_with_all_its_children() {
    let sample = Sample::new();
    let pipe = sample.top.join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("starts")
            .success()
    );
    // Opening the pipe for reading never ends, because nobody writes.
    let error = sample
        .door()
        .command_in(&sample.top.join(".git"), &sample.top)
        .config("alias.hang", "!cat pipe; true")
        .arg("hang")
        .timeout(Duration::from_millis(200))
        .run()
        .expect_err("does not end");
    assert!(format!("{error:#}").contains("did not end"), "{error:#}");
    // A write end can be opened without waiting only while there is a reader; the child is on its way out.
    let reader_left = || {
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
        rustix::fs::open(&pipe, flags, rustix::fs::Mode::empty()).is_ok()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while reader_left() {
        assert!(Instant::now() < deadline, "a child lives on");
        std::thread::yield_now();
    }
}

#[test]
fn resume_waits_for_a_git_process_that_is_still_at_work() {
    let sample = Sample::new();
    let git = sample.door();
    let (folder, pipe) = (sample.top.join("effects"), sample.top.join("pipe"));
    wait_for_effects(&folder, Duration::ZERO).expect("nothing is at work");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("starts")
            .success()
    );
    let command = git
        .command_in(git.git_dir(), &sample.top)
        .config("alias.hold", "!cat - pipe")
        .arg("hold")
        .stdin("told ")
        .effect(&folder);
    let at_work = std::thread::spawn(move || command.text());
    // Comes back as soon as the child has opened the other end.
    let mut end = OpenOptions::new().write(true).open(&pipe).expect("opens");
    let error = wait_for_effects(&folder, Duration::ZERO).expect_err("is at work");
    assert!(format!("{error:#}").contains("still at work"), "{error:#}");
    std::io::Write::write_all(&mut end, b"all").expect("writes");
    drop(end);
    assert_eq!(at_work.join().expect("ends").expect("answers"), "told all");
    wait_for_effects(&folder, Duration::ZERO).expect("has ended");
    assert_eq!(std::fs::read_dir(&folder).expect("reads").count(), 0);
}

#[test]
fn a_mark_that_nobody_holds_any_more_is_taken_away() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("1-0"), "").expect("writes");
    wait_for_effects(dir.path(), Duration::ZERO).expect("nobody is at work");
    assert_eq!(std::fs::read_dir(dir.path()).expect("reads").count(), 0);
}
