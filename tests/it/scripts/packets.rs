//! Packets, integration, gates and checkpoints of a script.

use serde_json::json;

use super::{document, repo, run, script};
use crate::support::Dynwf;

#[test]
fn packets_have_branches_and_are_integrated_when_the_script_says_so() {
    let repo = repo();
    let document = document(
        &repo,
        "pk",
        "const [a, b] = await parallel([\n\
           () => packet(null, { label: 'Add A', run: 'echo a > a.txt', checks: 'test -f a.txt' }),\n\
           () => packet('say b', { label: 'Add B', agent: 'writes', scope: ['written.txt'] })])\n\
         const c = await agent('as it is', { isolation: 'worktree', agent: 'writes', label: 'iso' })\n\
         const bad = await packet(null, { id: 'bad', run: 'echo x > bad.txt', checks: ['false'] })\n\
         const stray = await packet(null, { id: 'stray', run: 'echo x > y.txt', scope: 'z.txt' })\n\
         const none = await packet(null, { id: 'none', run: 'true' })\n\
         const i = await integrate([a, b])\n\
         const later = await packet(null, { id: 'later', run: 'cat a.txt > copy.txt' })\n\
         return { a, b, c, bad, stray, none, i, later }\n",
        3,
    );
    let value = &document["value"];
    assert_eq!(value["a"]["id"], "add-a");
    assert_eq!(value["a"]["status"], "checked");
    assert_eq!(value["a"]["branch"], "dynwf/pk/add-a");
    assert_eq!(value["a"]["files"], json!(["a.txt"]));
    assert_eq!(
        value["a"]["commit"].as_str().unwrap(),
        repo.git(["rev-parse", "dynwf/pk/add-a"])
    );
    assert_eq!(value["b"]["text"], "written");
    assert_eq!(value["c"], "written");
    assert_eq!(repo.git(["show", "dynwf/pk/iso:written.txt"]), "as it is");
    assert_eq!(value["bad"]["status"], "failed");
    assert_eq!(value["stray"]["status"], "failed");
    assert_eq!(value["none"]["status"], "no_change");
    assert_eq!(value["i"]["status"], "integrated");
    assert_eq!(repo.git(["show", "dynwf/pk/integration:a.txt"]), "a");
    // What comes later starts from what is integrated by then.
    assert_eq!(repo.git(["show", "dynwf/pk/later:copy.txt"]), "a");
    // What the script did not integrate stays on its branch, until a person wants it.
    assert!(
        repo.try_git(["show", "dynwf/pk/integration:copy.txt"])
            .code()
            != 0
    );
    let dynwf = Dynwf::new(&repo);
    dynwf.line("packet drop pk iso --why no").success();
    dynwf.line("integrate pk");
    assert_eq!(repo.git(["show", "dynwf/pk/integration:copy.txt"]), "a");
}

#[test]
fn a_conflict_is_a_value() {
    let repo = repo();
    let document = document(
        &repo,
        "clash",
        "const [a, b] = await parallel(['a', 'b'].map(id => () => packet(null, { id, run: `echo ${id} > same.txt` })))\n\
         return await integrate([a, b])\n",
        4,
    );
    let value = &document["value"];
    assert_eq!(value["status"], "conflicted");
    assert_eq!(value["conflicts"][0]["id"], "b");
    assert_eq!(value["conflicts"][0]["files"], json!(["same.txt"]));
}

#[test]
fn a_gate_waits_for_a_person_across_restarts() {
    let repo = repo();
    let body = "const a = await agent('before')\n\
                const yes = await gate('Deploy now?')\n\
                const no = await gate('Really?', { name: 'sure' })\n\
                return [a, yes, no]\n";
    let file = script(&repo, "ask", body);
    let dynwf = Dynwf::new(&repo);
    for _ in 0..2 {
        run(&repo, &file, &[])
            .expect_code(3)
            .complains("named:deploy-now");
    }
    dynwf.line("approve ask named:deploy-now --yes").success();
    dynwf.line("run ask").expect_code(3).complains("named:sure");
    dynwf.line("reject ask named:sure --why later").success();
    let end = run(&repo, &file, &["--json"]).success().json();
    assert_eq!(end["value"], json!(["heard before", true, false]));
    assert_eq!(super::told(&repo), ["before"]);
}

#[test]
fn shared_work_is_collected_at_checkpoints_and_at_the_end() {
    let repo = repo();
    let head = repo.git(["rev-parse", "main"]);
    let document = document(
        &repo,
        "shared",
        "await agent('one', { agent: 'writes' })\n\
         const first = await checkpoint('first', { at: 1 })\n\
         await sh('cat written.txt > two.txt')\n\
         return first\n",
        3,
    );
    let first = &document["value"];
    assert_eq!(first["files"], json!(["written.txt"]));
    let commit = first["commit"].as_str().unwrap();
    assert_eq!(repo.git(["show", &format!("{commit}:written.txt")]), "one");
    assert_eq!(
        repo.git(["show", "dynwf/shared/integration:two.txt"]),
        "one"
    );
    assert_eq!(document["run"]["gates"][0]["id"], "land");
    assert_eq!(repo.git(["rev-parse", "main"]), head);
    assert!(!repo.join("two.txt").exists());
    let dynwf = Dynwf::new(&repo);
    dynwf.line("approve shared land --yes").success();
    dynwf.line("land shared").success();
    assert!(repo.join("two.txt").exists());
}

#[test]
fn in_place_works_in_the_checkout_itself() {
    let repo = repo();
    let file = script(
        &repo,
        "place",
        "await agent('here', { agent: 'writes' })\nreturn cwd\n",
    );
    let output = run(&repo, &file, &["--in-place"]).success();
    output.says(&repo.path().display().to_string());
    assert_eq!(repo.read("written.txt"), "here");
    assert!(repo.resolve("dynwf/place/shared").is_none());
}
