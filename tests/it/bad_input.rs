//! Plans that are wrong: each is refused with its place before anything is made, and nothing changes.

use crate::support::{Dynwf, TestRepo, line_in, plan_of};

/// A good plan whose first line is replaced, or which gets more lines.
fn good() -> String {
    plan_of(&[("net", &line_in("net")), ("db", &line_in("db"))])
}

/// `dynwf plan` refuses the plan with this at this place, and neither the user's things nor dynwf's own appear.
#[track_caller]
fn refused(plan: &str, place: &str, why: &str) {
    let repo = TestRepo::small().in_use();
    let before = repo.fingerprint();
    let place = format!("{}:{place}: ", repo.place().join("plan.toml").display());
    repo.try_plan(plan)
        .expect_code(2)
        .complains(&place)
        .complains(why);
    assert_nothing_was_made(&repo);
    before.assert_same(&repo.fingerprint());
}

#[track_caller]
fn assert_nothing_was_made(repo: &TestRepo) {
    assert!(!repo.join(".workflow").exists(), ".workflow was made");
    assert_eq!(
        repo.git(["for-each-ref", "refs/heads/dynwf", "refs/dynwf"]),
        ""
    );
    let sites = repo.place().join("repo.dynwf");
    assert!(!sites.exists(), "{} was made", sites.display());
    assert_eq!(repo.git(["worktree", "list"]).lines().count(), 1);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let plan = good().replacen("objective", "objektive", 1);
    refused(&plan, "7:1", "did you mean `objective`?");
    refused(
        &format!("golas = 1\n{}", good()),
        "1:1",
        "unknown key `golas`; did you mean `goal`?",
    );
}

#[test]
fn an_id_that_is_malformed_or_used_twice_is_refused() {
    refused(
        &good().replacen("\"net\"", "\"Net Work\"", 1),
        "6:6",
        "`Net Work` is not a packet id",
    );
    refused(
        &good().replacen("\"net\"", "\"integration\"", 1),
        "6:6",
        "`integration` is not a packet id",
    );
    refused(
        &good().replacen("id = \"db\"", "id = \"net\"", 1),
        "14:6",
        "the packet id `net` is used twice, first in line 6",
    );
}

#[test]
fn packets_that_wait_for_each_other_are_refused() {
    let plan = good()
        .replace("id = \"net\"", "after = [\"db\"]\nid = \"net\"")
        .replace("id = \"db\"", "after = [\"net\"]\nid = \"db\"");
    refused(&plan, "6:10", "packets wait for each other: net → db → net");
    let alone = good().replace("id = \"net\"", "after = [\"net\"]\nid = \"net\"");
    refused(&alone, "6:10", "packets wait for each other: net → net");
    let missing = good().replace("id = \"net\"", "after = [\"dbb\"]\nid = \"net\"");
    refused(
        &missing,
        "6:10",
        "no packet is called `dbb`; did you mean `db`?",
    );
}

#[test]
fn overlapping_scopes_are_refused_with_both_packets_and_a_file() {
    let plan = good().replace("crates/db/**", "crates/*/src/**");
    refused(
        &plan,
        "16:10",
        "packets `net` (`crates/net/**`) and `db` (`crates/*/src/**`) may run together and may both change files \
         such as `crates/net/src/lib.rs`",
    );
}

#[test]
fn empty_texts_are_refused() {
    let plan = good().replacen("\"A line\"", "\"  \"", 1);
    refused(&plan, "7:13", "`objective` is empty");
    refused(
        &good().replacen("\"Lines\"", "\"\"", 1),
        "1:8",
        "`goal` is empty",
    );
}

#[test]
fn scopes_that_leave_the_repository_are_refused() {
    for scope in [
        "/etc/**",
        "../other/**",
        "crates/../../x",
        "crates/./net/**",
        ".git/**",
        "",
        "[",
    ] {
        let plan = good().replacen("crates/net/**", scope, 1);
        refused(&plan, "8:10", "`");
    }
}

#[test]
fn a_missing_base_or_target_is_refused() {
    refused(
        &good().replace("base = \"main\"", "base = \"v99\""),
        "2:8",
        "`v99` names no commit in this repository",
    );
    refused(
        &good().replace("target = \"main\"", "target = \"mian\""),
        "4:10",
        "the branch `mian` does not exist",
    );
    refused(
        &good().replace("target = \"main\"", "target = \"dynwf/x\""),
        "4:10",
        "below dynwf/",
    );
}

#[test]
fn a_plan_of_five_megabytes_is_refused_and_one_of_many_packets_is_not() {
    let repo = TestRepo::small().in_use();
    let before = repo.fingerprint();
    let long = format!("{}# {}\n", good(), "x".repeat(5 << 20));
    repo.try_plan(&long)
        .expect_code(2)
        .complains("plan.toml: the plan has 524")
        .complains("may have at most 1048576");
    assert_nothing_was_made(&repo);
    let many: Vec<String> = (0..600).map(|number| format!("p{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|id| (id.as_str(), "true")).collect();
    repo.try_plan(&plan_of(&many)).success();
    before.assert_same(&repo.fingerprint());
}

#[test]
fn what_is_no_plan_at_all_is_refused() {
    let repo = TestRepo::small();
    let dynwf = Dynwf::new(&repo);
    let before = repo.fingerprint();
    refused("goal = \n", "1:8", "");
    dynwf
        .line("plan lines --from ../none.toml")
        .expect_code(2)
        .complains("../none.toml")
        .complains("hint: ");
    dynwf
        .line("plan lines --from ..")
        .expect_code(2)
        .complains("hint: ");
    dynwf.line("plan lines").expect_code(2).complains("--from");
    dynwf.line("plan Not_A_Slug --task x").expect_code(2);
    dynwf
        .line("run lines")
        .expect_code(2)
        .complains("no workflow is called lines");
    for verb in [
        "status",
        "split",
        "integrate",
        "verify",
        "land",
        "push",
        "gates",
        "stop",
    ] {
        dynwf
            .line(&format!("{verb} lines"))
            .expect_code(2)
            .complains("hint: ");
    }
    assert_nothing_was_made(&repo);
    before.assert_same(&repo.fingerprint());
}

#[test]
fn a_plan_that_was_edited_badly_is_refused_when_it_is_split() {
    let repo = TestRepo::small().in_use().planned(&good());
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    repo.write(
        ".workflow/lines/plan.toml",
        &good().replacen("A line", "", 1),
    );
    for verb in ["split", "run"] {
        dynwf
            .line(&format!("{verb} lines"))
            .expect_code(2)
            .complains(".workflow/lines/plan.toml:7:13: `objective` is empty");
    }
    assert_eq!(
        repo.git(["for-each-ref", "refs/heads/dynwf", "refs/dynwf"]),
        ""
    );
    before.assert_same(&repo.fingerprint());
    repo.write(".workflow/lines/plan.toml", &good());
    dynwf.line("run lines").expect_code(3);
    before.assert_same(&repo.fingerprint());
}

#[test]
fn bad_settings_are_refused_with_their_place() {
    let repo = TestRepo::small();
    repo.write("dynwf.toml", "[limits]\nconcurency = 2\n");
    repo.commit("settings");
    repo.try_plan(&good())
        .expect_code(2)
        .complains("dynwf.toml:2:1: unknown key `concurency`")
        .complains("did you mean `concurrency`?");
    repo.write("dynwf.toml", "");
    repo.place()
        .user_config("[agents.mine]\nadapter = \"nothing\"\n");
    repo.try_plan(&good())
        .expect_code(2)
        .complains("config.toml:2:");
}
