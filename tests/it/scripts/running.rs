//! What a script gets, what it is shown as, and that it is answered once.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use super::{assert_same_value, document, repo, run, script, told};
use crate::support::{Dynwf, wait_until_gone};

#[test]
fn a_script_asks_agents_and_commands_in_a_workspace_of_its_own() {
    let repo = repo();
    let before = repo.fingerprint();
    let document = document(
        &repo,
        "hello",
        "phase('Greet')\n\
         const heard = await parallel(['a', 'b'].map(n => () => agent(`hello ${n}`)))\n\
         const shell = await sh('pwd; echo bad >&2; exit 3')\n\
         report({ so: 'far' })\n\
         return { heard, shell, cwd, args: args ?? null }\n",
        0,
    );
    let value = &document["value"];
    assert_eq!(value["heard"], json!(["heard hello a", "heard hello b"]));
    let cwd = value["cwd"].as_str().unwrap();
    assert_ne!(cwd, repo.path().display().to_string());
    assert_eq!(
        value["shell"],
        json!({"code": 3, "stdout": format!("{cwd}\n"), "stderr": "bad\n"})
    );
    assert_eq!(document["census"]["done"], 3);
    assert_eq!(document["reports"], json!([{"so": "far"}]));
    assert_eq!(document["run"]["status"], "complete");
    before
        .without(&["refs/"])
        .assert_same(&repo.fingerprint().without(&["refs/"]));
}

#[test]
fn a_finished_run_answers_what_it_was_and_starts_nothing() {
    let repo = repo();
    let body = "return [await agent('once'), args]\n";
    let file = script(&repo, "once", body);
    let args = ["--json", "--args", "{\"x\": [1, 2]}"];
    let first = run(&repo, &file, &args).success().json();
    assert_eq!(first["value"], json!(["heard once", {"x": [1, 2]}]));
    let again = run(&repo, &file, &args).success().json();
    assert_same_value(&first, &again);
    fs::remove_file(&file).expect("the script can go");
    let by_name = Dynwf::new(&repo)
        .line("script run --name once --json")
        .success()
        .json();
    assert_same_value(&first, &by_name);
    assert_eq!(told(&repo), ["once"]);

    let file = script(&repo, "once", body);
    run(&repo, &file, &["--fresh"])
        .success()
        .complains("once-1");
    assert_eq!(told(&repo), ["once", "once"]);
    Dynwf::new(&repo).line("status once-1").success();
}

#[test]
fn a_dead_agent_is_null_and_never_reads_as_success() {
    let repo = repo();
    let file = script(
        &repo,
        "dead",
        "return await agent('x', { agent: 'dies', label: 'Doomed', phase: 'End' })\n",
    );
    let output = run(&repo, &file, &["--json"]).expect_code(1);
    let output =
        output.complains("null: End: Doomed (call 1): its agent ended with exit code 3: oops");
    let document = output.json();
    assert_eq!(document["value"], json!(null));
    assert_eq!(document["census"]["null"], 1);
    assert_eq!(document["census"]["nulls"][0]["label"], "Doomed");
    run(&repo, &file, &[]).expect_code(1).complains("Doomed");
    let report = repo.read(".workflow/dead/final-report.md");
    assert!(report.contains("## Script"), "{report}");
    assert!(report.contains("calls: 0 done, 1 null"), "{report}");
}

#[test]
fn a_failing_script_says_where_and_keeps_what_was_done() {
    let repo = repo();
    let file = script(
        &repo,
        "fails",
        "report('kept')\nawait sh('echo x > made.txt')\nthrow new Error('too bad')\n",
    );
    let document = run(&repo, &file, &["--json"]).expect_code(1).json();
    let report = repo.read(".workflow/fails/final-report.md");
    assert!(report.contains("failed: "), "{report}");
    assert!(report.contains("too bad"), "{report}");
    let error = document["run"]["error"].as_str().unwrap();
    assert!(
        error.contains("too bad") && error.contains("fails.js:4"),
        "{error}"
    );
    assert_eq!(document["reports"], json!(["kept"]));
    assert_eq!(repo.git(["show", "dynwf/fails/shared:made.txt"]), "x");
    run(&repo, &file, &[]).expect_code(1).complains("too bad");
}

