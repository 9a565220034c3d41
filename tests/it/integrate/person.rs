//! A person's part in a conflict: continue, abort, skip, and the question about what a resolution lacks.

use std::fs;

use super::{both, laid, meeting, read_laid, touching};
use crate::support::{Dynwf, TestRepo, assert_packet, gate_word, in_use_with, integrated, packet};

const FILE: &str = "crates/core/src/lib.rs";

/// `net` and `db` add a line at the same place, `more` adds one elsewhere.
fn repository() -> TestRepo {
    let line = |id: &str| touching(id, "crates/core/**", &format!("echo '// {id}' >> {FILE}"));
    let more = touching("more", "README.md", "echo more >> README.md");
    in_use_with(&meeting("", &[line("net"), line("db"), more]))
}

#[test]
fn what_both_wrote_is_merged_without_a_question() {
    let repo = repository();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(4);
    fs::write(laid(&repo, FILE), both(&read_laid(&repo, FILE))).expect("it can be resolved");
    dynwf.line("integrate lines --continue").success();
    let status = dynwf.status("lines");
    assert_eq!(packet(&status, "db")["road"], "person");
    assert_eq!(packet(&status, "db")["proof"]["files"], 1);
    assert!(integrated(&repo, FILE).ends_with("// net\n// db"));
    let text = fs::read_to_string(repo.join(".workflow/lines/integration.md")).expect("a page");
    assert!(
        text.contains("db: nothing is lacking; 1 file compared"),
        "{text}"
    );
    assert!(text.contains("conflict resolved by a person"), "{text}");
}

#[test]
fn a_dropped_line_is_asked_about_and_a_no_opens_the_conflict_again() {
    let repo = repository();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(4);
    let text = read_laid(&repo, FILE);
    let without = both(&text).replace("// net\n", "");
    fs::write(laid(&repo, FILE), &without).expect("it can be resolved");
    dynwf.line("integrate lines --continue").expect_code(3);
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "waiting", "dropped of integration: `// net`");
    assert_eq!(gate_word(&status, "risk:db"), "waiting");
    let said = dynwf.line("review lines db").success();
    assert!(said.stdout.contains("1 line lacking"), "{said}");
    assert!(said.stdout.contains("nobody said why"), "{said}");
    assert!(said.stdout.contains("approve lines risk:db"), "{said}");
    dynwf.line("reject lines risk:db --why no").success();
    dynwf.line("run lines").expect_code(4);
    assert_packet(&dynwf.status("lines"), "db", "conflicted", FILE);
    // Laid out anew; what was there before is kept.
    assert!(read_laid(&repo, FILE).contains("<<<<<<<"));
    let kept = repo.git(["for-each-ref", "--format=%(refname)", "refs/dynwf/rescue"]);
    assert_eq!(kept.lines().count(), 1, "{kept}");
    assert_eq!(
        repo.git(["show", &format!("{kept}:{FILE}")]) + "\n",
        without
    );
    // The same answer again, and this time it is what was wanted.
    fs::write(laid(&repo, FILE), &without).expect("it can be resolved");
    dynwf.line("integrate lines --continue").expect_code(3);
    dynwf.line("approve lines risk:db --yes").success();
    dynwf.line("run lines").expect_code(3);
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "integrated", "");
    assert_eq!(gate_word(&status, "risk:db"), "consumed");
    let lacks = &packet(&status, "db")["proof"]["exceptions"][0];
    assert_eq!(lacks["line"], "// net");
    assert_eq!(lacks["side"], "integration");
    assert!(integrated(&repo, FILE).ends_with("// db"));
}

#[test]
fn a_reason_given_with_the_resolution_is_enough() {
    let repo = repository();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(4);
    let without = both(&read_laid(&repo, FILE)).replace("// net\n", "");
    fs::write(laid(&repo, FILE), without).expect("it can be resolved");
    let args = [
        "integrate",
        "lines",
        "--continue",
        "--why",
        "db says it all",
    ];
    dynwf.run(args).success();
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "integrated", "");
    let lacks = &packet(&status, "db")["proof"]["exceptions"][0];
    assert_eq!(lacks["why"], "db says it all");
    dynwf.line("integrate lines --why x").expect_code(2);
}

#[test]
fn a_conflict_is_put_off_and_comes_back() {
    let repo = repository();
    let before = repo.fingerprint();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(4);
    fs::write(laid(&repo, FILE), "half done\n").expect("it can be edited");
    dynwf.line("integrate lines --abort").success();
    let status = dynwf.status("lines");
    assert_packet(&status, "db", "conflicted", FILE);
    let text = fs::read_to_string(laid(&repo, FILE)).expect("the workspace is there");
    assert!(text.ends_with("// net\n"), "{text}");
    let kept = repo.git(["for-each-ref", "--format=%(refname)", "refs/dynwf/rescue"]);
    assert_eq!(repo.git(["show", &format!("{kept}:{FILE}")]), "half done");
    dynwf
        .line("integrate lines --abort")
        .expect_code(2)
        .complains("no conflict is laid out");
    dynwf
        .line("integrate lines --continue")
        .expect_code(2)
        .complains("no conflict is laid out");
    dynwf.line("integrate lines").expect_code(4);
    assert!(read_laid(&repo, FILE).contains("<<<<<<<"));
    before.assert_same(&repo.fingerprint());
}

#[test]
fn a_packet_is_skipped_by_name_and_the_rest_lands() {
    let repo = repository();
    let dynwf = Dynwf::new(&repo);
    dynwf.line("run lines").expect_code(4);
    dynwf
        .line("integrate lines --skip more")
        .expect_code(2)
        .complains("packet more does not conflict");
    dynwf
        .line("integrate lines --skip nobody")
        .expect_code(2)
        .complains("no packet is called nobody");
    dynwf.line("integrate lines --skip db").success();
    assert_packet(&dynwf.status("lines"), "db", "cancelled", "left out");
    dynwf.line("run lines").expect_code(3);
    dynwf.line("approve lines land --yes").success();
    dynwf.line("land lines").success();
    assert_eq!(dynwf.status("lines")["status"], "complete");
}
