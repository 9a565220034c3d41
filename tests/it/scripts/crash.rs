//! A script whose prompts depend on the order of answers, killed again and again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{repo, script};
use crate::support::{Dynwf, TestRepo};

/// Prompts name what was answered before, in its order; a race decides a later prompt.
const RACE: &str = "\
const seen = []
const out = await pipeline(Array.from({ length: args.items }, (_, i) => i),
  async i => { const said = await agent(`first ${i}`); seen.push(i); return said },
  async (said, i) => agent(`second ${i} after ${seen.length}: ${seen.slice(-4).join(' ')}`))
const winner = await Promise.race([agent('left'), agent('right')])
return { out, winner, last: await agent(`${winner} won, in the order ${seen.join(' ')}`) }
";

/// How many calls and kills, where the environment does not say.
const CALLS: usize = 43;
const KILLS: usize = 12;

/// An agent that takes its time, more or less, and notes what it was asked when it is through.
const JITTERY: &str = r#"[sandbox]
mode = "none"
[agents.jittery]
adapter = "command"
run = '''sleep 0.0$(od -An -N1 -tu1 /dev/urandom | tr -d ' '); printf 'heard '; cat "$DYNWF_PROMPT_FILE"; printf '%s\n' "$(cat "$DYNWF_PROMPT_FILE")" >> "$HOME/told"'''
"#;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn lines(journal: &Path) -> usize {
    fs::read(journal).map_or(0, |bytes| bytes.split(|&byte| byte == b'\n').count() - 1)
}

/// The records of a journal that count: those of an append that a kill cut short don't.
fn records(journal: &Path) -> Vec<Value> {
    let text = fs::read_to_string(journal).unwrap_or_default();
    let mut records: Vec<Value> = text
        .lines()
        .map_while(|line| serde_json::from_str(line).ok())
        .collect();
    let whole = records.iter().rposition(|record| record["more"] != true);
    records.truncate(whole.map_or(0, |last| last + 1));
    records
}

/// The answers of a journal: ordinal, key and reply, in order.
fn answers(journal: &Path) -> Vec<(u64, String, Value)> {
    records(journal)
        .iter()
        .filter(|record| record["kind"] == "CallAnswered")
        .map(|record| {
            let answer = &record["e"];
            let key = answer["key"].as_str().unwrap_or_default().to_owned();
            (
                answer["ordinal"].as_u64().unwrap_or(0),
                key,
                answer["reply"].clone(),
            )
        })
        .collect()
}

fn scene(calls: usize) -> (TestRepo, Vec<String>) {
    let repo = repo();
    repo.place().user_config(JITTERY);
    let file = script(&repo, "race", RACE);
    let items = calls.saturating_sub(3) / 2;
    let words = [
        "script", "run", &file, "--json", "--agent", "jittery", "--args",
    ];
    let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    words.push(format!("{{\"items\": {items}}}"));
    (repo, words)
}

/// `DYNWF_TEST_CALLS=1000 DYNWF_TEST_KILLS=200` is the whole of it.
#[test]
fn a_killed_script_is_answered_as_if_it_had_never_been() {
    let (calls, kills) = (
        number("DYNWF_TEST_CALLS", CALLS),
        number("DYNWF_TEST_KILLS", KILLS),
    );
    let (repo, words) = scene(calls);
    let journal = repo.common_dir().join("dynwf/w/race/journal.jsonl");
    let dynwf = Dynwf::new(&repo);
    let mut random = 7_usize;
    let mut known: Vec<(u64, String, Value)> = Vec::new();
    // Each call is three records and more: this spreads the kills over the whole run.
    let step = (calls * 6 / kills.max(1)).max(2);
    for kill in 0..kills {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let more = 1 + (random >> 33) % step;
        let until = lines(&journal) + more;
        let mut running = dynwf.spawn(&words);
        running.wait_until("the journal grows", || {
            lines(&journal) >= until
                || fs::read_to_string(&journal)
                    .unwrap_or_default()
                    .contains("\"ScriptEnded\"")
        });
        running.kill();
        let now = answers(&journal);
        assert_eq!(now[..known.len()], known, "after kill {kill}");
        known = now;
    }
    let end = dynwf.run(&words).success().json();
    let journaled = answers(&journal);
    assert_eq!(journaled[..known.len()], known);
    assert_eq!(
        journaled.len(),
        usize::try_from(end["census"]["done"].as_u64().unwrap()).unwrap()
    );
    assert_eq!(journaled.len(), calls - calls.saturating_sub(3) % 2);
    let again = dynwf.run(&words).success().json();
    assert_eq!(again["value"], end["value"]);
    assert_eq!(answers(&journal), journaled);

    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for prompt in super::told(&repo) {
        *asked.entry(prompt).or_default() += 1;
    }
    let twice: Vec<_> = asked.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(asked.len(), journaled.len());
}

