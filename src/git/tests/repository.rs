//! Finding a repository.

use super::{Kind, Sample, on_every_kind};
use crate::error::{ExitCode, code_of, hint_of};
use crate::git::{Git, Version};

#[test]
fn every_directory_of_a_repository_leads_to_the_same_one() {
    on_every_kind(|sample| {
        sample.write("a/b/file", "x");
        sample.commit("one");
        let linked = sample.top.with_file_name("linked");
        sample.git(&[
            "worktree",
            "add",
            "-q",
            "-b",
            "side",
            linked.to_str().expect("text"),
        ]);
        let common = sample.top.join(".git");

        let below = Git::discover(&sample.top.join("a/b")).expect("opens");
        assert_eq!(below.common_dir(), common);
        assert_eq!(below.git_dir(), common);
        assert_eq!(below.work_tree(), Some(sample.top.as_path()));
        assert_eq!(below.main_work_tree(), Some(sample.top.as_path()));

        let side = Git::discover(&linked).expect("opens");
        assert_eq!(side.common_dir(), common);
        assert_eq!(side.git_dir(), common.join("worktrees/linked"));
        assert_eq!(side.work_tree(), Some(linked.as_path()));
        assert_eq!(side.main_work_tree(), Some(sample.top.as_path()));
        assert_eq!(side.face_root().expect("has one"), sample.top);
        assert_eq!(
            side.head_branch().expect("reads").expect("on one").short(),
            "side"
        );
    });
}

#[test]
fn which_repositories_need_the_program_is_known() {
    let sample = Sample::new();
    assert!(!sample.door().program_only());
    let sample = Sample::try_new(Kind::Sha256).expect("every git makes one");
    assert!(sample.door().program_only());
}

#[test]
fn a_bare_repository_has_no_face_but_its_worktree_has() {
    let sample = Sample::new();
    sample.commit("one");
    let bare = sample.top.with_file_name("bare.git");
    sample.git(&["clone", "-q", "--bare", ".", bare.to_str().expect("text")]);
    let git = Git::discover(&bare).expect("opens");
    assert_eq!((git.work_tree(), git.main_work_tree()), (None, None));
    let error = git.face_root().expect_err("there is none");
    assert_eq!(code_of(&error), ExitCode::Usage);
    assert!(hint_of(&error).is_some_and(|hint| hint.contains("worktree add")));

    let linked = sample.top.with_file_name("linked");
    sample.git_in(
        &bare,
        &[
            "worktree",
            "add",
            "-q",
            linked.to_str().expect("text"),
            "main",
        ],
    );
    let git = Git::discover(&linked).expect("opens");
    assert_eq!(git.common_dir(), bare);
    assert_eq!(git.main_work_tree(), None);
    assert_eq!(git.face_root().expect("the current one"), linked);
}

#[test]
fn a_separate_git_directory_is_found_from_its_worktree() {
    let sample = Sample::new();
    let (dir, top) = (sample.top.join("apart.git"), sample.top.join("top"));
    let flag = format!("--separate-git-dir={}", dir.display());
    sample.git(&["init", "-q", &flag, top.to_str().expect("text")]);
    let git = Git::discover(&top).expect("opens");
    assert_eq!(git.common_dir(), dir);
    assert_eq!(git.main_work_tree(), Some(top.as_path()));
}

#[test]
fn a_symbolic_link_leads_to_the_real_place() {
    let sample = Sample::new();
    let link = sample.top.with_file_name("link");
    std::os::unix::fs::symlink(&sample.top, &link).expect("links");
    let git = Git::discover(&link).expect("opens");
    assert_eq!(git.work_tree(), Some(sample.top.as_path()));
}

#[test]
fn outside_of_a_repository_the_error_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = Git::discover(dir.path()).expect_err("there is none");
    assert_eq!(code_of(&error), ExitCode::Usage);
    assert!(hint_of(&error).is_some_and(|hint| hint.contains("git init")));
}