#[test]
fn unknown_roles_and_agents_throw_at_the_call() {
    let repo = repo();
    fs::create_dir_all(repo.join(".claude/agents")).unwrap();
    repo.write(
        ".claude/agents/critic.md",
        "---\nname: critic\ndescription: d\n---\nYou are a critic.\n",
    );
    let document = document(
        &repo,
        "roles",
        "const caught = []\n\
         for (const o of [{ agentType: 'nobody' }, { agent: 'zork' }, { agent: 'parent' }])\n\
           try { await agent('x', o) } catch (e) { caught.push(e.message) }\n\
         return [caught, await agent('Judge this.', { agentType: 'critic' })]\n",
        0,
    );
    let value = &document["value"];
    assert_eq!(
        value[0][0],
        "no agentType is called `nobody`; there are Explore, Plan, critic, general-purpose; `[roles.nobody]` in \
         dynwf.toml or .claude/agents/nobody.md makes one"
    );
    assert!(value[0][1].as_str().unwrap().contains("`zork`"), "{value}");
    assert!(
        value[0][2].as_str().unwrap().contains("a person"),
        "{value}"
    );
    assert_eq!(value[1], "heard You are a critic.\n\nJudge this.");
}

#[test]
fn an_answer_by_schema_is_checked_and_asked_for_again() {
    let repo = repo();
    repo.place().user_config(
        "[sandbox]\nmode = \"none\"\n[agents.json]\nadapter = \"command\"\n\
         run = '''echo x >> $HOME/tries; n=$(wc -l < $HOME/tries); printf '```json\\n{\"n\": %s}\\n```' $((n > 1 ? n : 0 - n))'''\n",
    );
    let file = script(
        &repo,
        "schema",
        "return await agent('x', { agent: 'json', schema: { type: 'object', properties: { n: { minimum: 1 } }, required: ['n'] } })\n",
    );
    let words = ["script", "run", &file, "--json", "--agent", "json"];
    let document = Dynwf::new(&repo).run(words).success().json();
    assert_eq!(document["value"], json!({"n": 2}));
}

#[test]
fn an_edited_script_goes_on_where_it_still_asks_the_same() {
    let repo = repo();
    let body = "const a = await agent('first')\nconst b = await agent(`second ${a}`)\nreturn b\n";
    let file = script(&repo, "edited", body);
    run(&repo, &file, &[]).success();
    script(&repo, "edited", &body.replace("second", "other"));
    let refused = run(&repo, &file, &[]).expect_code(2);
    refused
        .complains("call #2")
        .complains("prompt")
        .complains("nothing was started");
    assert_eq!(told(&repo).len(), 2);
    // What comes after everything that was asked is no divergence.
    script(
        &repo,
        "edited",
        &body.replace("return b", "return await agent('third')"),
    );
    run(&repo, &file, &[]).success().says("heard third");
    assert_eq!(told(&repo).len(), 3);
}

#[test]
fn an_edited_script_takes_over_what_is_still_asked() {
    let repo = repo();
    let body = "const out = await parallel(['a', 'b', 'c'].map(n => () => agent(`look at ${n}`)))\n\
                return [out, await agent(`sum ${out.length}`)]\n";
    let file = script(&repo, "reused", body);
    run(&repo, &file, &[]).success();
    assert_eq!(told(&repo).len(), 4);
    script(&repo, "reused", &body.replace("'b', ", "'z', "));
    let what = "reuse 2, run 1, first miss #2 (prompt changed)";
    run(&repo, &file, &["--reuse", "content", "--dry-run"])
        .success()
        .complains(what);
    assert_eq!(told(&repo).len(), 4);
    let document = run(&repo, &file, &["--reuse", "content", "--json"])
        .success()
        .complains(what)
        .json();
    assert_eq!(
        document["value"],
        json!([
            ["heard look at a", "heard look at z", "heard look at c"],
            "heard sum 3"
        ])
    );
    assert_eq!(document["census"]["reused"], 3);
    assert_eq!(told(&repo).len(), 5);
    let again = run(&repo, &file, &["--json"]).success().json();
    assert_same_value(&document, &again);
    // By cause: what comes after something that is new is new, too.
    script(&repo, "reused", &body.replace("'b', ", "'y', "));
    let document = run(&repo, &file, &["--reuse", "causal", "--json"])
        .success()
        .json();
    assert_eq!(document["census"]["reused"], 2);
    assert_eq!(told(&repo).len(), 7);
}