#[test]
fn a_torn_tail_costs_at_most_the_answer_in_it() {
    let (repo, words) = scene(13);
    let journal = repo.common_dir().join("dynwf/w/race/journal.jsonl");
    let dynwf = Dynwf::new(&repo);
    let mut running = dynwf.spawn(&words);
    running.wait_until("answers", || answers(&journal).len() >= 6);
    running.kill();
    let whole = fs::read(&journal).expect("the journal is there");
    fs::write(&journal, &whole[..whole.len() - 5]).expect("the journal can be torn");
    let left = answers(&journal);
    let end = dynwf.run(&words).success().json();
    let after = answers(&journal);
    assert_eq!(after[..left.len()], left);
    assert_eq!(end["census"]["done"], 13);
}

#[test]
fn an_answer_that_was_cut_off_behind_the_end_of_its_unit_is_not_asked_for_again() {
    let repo = repo();
    repo.place().user_config(JITTERY);
    let file = script(&repo, "one", "return await agent('the only one')");
    let words = ["script", "run", &file, "--json", "--agent", "jittery"];
    let journal = repo.common_dir().join("dynwf/w/one/journal.jsonl");
    let dynwf = Dynwf::new(&repo);
    let first = dynwf.run(words).success().json();
    let text = fs::read_to_string(&journal).expect("the journal is there");
    let answer = text.find("\"kind\":\"CallAnswered\"").expect("an answer");
    let line = text[..answer].rfind('\n').expect("it is not the first") + 1;
    let before = text[..line].lines().last().expect("a record");
    assert!(before.contains("\"kind\":\"UnitEnded\""), "{before}");
    fs::write(&journal, &text[..line]).expect("the journal can be cut");
    let second = dynwf.run(words).success().json();
    assert_eq!(second["value"], first["value"]);
    assert_eq!(super::told(&repo), ["the only one"]);
}

#[test]
fn a_run_of_another_engine_goes_on_and_says_so() {
    let (repo, words) = scene(7);
    let journal = repo.common_dir().join("dynwf/w/race/journal.jsonl");
    let dynwf = Dynwf::new(&repo);
    let mut running = dynwf.spawn(&words);
    running.wait_until("answers", || answers(&journal).len() >= 2);
    running.kill();
    let text = fs::read_to_string(&journal).expect("the journal is there");
    let old = rechained(&text.replace("quickjs-ng 0.16.2", "quickjs-ng 0.0.1"));
    fs::write(&journal, old).expect("the journal can be written");
    dynwf.run(&words).success().complains("quickjs-ng 0.0.1");
}

/// The records of a journal with the checks that their present bytes want.
fn rechained(text: &str) -> String {
    let mut out = String::new();
    let mut before = "0".repeat(16);
    for line in text.lines() {
        let from = line.find("\"seq\"").expect("a record has a number");
        let at = line
            .find("\"prev\":\"")
            .expect("a record names the one before")
            + 8;
        let rest = format!("{}{before}{}", &line[from..at], &line[at + 16..]);
        let crc = crc32fast::hash(rest.as_bytes());
        let line = format!("{{\"crc\":\"{crc:08x}\",{rest}");
        let digest = Sha256::digest(line.as_bytes());
        before = digest[..8]
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        out.push_str(&line);
        out.push('\n');
    }
    out
}