#[test]
fn an_unknown_extension_is_refused_with_gits_reason() {
    let sample = Sample::new();
    sample.git(&["config", "core.repositoryFormatVersion", "1"]);
    sample.git(&["config", "extensions.fromTheFuture", "true"]);
    let error = Git::discover(&sample.top).expect_err("git refuses it");
    assert_eq!(code_of(&error), ExitCode::Usage);
    assert!(format!("{error:#}").contains("fromthefuture"), "{error:#}");
}

#[test]
fn a_path_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let sample = Sample::new();
    let odd = sample.top.join(std::ffi::OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&odd).expect("makes a directory");
    sample.git_in(&odd, &["init", "-q"]);
    let error = Git::discover(&odd).expect_err("cannot be recorded");
    assert_eq!(code_of(&error), ExitCode::Usage);
}

#[test]
fn the_version_is_that_of_the_program_on_path() {
    let sample = Sample::new();
    let version = sample.door().version().expect("new enough");
    assert!(version >= Version::FLOOR);
    assert!(sample.git(&["version"]).contains(&version.to_string()));
}

#[test]
fn a_repository_of_another_user_is_refused_with_the_way_out() {
    // Only root can give a directory away.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let sample = Sample::new();
    for path in [sample.top.clone(), sample.top.join(".git")] {
        std::os::unix::fs::chown(path, Some(12345), None).expect("gives it away");
    }
    let error = Git::discover(&sample.top).expect_err("belongs to another");
    assert_eq!(code_of(&error), ExitCode::Usage, "{error:#}");
    assert!(hint_of(&error).is_some_and(|hint| hint.contains("safe.directory")));
}

#[test]
fn a_handle_can_be_shared_between_threads() {
    fn check<T: Clone + Send + Sync + 'static>(_: &T) {}
    let sample = Sample::new();
    let one = sample.commit("one");
    let git = sample.door();
    check(&git);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (git, one) = (git.clone(), one.clone());
            std::thread::spawn(move || git.tree_of(&one).expect("reads"))
        })
        .collect();
    let tree = git.tree_of(&one).expect("reads");
    for thread in threads {
        assert_eq!(thread.join().expect("ends"), tree);
    }
}

/// What `status` asks, in a process of its own where no program can be found.
#[test]
fn the_questions_of_every_day_start_no_git_process() {
    let sample = Sample::new();
    sample.commit("one");
    let linked = sample.top.with_file_name("linked");
    sample.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        linked.to_str().expect("text"),
    ]);
    let this = std::env::current_exe().expect("known");
    let output = std::process::Command::new(this)
        .args(["--exact", "git::tests::repository::ask_without_programs"])
        .current_dir(&linked)
        .env("PATH", "/nonexistent")
        .env("DYNWF_TEST_WITHOUT_PROGRAMS", "1")
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[test]
fn ask_without_programs() {
    // The test above runs this one again, in a repository and without programs.
    if std::env::var_os("DYNWF_TEST_WITHOUT_PROGRAMS").is_none() {
        return;
    }
    let git = Git::discover(&std::env::current_dir().expect("known")).expect("opens");
    assert!(git.version().is_err(), "no program is here");
    let head = git.resolve("HEAD").expect("resolves").expect("born");
    let branch = git.head_branch().expect("reads").expect("on one");
    assert_eq!(git.read_ref(&branch).expect("reads"), Some(head.clone()));
    assert_eq!(git.list_refs("refs/heads/").expect("lists").len(), 2);
    let tree = git.tree_of(&head).expect("reads");
    assert_eq!(git.files(&tree).expect("lists"), []);
    assert_eq!(git.changes(&tree, &tree).expect("compares"), []);
    assert_eq!(git.branch_uses(&branch).expect("reads").len(), 1);
    assert!(git.face_root().is_ok() && git.is_ancestor(&head, &head).expect("compares"));
    assert_eq!(git.parents_of(&head).expect("reads"), []);
}