#[test]
fn calls_that_gave_nothing_are_made_again_when_that_is_wanted() {
    let repo = repo();
    repo.place().user_config(
        "[sandbox]\nmode = \"none\"\n[agents.echo]\nadapter = \"command\"\n\
         run = '''cat \"$DYNWF_PROMPT_FILE\"; echo x >> \"$HOME/tries\"; \
         ! grep -q flaky \"$DYNWF_PROMPT_FILE\" || test -e \"$HOME/mended\"'''\n",
    );
    let file = script(
        &repo,
        "retried",
        "return await parallel(['one', 'flaky', 'two'].map(n => () => agent(n)))\n",
    );
    let first = run(&repo, &file, &["--json"]).expect_code(1).json();
    assert_eq!(first["value"], json!(["one", null, "two"]));
    fs::write(repo.place().home().join("mended"), "").unwrap();
    let again = run(&repo, &file, &["--json"]).expect_code(1).json();
    assert_same_value(&first, &again);
    let second = run(&repo, &file, &["--retry-failed", "--json"])
        .success()
        .complains("reuse 2, run 1, first miss #2 (failed before)")
        .json();
    assert_eq!(second["value"], json!(["one", "flaky", "two"]));
    let tries = fs::read_to_string(repo.place().home().join("tries")).unwrap();
    assert_eq!(tries.lines().count(), 4);
}

#[test]
fn an_interrupt_ends_agents_and_script_and_the_next_run_goes_on() {
    let repo = repo();
    let home = repo.place().home();
    let file = script(
        &repo,
        "stopped",
        "const a = await agent('before')\n\
         return [a, await sh('echo $$ > \"$HOME/pid\"; until test -e \"$HOME/go\"; do :; done; echo went')]\n",
    );
    let dynwf = Dynwf::new(&repo);
    let mut running = dynwf.spawn(["script", "run", &file, "--agent", "echo"]);
    running.wait_for(&home.join("pid"));
    dynwf
        .run(["script", "run", &file])
        .expect_code(5)
        .complains("hint: ");
    let text = fs::read_to_string(home.join("pid")).unwrap();
    running.signal(Signal::INT);
    running.wait().expect_code(130).complains("cancelled");
    wait_until_gone(text.trim().parse().unwrap());
    fs::write(home.join("go"), "").unwrap();
    let document = dynwf
        .run(["script", "run", &file, "--json"])
        .success()
        .json();
    assert_eq!(document["value"][0], "heard before");
    assert_eq!(document["value"][1]["stdout"], "went\n");
    assert_eq!(told(&repo), ["before"]);
}

#[test]
fn what_is_wrong_is_said_before_anything_starts() {
    let repo = repo();
    let dynwf = Dynwf::new(&repo);
    dynwf
        .line("script run nowhere.js")
        .expect_code(2)
        .complains("nowhere.js");
    dynwf
        .line("script run --name nobody")
        .expect_code(2)
        .complains("nobody");
    let bad = script(&repo, "bad", "return Date.now()\n");
    run(&repo, &bad, &[]).expect_code(2).complains("bad.js:2:");
    let good = script(&repo, "good", "return 1\n");
    run(&repo, &good, &["--args", "{x"])
        .expect_code(2)
        .complains("JSON");
    let words = ["script", "run", &good, "--agent", "zork"];
    dynwf.run(words).expect_code(2).complains("zork");
    dynwf.line("status good").expect_code(2);
    assert!(!repo.join(".workflow").exists());
}
